package admin

import (
	"context"
	"fmt"
	"sync"

	"codis/raftstore/topology"
)

// Rebalance asks for slots to be shared out anew.
type Rebalance struct {
	By topology.RebalanceBy
	// Weights is by group; others have weight 1, and 0 drains a group.
	Weights map[int]int
	MoveOptions
}

// Rebalance makes a job that shares the slots out with the fewest moves; none when
// nothing needs to move.
func (o *Ops) Rebalance(ctx context.Context, who Caller, r Rebalance) (answer, error) {
	if err := o.needMover(); err != nil {
		return nil, err
	}
	state := o.cfg.Store.State()
	in := topology.RebalanceInput{By: r.By, Weights: r.Weights}
	var checks []Check
	if r.By != topology.BySlots {
		// What can't be right whatever the loads are is found before they are measured.
		if _, err := topology.PlanRebalance(state, topology.RebalanceInput{By: topology.BySlots, Weights: r.Weights}); err != nil {
			return nil, err
		}
		var err error
		if in.Load, checks, err = o.measure(ctx, state, r.By); err != nil {
			return nil, err
		}
	}
	moves, err := topology.PlanRebalance(state, in)
	if err != nil {
		return nil, err
	}
	plan := Plan{Shares: sharesOf(state, moves, in), Checks: checks}
	return o.jobOf(ctx, who, r.MoveOptions, topology.JobCreate{Kind: topology.JobRebalance, Moves: moves}, plan)
}

// measure reads what all groups hold, at the same time.
func (o *Ops) measure(ctx context.Context, s *topology.State, by topology.RebalanceBy) (map[int]topology.GroupLoad, []Check, error) {
	if err := o.needKeyspace(); err != nil {
		return nil, nil, err
	}
	ids := sortedKeys(s.Groups)
	loads, errs := make([]Load, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { // ends with ctx
			loads[i], errs[i] = o.cfg.Keyspace.Measure(ctx, Survey{
				Target: masterOf(s, id), Memory: by == topology.ByMemory, MaxKeys: o.cfg.CountLimit,
				Owns: func(slot int) bool { return s.Slots[slot].Group == id },
			})
		})
	}
	wg.Wait()
	known := map[int]topology.GroupLoad{}
	var checks []Check
	for i, id := range ids {
		if errs[i] != nil {
			return nil, nil, serverError(errs[i], fmt.Sprintf("measure group %d", id))
		}
		known[id] = loads[i].GroupLoad
		check := Check{From: id, Name: "load", Result: CheckOK, Text: fmt.Sprintf("%d keys", loads[i].Keys)}
		if by == topology.ByMemory {
			check.Text += fmt.Sprintf(", %d bytes", loads[i].Bytes)
		}
		if loads[i].Scanned < loads[i].Total {
			check.Result, check.Text = CheckWarn, "about "+check.Text+fmt.Sprintf(": estimated from %d of %d", loads[i].Scanned, loads[i].Total)
		}
		checks = append(checks, check)
	}
	return known, checks, nil
}
