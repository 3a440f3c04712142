// Package trial runs a cluster of real processes under a recorded load while slots
// move and everything fails that may fail, and then looks whether any promise was
// broken: an acknowledged write lost, something deleted back, a key on two groups,
// a stale or torn read. The chaos program and a short test of package main call it.
package trial

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/testdata/lab"
)

const adminTimeout = 5 * time.Second

// Options say what to run.
type Options struct {
	// Seed decides the plan of faults and moves and what clients do; what happens at
	// the same time is up to the machine.
	Seed     uint64
	Duration time.Duration
	// Faults are those of allFaults, or beginnings of them, that may happen; empty
	// means all; "none" none.
	Faults []string
	// Nodes, Groups and Clients are how many there are.
	Nodes, Groups, Clients int
	// Rate is operations a second of all clients together.
	Rate int
	// Keys that never change are there beside those that do.
	Keys int
	// Slots is the most that one job moves.
	Slots int
	// Loops of each node.
	Loops int
	// Lease of the nodes.
	Lease time.Duration
	// Replicas of each group.
	Replicas int
	// Failover says whether replicas are promoted where masters fail.
	Failover bool
	// SwitchEvery is how often, more or less, a replica is made the master on purpose; 0
	// for never.
	SwitchEvery time.Duration
	// Durability is how many replicas must have a write before it is acknowledged.
	Durability int
	// JobPatience is how long a job may take, faults included.
	JobPatience time.Duration
	// Codis and RedisServer are the programs; an empty Codis is built.
	Codis, RedisServer string
	// Keep leaves the directory with the logs, also when all is well.
	Keep bool
	// Out gets the events and findings as they come.
	Out io.Writer
}

// DefaultOptions are a run of one minute.
func DefaultOptions() Options {
	return Options{Seed: 1, Duration: time.Minute, Nodes: 3, Groups: 3, Clients: 24, Rate: 3000, Keys: 20_000, Slots: 120, Loops: 1,
		Replicas: 1, Failover: true, SwitchEvery: 4 * time.Second, Lease: 2 * time.Second, JobPatience: 2 * time.Minute, RedisServer: "redis-server", Out: io.Discard}
}

// Validate says what can't be.
func (o Options) Validate() error {
	if o.Duration <= 0 || o.Lease < 500*time.Millisecond || o.Rate < 1 || o.Keys < 10 || o.Slots < 1 || o.Slots >= 512 {
		return fmt.Errorf("duration and rate must be above 0, the lease at least 500ms, keys at least 10, slots from 1 to 511")
	}
	if o.Nodes < 1 || o.Groups < 2 || o.Clients < 3 || o.Replicas < 1 || o.Durability < 0 || o.Durability > o.Replicas {
		return fmt.Errorf("there must be a node, two groups with a replica and three clients at least, and as many replicas as a write waits for")
	}
	if slices.Equal(o.Faults, []string{"none"}) {
		return nil
	}
	return checkFaults(o.Faults)
}

// faults are those that may happen, in the order of allFaults.
func (o Options) faults() []string {
	if len(o.Faults) == 0 {
		return slices.Clone(allFaults)
	}
	var list []string
	for _, f := range allFaults {
		if slices.ContainsFunc(o.Faults, func(w string) bool { return strings.HasPrefix(f, w) }) {
			list = append(list, f)
		}
	}
	return list
}

// downAfter is short, for what a loaded machine may take to answer.
func (o Options) downAfter() time.Duration { return time.Second }

// settings make the cluster notice faults in the time of a short run, and take part of the
// objects and some of the strings for big keys.
func (o Options) settings() map[string]string {
	failover := "no"
	if o.Failover {
		failover = "yes"
	}
	return map[string]string{"lease": o.Lease.String(), "lease-renew": (o.Lease / 5).String(), "backend-timeout": "2s", "backend-dial-timeout": "500ms",
		"migrate-big-elements": "5", "migrate-big-bytes": "600",
		"failover": failover, "failover-interval": "0", "down-after": o.downAfter().String(),
		"durability-replicas": strconv.Itoa(o.Durability), "durability-timeout": "500ms"}
}

// clientTimeout is longer than a node may take for any answer.
func (o Options) clientTimeout() time.Duration { return 6 * time.Second }

// trial is one run.
type trial struct {
	opt   Options
	rec   *recorder
	site  *site
	load  *load
	moves moves
	watch *watch

	pausesMu sync.Mutex
	pauses   []int64 // of switchovers, as the cluster tells them

	// Known at the end.
	turns  []turn
	losses losses
}

// Run runs a trial to its end. An error says that it could not be run; what it
// found is in the report.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("it needs Linux: links are told apart by way of /proc")
	}
	if err := lab.RaiseFileLimit(); err != nil {
		return nil, err
	}
	l, err := lab.New("chaos")
	if err != nil {
		return nil, err
	}
	t := &trial{opt: o, rec: newRecorder(o.Out), watch: newWatch()}
	keep := true // until all is known to be well
	defer func() {
		l.Close(keep)
		if t.site != nil {
			t.site.close()
		}
	}()
	if t.opt.Codis == "" {
		if t.opt.Codis, err = l.BuildCodis(ctx); err != nil {
			return nil, err
		}
	}
	t.site, err = newSite(ctx, t.opt, l)
	if err != nil {
		return nil, fmt.Errorf("start the cluster (logs are in %s): %w", l.Dir, err)
	}
	t.load = newLoad(t.rec, o, t.site.addrs())
	t.moves.current = slices.Repeat([]move{{from: 1, to: 2}}, movers)
	if err := t.load.fill(ctx); err != nil {
		return nil, err
	}
	t.settle(ctx) // what is there before the first fault is at the replicas, too
	t.storm(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.audit(ctx)
	t.turns = t.watch.turns(t.site)
	t.checkRegisters(l.Dir)
	if err := t.checkObjects(ctx); err != nil {
		return nil, err
	}
	t.checkMissed()
	t.checkLosses()
	report = t.report(l.Dir)
	keep = o.Keep || len(report.Findings) > 0
	return report, nil
}

// storm runs load, moves and faults for the time given, then lets the jobs end in
// peace, under load to the last.
func (t *trial) storm(ctx context.Context) {
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	storming, cancel := context.WithTimeout(ctx, t.opt.Duration)
	defer cancel()
	var clients, rest, watching sync.WaitGroup
	watchable, stopWatch := context.WithCancel(ctx)
	defer stopWatch()
	watching.Go(func() { t.watch.run(watchable, t) })
	for i := range t.opt.Clients {
		clients.Go(func() { t.load.run(loading, i) })
	}
	for i := range movers {
		rest.Go(func() { t.runMoves(storming, i) })
	}
	for lane := range lanes {
		plan := newPlan(t.opt, lane)
		rest.Go(func() { t.runFaults(storming, plan) })
	}
	rest.Go(func() { t.runSwitchovers(storming) })
	rest.Wait()
	t.rec.event("the faults are over")
	t.settle(ctx)
	stopLoad()
	clients.Wait()
	stopWatch()
	watching.Wait()
}
