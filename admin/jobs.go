package admin

import (
	"context"
	"slices"
	"time"

	"codis/raftstore/topology"
)

// Job is a job as it is shown.
type Job struct {
	topology.Job
	// Live says that the progress is as of now, and not what was reported last.
	Live bool
}

// JobList is jobs, newest first.
type JobList []Job

// Jobs lists the unfinished jobs and the last finished ones, the newest first. The
// progress is the mover's own on the node that moves, else what it reported last.
func (o *Ops) Jobs(ctx context.Context) (JobList, error) {
	state := o.cfg.Store.State()
	list := make(JobList, 0, len(state.Jobs))
	for _, id := range slices.Backward(sortedKeys(state.Jobs)) {
		list = append(list, o.live(state.Jobs[id]))
	}
	return list, nil
}

// Job tells of one job.
func (o *Ops) Job(ctx context.Context, id uint64) (Job, error) {
	j, err := jobOf(o.cfg.Store.State(), id)
	return o.live(j), err
}

// live takes over what the mover knows of a job.
func (o *Ops) live(j topology.Job) Job {
	if o.cfg.Mover == nil || j.State.Finished() {
		return Job{Job: j}
	}
	p, ok := o.cfg.Mover.Live(j.ID)
	if !ok {
		return Job{Job: j}
	}
	// The mover's state may be older than ours by a moment, never the other way.
	p.SlotsTotal, p.SlotsDone = j.Progress.SlotsTotal, j.Progress.SlotsDone
	j.Progress = p
	return Job{Job: j, Live: true}
}

func jobOf(s *topology.State, id uint64) (topology.Job, error) {
	j, ok := s.Jobs[id]
	if !ok {
		return j, refuse(topology.CodeNoJob, "CODIS.JOBS lists them", "there is no job %d", id)
	}
	return j, nil
}

// JobWait asks for a job's end.
type JobWait struct {
	ID uint64
	// AtMost is how long to wait for it.
	AtMost time.Duration
}

// catchUp is how long a node may take to have a job in its table that was made by
// way of another one.
const catchUp = time.Second

// JobWait returns the job when it is at its end, or as it is when the time is over.
func (o *Ops) JobWait(ctx context.Context, r JobWait) (Job, error) {
	wait, cancel := context.WithTimeout(ctx, r.AtMost)
	defer cancel()
	if r.ID > o.cfg.Store.State().Epoch {
		// A job's ID is the epoch that made it, so it may be new and on its way here.
		look, done := context.WithTimeout(wait, catchUp)
		_ = o.cfg.Store.WaitEpoch(look, r.ID) // what is not there then is told below
		done()
	}
	changed, end := o.cfg.Store.Subscribe()
	defer end()
	for {
		j, err := jobOf(o.cfg.Store.State(), r.ID)
		if err != nil || j.State.Finished() {
			return Job{Job: j}, err
		}
		select {
		case <-changed:
		case <-wait.Done():
			return o.live(j), ctx.Err()
		}
	}
}
