package admin

import (
	"context"

	"codis/raftstore/topology"
)

// Migrate asks for slots to be moved to a group.
type Migrate struct {
	Span SlotSpan
	// To is the group. Slots that it has already stay out of the job.
	To int
	// Some, when it is not nil, asks for so many slots of a group, and not for Span.
	Some *topology.MigrateCount
	MoveOptions
}

// Migrate makes a job that moves slots, and returns once its checks have passed;
// see Jobs.
func (o *Ops) Migrate(ctx context.Context, who Caller, r Migrate) (answer, error) {
	if err := o.needMover(); err != nil {
		return nil, err
	}
	state := o.cfg.Store.State()
	moves, err := r.plan(state)
	if err != nil {
		return nil, err
	}
	plan := Plan{Shares: sharesOf(state, moves, topology.RebalanceInput{})}
	return o.jobOf(ctx, who, r.MoveOptions, topology.JobCreate{Kind: topology.JobMigrate, Moves: moves}, plan)
}

func (r Migrate) plan(s *topology.State) ([]topology.SlotMove, error) {
	if r.Some != nil {
		return topology.PlanMigrateCount(s, *r.Some)
	}
	return topology.PlanMigrate(s, r.Span.Start, r.Span.End, r.To)
}
