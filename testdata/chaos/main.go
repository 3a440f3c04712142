// Command chaos runs a cluster of real codis nodes and real redis-servers under a
// recorded load, moves slots to and fro, kills, stops and cuts off everything in
// turn, and checks what clients saw and what is left at the end. Masters write
// each change to disk before they acknowledge it (appendfsync always), so that an
// acknowledged write has to survive kill -9 of its server.
//
//	go run ./testdata/chaos [-seed 1] [-duration 1m] [-faults kill,cut-peers] [-v]
//
// It ends with one line of figures, and with exit code 1 when anything is wrong.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"codis/testdata/chaos/trial"
)

func main() {
	o := trial.DefaultOptions()
	flag.Uint64Var(&o.Seed, "seed", o.Seed, "decides the plan of moves and faults")
	flag.DurationVar(&o.Duration, "duration", o.Duration, "how long moves and faults go on")
	faults := flag.String("faults", "", "comma list of faults, or beginnings of their names; none; all when empty: "+strings.Join(trial.Faults(), " "))
	flag.IntVar(&o.Nodes, "nodes", o.Nodes, "codis nodes")
	flag.IntVar(&o.Groups, "groups", o.Groups, "groups of a master and replicas")
	flag.IntVar(&o.Replicas, "replicas", o.Replicas, "replicas of each group")
	flag.BoolVar(&o.Failover, "failover", o.Failover, "replicas are promoted where masters fail")
	flag.DurationVar(&o.SwitchEvery, "switch-every", o.SwitchEvery, "how often a replica is made the master on purpose, more or less; 0 for never")
	flag.IntVar(&o.Durability, "durability", o.Durability, "replicas that must have a write before it is acknowledged")
	flag.IntVar(&o.Clients, "clients", o.Clients, "clients")
	flag.IntVar(&o.Rate, "rate", o.Rate, "operations a second of all clients")
	flag.IntVar(&o.Keys, "keys", o.Keys, "keys that never change")
	flag.IntVar(&o.Slots, "slots", o.Slots, "most slots of one move")
	flag.IntVar(&o.Loops, "loops", o.Loops, "event loops of a node")
	flag.DurationVar(&o.Lease, "lease", o.Lease, "lease of the nodes")
	flag.DurationVar(&o.JobPatience, "job-patience", o.JobPatience, "how long one job may take")
	flag.StringVar(&o.Codis, "codis", "", "codis binary; built from the current directory when empty")
	flag.StringVar(&o.RedisServer, "redis-server", o.RedisServer, "redis-server binary")
	flag.BoolVar(&o.Keep, "keep", false, "keep the directory with logs also when nothing was found")
	verbose := flag.Bool("v", false, "print events and counts")
	plan := flag.Bool("plan", false, "print the plan of faults and do nothing")
	flag.Parse()
	if *faults != "" {
		o.Faults = strings.Split(*faults, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, o, *verbose, *plan)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, o trial.Options, verbose, plan bool) int {
	if plan {
		for _, line := range o.Plan() {
			fmt.Println(line)
		}
		return 0
	}
	o.Out = io.Discard
	if verbose {
		o.Out = os.Stderr
	}
	report, err := trial.Run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 2
	}
	if verbose {
		for _, name := range slices.Sorted(maps.Keys(report.Counts)) {
			fmt.Printf("%8d  %s\n", report.Counts[name], name)
		}
	}
	for _, f := range report.Findings[:min(len(report.Findings), 20)] {
		fmt.Printf("%s: %s\n", f.Kind, f.Text)
		if !verbose {
			for _, line := range f.History {
				fmt.Println("   ", line)
			}
		}
	}
	fmt.Printf("chaos seed=%d duration=%v %s\n", o.Seed, o.Duration, report.Line)
	if len(report.Findings) > 0 {
		fmt.Printf("logs, events and histories are in %s\n", report.Dir)
		return 1
	}
	return 0
}
