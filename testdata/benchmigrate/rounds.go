package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"codis/raftstore/topology"
	"codis/testdata/lab"
)

// results are the figures of all rounds.
type results struct {
	plain, quiet, busy       []float64 // keys/s
	idleP99, busyP99         []float64 // ms
	idleP50, busyP50         []float64
	errors                   int
	lastError                string
	holds, noHolds           []float64 // ms: the longest wait of each slot
	requestsIdle, requestsOn int
}

// round does everything once: the two ways of moving take turns at being first.
func (b *bench) round(ctx context.Context, round int, r *results) error {
	steps := []func(context.Context, *results) error{b.measurePlain, b.measureQuiet}
	if round%2 == 1 {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range append(steps, b.measureBusy, b.measureHolds) {
		if err := step(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) rateOf(took time.Duration) float64 { return float64(b.keys) / took.Seconds() }

func (b *bench) measurePlain(ctx context.Context, r *results) error {
	took, err := b.plainLoop(ctx)
	if err != nil {
		return fmt.Errorf("plain loop: %w", err)
	}
	r.plain = append(r.plain, b.rateOf(took))
	fmt.Fprintf(os.Stderr, "plain loop of MIGRATE   %8.0f keys/s\n", b.rateOf(took))
	return nil
}

func (b *bench) measureQuiet(ctx context.Context, r *results) error {
	took, err := b.move(ctx, 1-b.at)
	if err == nil {
		err = b.complete(ctx)
	}
	if err != nil {
		return fmt.Errorf("job without load: %w", err)
	}
	r.quiet = append(r.quiet, b.rateOf(took))
	fmt.Fprintf(os.Stderr, "job without load        %8.0f keys/s\n", b.rateOf(took))
	return nil
}

// measureBusy moves with live traffic, after a while of the same traffic alone.
func (b *bench) measureBusy(ctx context.Context, r *results) error {
	idle := b.during(ctx, func(ctx context.Context) { pause(ctx, b.idle) })
	r.idleP50, r.idleP99 = append(r.idleP50, lab.Percentile(idle.latencies, 0.5)), append(r.idleP99, lab.Percentile(idle.latencies, 0.99))
	var took time.Duration
	var err error
	busy := b.during(ctx, func(ctx context.Context) { took, err = b.move(ctx, 1-b.at) })
	if err != nil {
		return fmt.Errorf("job with live traffic: %w", err)
	}
	if err := b.complete(ctx); err != nil {
		return err
	}
	r.busy = append(r.busy, b.rateOf(took))
	r.busyP50, r.busyP99 = append(r.busyP50, lab.Percentile(busy.latencies, 0.5)), append(r.busyP99, lab.Percentile(busy.latencies, 0.99))
	r.requestsIdle, r.requestsOn = r.requestsIdle+len(idle.latencies), r.requestsOn+len(busy.latencies)
	r.errors += idle.errors + busy.errors
	r.lastError += idle.lastError + busy.lastError
	fmt.Fprintf(os.Stderr, "job with live traffic   %8.0f keys/s, p99 %.2f ms, idle %.2f ms, %d errors %s\n", b.rateOf(took),
		r.busyP99[len(r.busyP99)-1], r.idleP99[len(r.idleP99)-1], idle.errors+busy.errors, busy.lastError)
	return nil
}

// during runs traffic while work does.
func (b *bench) during(ctx context.Context, work func(context.Context)) *traffic {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan *traffic, 1)
	go func() { done <- b.load(loading) }() // received below
	pause(ctx, 500*time.Millisecond)        // connections are open by then
	work(ctx)
	stop()
	return <-done
}

// measureHolds watches single slots during a move, and others that stay: what
// their clients wait longest for is the machine, not a hold.
func (b *bench) measureHolds(ctx context.Context, r *results) error {
	to := 1 - b.at
	probing, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		waits
		err error
	}
	done := make(chan result, 1)
	go func() { // received below
		w, err := b.probeAll(probing)
		done <- result{w, err}
	}()
	pause(ctx, 500*time.Millisecond) // connections are open by then
	_, err := b.moveSlots(ctx, 0, staying-1, to)
	stop()
	seen := <-done
	if err == nil {
		err = seen.err
	}
	if err == nil {
		_, err = b.moveSlots(ctx, staying, topology.SlotCount-1, to)
	}
	if err != nil {
		return fmt.Errorf("holds: %w", err)
	}
	b.at = to
	r.holds, r.noHolds = append(r.holds, seen.moving...), append(r.noHolds, seen.staying...)
	fmt.Fprintf(os.Stderr, "longest wait, ms        slots that move p50 %.1f p99 %.1f max %.1f, that stay p50 %.1f p99 %.1f max %.1f\n",
		lab.Percentile(seen.moving, 0.5), lab.Percentile(seen.moving, 0.99), lab.Percentile(seen.moving, 1),
		lab.Percentile(seen.staying, 0.5), lab.Percentile(seen.staying, 0.99), lab.Percentile(seen.staying, 1))
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (r *results) table() lab.Table {
	plain := lab.Median(r.plain)
	row := func(name, figure, verdict string) []string { return []string{name, figure, verdict} }
	ms := func(v []float64, share float64) string { return fmt.Sprintf("%.1f", lab.Percentile(v, share)) }
	p99 := lab.Median(r.busyP99)
	idle := lab.Median(r.idleP99)
	t := lab.Table{
		{"moving keys", "measured", "goal"},
		row("plain loop of MIGRATE .. COPY KEYS, 200 keys a call", fmt.Sprintf("%.0f keys/s", plain), ""),
		row("a job, no other load", fmt.Sprintf("%.0f keys/s", lab.Median(r.quiet)), lab.Verdict(lab.Median(r.quiet)/plain, ">=", 1)),
		row("a job with live traffic", fmt.Sprintf("%.0f keys/s", lab.Median(r.busy)), lab.Verdict(lab.Median(r.busy)/plain, ">=", 0.75)),
		row("live traffic alone", fmt.Sprintf("p50 %.2f p99 %.2f ms", lab.Median(r.idleP50), idle), ""),
		row("live traffic during the job", fmt.Sprintf("p50 %.2f p99 %.2f ms", lab.Median(r.busyP50), p99), "p99 "+lab.Verdict(p99/idle, "<=", 3)),
		row("errors at its clients", fmt.Sprintf("%d of %d", r.errors, r.requestsIdle+r.requestsOn), lab.Verdict(float64(r.errors), "<=", 0)),
		row("longest wait of a client whose slot moves", "p50 "+ms(r.holds, 0.5)+" p99 "+ms(r.holds, 0.99)+" max "+ms(r.holds, 1)+" ms",
			"p99 ms "+lab.Verdict(lab.Percentile(r.holds, 0.99), "<=", 50)),
		row("of one whose slot stays, at the same time", "p50 "+ms(r.noHolds, 0.5)+" p99 "+ms(r.noHolds, 0.99)+" max "+ms(r.noHolds, 1)+" ms", ""),
	}
	return t
}
