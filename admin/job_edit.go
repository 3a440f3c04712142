package admin

import (
	"context"

	"codis/raftstore/topology"
)

// JobPause names a job whose further slots are to wait.
type JobPause struct{ ID uint64 }

// JobPause begins no further slots. Those under way stay as they are, and their
// keys are served.
func (o *Ops) JobPause(ctx context.Context, who Caller, r JobPause) (Done, error) {
	return Done{}, o.propose(ctx, who, topology.JobSetState{ID: r.ID, State: topology.JobPaused})
}

// JobResume names a paused job.
type JobResume struct{ ID uint64 }

// JobResume goes on with a paused job.
func (o *Ops) JobResume(ctx context.Context, who Caller, r JobResume) (Done, error) {
	return Done{}, o.propose(ctx, who, topology.JobSetState{ID: r.ID, State: topology.JobRunning})
}

// JobCancel names a job to be ended.
type JobCancel struct{ ID uint64 }

// JobCancel moves no further slots. Slots that are moved stay where they are; those
// that are being moved are turned round.
func (o *Ops) JobCancel(ctx context.Context, who Caller, r JobCancel) (Done, error) {
	if err := o.propose(ctx, who, topology.JobSetState{ID: r.ID, State: topology.JobCancelling}); err != nil {
		return Done{}, err
	}
	done := Done{}
	j := o.cfg.Store.State().Jobs[r.ID]
	back := 0
	for _, m := range j.Back {
		back += m.Len()
	}
	if back > 0 {
		done.notef("%d slots are being moved: they go back", back)
	}
	if j.Progress.SlotsDone > 0 {
		done.notef("%d slots were moved before and stay where they are", j.Progress.SlotsDone)
	}
	return done, nil
}

// JobForce names a job that is to go on although servers have lost what they knew
// of its moves.
type JobForce struct{ ID uint64 }

// JobForce lets the mover find out anew what has moved: every key that is at the
// target counts.
func (o *Ops) JobForce(ctx context.Context, who Caller, r JobForce) (Done, error) {
	if err := o.propose(ctx, who, topology.JobForce{ID: r.ID}); err != nil {
		return Done{}, err
	}
	done := Done{}
	done.notef("every key that is at the target counts as moved, the rest goes on moving: keys that were deleted there since may come back, with older values")
	return done, nil
}

// JobLimit sets how many keys and bytes a second an unfinished job may move. What is
// nil stays as it is; 0 is for what the settings say.
type JobLimit struct {
	ID                            uint64
	KeysPerSecond, BytesPerSecond *int64
}

// JobLimit changes a job's limits; what is under way keeps to them at once.
func (o *Ops) JobLimit(ctx context.Context, who Caller, r JobLimit) (Done, error) {
	j, err := jobOf(o.cfg.Store.State(), r.ID)
	if err != nil {
		return Done{}, err
	}
	limit := topology.JobLimit{ID: r.ID, KeysPerSecond: j.Options.KeysPerSecond, BytesPerSecond: j.Options.BytesPerSecond}
	if r.KeysPerSecond != nil {
		limit.KeysPerSecond = *r.KeysPerSecond
	}
	if r.BytesPerSecond != nil {
		limit.BytesPerSecond = *r.BytesPerSecond
	}
	return Done{}, o.propose(ctx, who, limit)
}
