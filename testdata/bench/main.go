// Command bench measures codis beside twemproxy and a direct redis-server, in
// one run and interleaved, so that the ratios hold on a noisy machine: stock
// redis-benchmark as the load, the proxy process's own CPU accounting, medians
// of several rounds. It starts all that it measures on free ports of this
// machine and stops only that.
//
//	go run ./testdata/bench [--rounds 3] [--only get-p1,set-p16] [--proxies twemproxy,codis] [--markdown]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"codis/testdata/lab"
)

// options are the flags.
type options struct {
	rounds      int
	requests    int
	clients     int
	loops       int
	idle        int
	only        string
	proxies     string
	codis       string
	redisServer string
	nutcracker  string
	markdown    bool
	list        bool
	pprofOut    string
}

func parseFlags(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "rounds of each workload; the median counts")
	f.IntVar(&o.requests, "requests", 200_000, "requests of the unpipelined 64-byte workloads; the others scale with it")
	f.IntVar(&o.clients, "clients", 50, "connections of the load")
	f.IntVar(&o.loops, "loops", 1, "event loops of codis")
	f.IntVar(&o.idle, "idle", 10_000, "idle connections")
	f.StringVar(&o.only, "only", "", "comma list of workloads or their prefixes, see --list")
	f.StringVar(&o.proxies, "proxies", "direct,twemproxy,codis", "comma list of what to measure")
	f.StringVar(&o.codis, "codis", "", "codis binary; built from the current directory when empty")
	f.StringVar(&o.redisServer, "redis-server", "redis-server", "redis-server binary")
	f.StringVar(&o.nutcracker, "nutcracker", "nutcracker", "twemproxy binary")
	f.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
	f.BoolVar(&o.list, "list", false, "list the workloads")
	f.StringVar(&o.pprofOut, "pprof-out", "", "directory for one CPU profile of codis a workload; costs codis some speed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.requests < 1000 || o.clients < 1 {
		return o, errors.New("--rounds and --clients must be at least 1, --requests at least 1000")
	}
	for _, p := range o.proxyList() {
		if !slices.Contains([]string{direct, twemproxy, codis}, p) {
			return o, fmt.Errorf("--proxies: no such proxy %q", p)
		}
	}
	return o, nil
}

func (o options) proxyList() []string { return strings.Split(o.proxies, ",") }

// wants says whether --only names a workload, in full or by its beginning.
func (o options) wants(name string) bool {
	return o.only == "" || slices.ContainsFunc(strings.Split(o.only, ","), func(p string) bool {
		return strings.HasPrefix(name, p)
	})
}

func main() {
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil && o.list {
		for _, w := range workloads(o) {
			fmt.Printf("%-12s %s\n", w.name, w.title)
		}
		fmt.Printf("%-12s %s\n", idleName, idleTitle(o.idle))
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	// Debian keeps nutcracker where only root's PATH looks.
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin")
	if err := lab.RaiseFileLimit(); err != nil {
		return err
	}
	l, err := lab.New("bench")
	if err != nil {
		return err
	}
	defer l.Close(false)
	b := bench{options: o, lab: l}
	if err := b.start(ctx); err != nil {
		return err
	}
	r := report{machine: describeMachine(ctx, b)}
	if o.wants(idleName) {
		if err := b.measureIdle(ctx, &r); err != nil {
			return fmt.Errorf("%s: %w", idleName, err)
		}
	}
	for _, w := range workloads(o) {
		if o.wants(w.name) {
			if err := b.measure(ctx, w, &r); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	return r.write(os.Stdout, o.markdown)
}

// profilePath is where the CPU profile of a workload goes.
func (o options) profilePath(workload string) string {
	return filepath.Join(o.pprofOut, workload+".pprof")
}
