package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"codis/raftstore/topology"
)

// Plan is what a move or a rebalance would do.
type Plan struct {
	Moves []topology.SlotMove
	// Shares is by group, of all groups, in the order of their IDs.
	Shares []Share
	// Checks is what was looked at; no job is made while one fails, unless by force.
	Checks []Check
}

// Share is a group's part of the slots, now and once the moves are made.
type Share struct {
	Group     int
	SlotsNow  int
	SlotsThen int
	// Load is what is shared out, keys or bytes; nil when that is slots.
	Load *LoadShare
}

// LoadShare is a group's part of keys or bytes.
type LoadShare struct{ Now, Then int64 }

// Ready says whether no check failed.
func (p Plan) Ready() bool {
	for _, c := range p.Checks {
		if c.Result == CheckFail {
			return false
		}
	}
	return true
}

// refusedChecks is how many failed checks a refusal tells in full.
const refusedChecks = 3

// refusal says which checks failed; nil when none did.
func (p Plan) refusal() error {
	var texts []string
	for _, c := range p.Checks {
		if c.Result != CheckFail {
			continue
		}
		text := c.Name + ": " + c.Text
		if c.From != 0 && c.To != 0 {
			text = fmt.Sprintf("group %d to %d: %s", c.From, c.To, text)
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if texts == nil {
		return nil
	}
	if n := len(texts); n > refusedChecks {
		texts = append(texts[:refusedChecks], fmt.Sprintf("and %d more", n-refusedChecks))
	}
	return refuse(CodeServer, "DRYRUN shows all checks; with FORCE the job is made now and moves slots once they pass",
		"no job was made, a check failed: %s", strings.Join(texts, "; "))
}

// slots is how many slots the plan moves.
func (p Plan) slots() int {
	n := 0
	for _, m := range p.Moves {
		n += m.Len()
	}
	return n
}

// JobID is the answer of a command that makes a job; 0 when there is nothing to do.
type JobID uint64

// MoveOptions are what a person may say about a job, beside what it is to move.
type MoveOptions struct {
	DryRun bool
	// Force makes the job also when a check fails: its slots wait until none does.
	Force bool
	Job   topology.JobOptions
}

// jobOf makes a job of moves when all checks allow it, or for a dry run the plan.
func (o *Ops) jobOf(ctx context.Context, who Caller, r MoveOptions, job topology.JobCreate, plan Plan) (answer, error) {
	if r.DryRun {
		plan.Moves = job.Moves
		plan.Checks = append(plan.Checks, o.preflight(ctx, job.Moves, r.Job)...)
		return plan, nil
	}
	if len(job.Moves) == 0 {
		return JobID(0), nil
	}
	if !r.Force {
		look, done := context.WithTimeout(ctx, o.cfg.PreflightTimeout)
		plan.Checks = append(plan.Checks, o.preflight(look, job.Moves, r.Job)...)
		done()
		if err := plan.refusal(); err != nil {
			return nil, err
		}
	}
	job.Options = r.Job
	out, err := o.cfg.Store.Propose(ctx, topology.Command{Who: string(who), Body: job})
	if err == nil {
		err = out.Err()
	}
	return JobID(out.Epoch), err
}

// preflight is the Mover's, where a look that failed is a check that failed, and
// consent answers the check that asks for it.
func (o *Ops) preflight(ctx context.Context, moves []topology.SlotMove, job topology.JobOptions) []Check {
	if len(moves) == 0 {
		return nil
	}
	checks, err := o.cfg.Mover.Preflight(ctx, moves)
	checks = slices.Clone(checks)
	for i, c := range checks {
		if c.Name == CheckKeys && c.Result == CheckFail && job.Consent {
			checks[i].Result = CheckWarn
		}
	}
	if err != nil {
		checks = append(checks, Check{Name: "preflight", Result: CheckFail, Text: err.Error()})
	}
	return checks
}

// sharesOf counts slots, and loads by what PlanRebalance went by. It is pure.
func sharesOf(s *topology.State, moves []topology.SlotMove, in topology.RebalanceInput) []Share {
	loads := slotLoads(s, in)
	at := map[int]int{}
	shares := make([]Share, 0, len(s.Groups))
	for i, id := range sortedKeys(s.Groups) {
		at[id] = i
		share := Share{Group: id}
		if loads != nil {
			share.Load = &LoadShare{}
		}
		shares = append(shares, share)
	}
	then := s.Slots
	for _, m := range moves {
		for i := m.Start; i <= m.End; i++ {
			then[i].Group = m.To
		}
	}
	for i := range s.Slots {
		if s.Slots[i].Group == 0 {
			continue
		}
		now, next := &shares[at[s.Slots[i].Group]], &shares[at[then[i].Group]]
		now.SlotsNow++
		next.SlotsThen++
		if loads != nil {
			now.Load.Now += loads[i]
			next.Load.Then += loads[i]
		}
	}
	return shares
}

// slotLoads is what each slot holds; nil when slots themselves are shared out.
func slotLoads(s *topology.State, in topology.RebalanceInput) []int64 {
	if in.By != topology.ByKeys && in.By != topology.ByMemory {
		return nil
	}
	loads := make([]int64, topology.SlotCount)
	for i, slot := range s.Slots {
		one := in.Load[slot.Group].Slots[i]
		if loads[i] = one.Keys; in.By == topology.ByMemory {
			loads[i] = one.Bytes
		}
	}
	return loads
}
