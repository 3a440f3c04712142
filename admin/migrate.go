package admin

import (
	"context"

	"codis/raftstore/topology"
)

// Migrate asks for a range of slots to be moved to a group.
type Migrate struct {
	Span SlotSpan
	// To is the group. Slots that it has already stay out of the job.
	To int
	MoveOptions
}

// Migrate makes a job that moves slots, and returns at once; see Jobs.
func (o *Ops) Migrate(ctx context.Context, who Caller, r Migrate) (answer, error) {
	if err := o.needMover(); err != nil {
		return nil, err
	}
	state := o.cfg.Store.State()
	moves, err := topology.PlanMigrate(state, r.Span.Start, r.Span.End, r.To)
	if err != nil {
		return nil, err
	}
	plan := Plan{Shares: sharesOf(state, moves, topology.RebalanceInput{})}
	return o.jobOf(ctx, who, r.MoveOptions, topology.JobCreate{Kind: topology.JobMigrate, Moves: moves}, plan)
}
