// Command benchmigrate measures how fast codis moves slots, and what clients feel
// of it: 200,000 keys from one group to another and back, beside a plain loop of
// MIGRATE .. COPY KEYS between the same kind of servers in the same run, first
// without other load, then with live traffic at a fixed rate; and how long a
// client waits whose slot is held. It starts all that it measures on free ports of
// this machine and stops only that.
//
//	go run ./testdata/benchmigrate [-keys 200000] [-rounds 3] [-rate 4000] [-markdown]
//	go run ./testdata/benchmigrate -big [-only string] [-keys 20000]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"codis/testdata/lab"
)

type options struct {
	keys, size  int
	rounds      int
	rate        int
	conns       int
	probes      int
	nodes       int
	replicas    int
	loops       int
	idle        time.Duration
	codis       string
	redisServer string
	markdown    bool
	big         bool
	only        string
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("benchmigrate", flag.ContinueOnError)
	f.IntVar(&o.keys, "keys", 200_000, "keys that move")
	f.IntVar(&o.size, "size", 100, "bytes of a value")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; the median counts")
	f.IntVar(&o.rate, "rate", 4000, "operations a second of the live traffic")
	f.IntVar(&o.conns, "conns", 32, "connections of the live traffic")
	f.IntVar(&o.probes, "probes", 64, "slots whose holds are watched")
	f.IntVar(&o.nodes, "nodes", 3, "codis nodes")
	f.IntVar(&o.replicas, "replicas", 0, "replicas of each group")
	f.IntVar(&o.loops, "loops", 1, "event loops of a node")
	f.DurationVar(&o.idle, "idle", 5*time.Second, "how long traffic is measured while nothing moves")
	f.StringVar(&o.codis, "codis", "", "codis binary; built from the current directory when empty")
	f.StringVar(&o.redisServer, "redis-server", "redis-server", "redis-server binary")
	f.BoolVar(&o.big, "big", false, "move big keys, one after the other, in place of the rounds")
	f.StringVar(&o.only, "only", "", "with -big: the kind of key, as it begins: hash, set, list, sorted, stream, string")
	f.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.keys < 1000 || o.size < 1 || o.rounds < 1 || o.rate < 1 || o.conns < 1 || o.probes < 1 || o.probes > 1024 || o.nodes < 1 {
		return o, errors.New("keys must be at least 1000, probes at most 1024, all others at least 1")
	}
	return o, nil
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmigrate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := lab.RaiseFileLimit(); err != nil {
		return err
	}
	l, err := lab.New("benchmigrate")
	if err != nil {
		return err
	}
	defer l.Close(false)
	b := &bench{options: o, lab: l, at: 0}
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	if o.big {
		t, err := b.measureBig(ctx)
		if err != nil {
			return err
		}
		fmt.Println(lab.DescribeMachine(ctx))
		return t.Write(os.Stdout, o.markdown)
	}
	var r results
	for round := range o.rounds {
		if err := b.round(ctx, round, &r); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	fmt.Println(lab.DescribeMachine(ctx))
	fmt.Println(lab.Version(ctx, o.redisServer, "--version"))
	fmt.Println(lab.Version(ctx, b.codis, "version"))
	fmt.Printf("%d keys of %d bytes, %d nodes, %d replica(s) a group, %d round(s), medians; live traffic %d operations/s on %d connections\n\n",
		o.keys, o.size, o.nodes, o.replicas, o.rounds, o.rate, o.conns)
	return r.table().Write(os.Stdout, o.markdown)
}
