package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// run is one term of leadership.
type run struct {
	c       *Controller
	started time.Time
	workers sync.WaitGroup
	nudge   chan struct{} // a task has ended

	mu      sync.Mutex
	tasks   map[taskKey]bool
	retry   map[taskKey]retry
	perSlot map[int]float64      // keys of a slot, by group
	seen    map[uint64]time.Time // when a batch was first seen to be cleaning
	fresh   map[uint64]bool      // batches that this run has turned round, and nobody has worked on since
	moved   map[uint64]bool      // batches that this run has brought to their end
	unsure  map[uint64]bool      // batches of which reserved keys were set again
	inBatch map[uint64]float64   // about how many keys a batch has
	clean   map[foreignKey]bool  // where no keys of a job's slots were at the target
}

// retry says when a task that has failed may run again.
type retry struct {
	at   time.Time
	wait time.Duration
}

// foreignKey names a target that was looked through for keys of slots to come.
type foreignKey struct {
	job      uint64
	from, to int
	runID    string // of the target
}

// start starts the tasks that should run and don't.
func (r *run) start(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	state := r.c.store.State()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(state)
	now := time.Now()
	tasks := plan(state, observation{active: r.tasks, perSlot: r.perSlot})
	r.c.forgetReasons(tasks, r.tasks)
	for _, t := range tasks {
		if t.step == stepClean && r.seen[t.epoch].IsZero() {
			r.seen[t.epoch] = now
		}
		if r.tasks[t.taskKey] || now.Before(r.retry[t.taskKey].at) {
			continue
		}
		r.tasks[t.taskKey] = true
		r.workers.Go(func() { r.work(ctx, t) })
	}
}

// forget drops what belongs to jobs that are over.
func (r *run) forget(s *topology.State) {
	over := func(job uint64) bool {
		j, ok := s.Jobs[job]
		return !ok || j.State.Finished()
	}
	for key := range r.retry {
		if over(key.job) {
			delete(r.retry, key)
		}
	}
	for key := range r.clean {
		if over(key.job) {
			delete(r.clean, key)
		}
	}
	for epoch := range r.seen {
		there := false
		for _, j := range s.Jobs {
			_, found := j.Batch(epoch)
			there = there || found
		}
		if !there {
			delete(r.seen, epoch)
			delete(r.moved, epoch)
			delete(r.unsure, epoch)
			delete(r.fresh, epoch)
			delete(r.inBatch, epoch)
		}
	}
}

// work does one task and keeps in mind when to do it again.
func (r *run) work(ctx context.Context, t task) {
	err := r.do(ctx, t)
	r.mu.Lock()
	delete(r.tasks, t.taskKey)
	if err == nil || ctx.Err() != nil {
		delete(r.retry, t.taskKey)
	} else {
		wait := min(max(2*r.retry[t.taskKey].wait, r.c.cfg.Backoff), r.c.cfg.MaxBackoff)
		if errors.Is(err, errMovedOn) {
			wait = r.c.cfg.Backoff / 4
		}
		r.retry[t.taskKey] = retry{at: time.Now().Add(wait), wait: wait}
	}
	r.mu.Unlock()
	if err != nil && ctx.Err() == nil && !errors.Is(err, errMovedOn) {
		r.c.tallyOf(t.job).say(t.taskKey, fmt.Sprintf("%s, group %d to %d: %v", t.step, t.from, t.to, err))
		r.c.log.Warn("a step of a move failed and will be tried again", "job", t.job, "step", t.step.String(),
			"from", t.from, "to", t.to, "epoch", t.epoch, "error", err)
	} else {
		r.c.tallyOf(t.job).say(t.taskKey, "")
	}
	select {
	case r.nudge <- struct{}{}:
	default:
	}
}

// errMovedOn is returned when the state is no more what a task was made for.
var errMovedOn = errors.New("the state has changed")

func (r *run) do(ctx context.Context, t task) error {
	switch t.step {
	case stepBegin:
		return r.begin(ctx, t)
	case stepRelease:
		_, err := r.c.propose(ctx, topology.SlotsRelease{Job: t.job, Epoch: t.epoch})
		return stale(err)
	case stepMove:
		return r.move(ctx, t)
	case stepReverse:
		return r.reverse(ctx, t)
	}
	return r.cleanUp(ctx, t)
}

// stale makes errMovedOn of a refusal that says the same.
func stale(err error) error {
	if errors.Is(err, &topology.Error{Code: topology.CodeStale}) {
		return fmt.Errorf("%w: %w", errMovedOn, err)
	}
	return err
}

// while returns a context that ends when the state is no more as keep wants it.
func (r *run) while(ctx context.Context, keep func(*topology.State) bool) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	changed, unsubscribe := r.c.store.Subscribe()
	var watch sync.WaitGroup
	watch.Go(func() {
		for keep(r.c.store.State()) {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
		}
		cancel(errMovedOn)
	})
	return ctx, func() {
		cancel(context.Canceled)
		watch.Wait()
		unsubscribe()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
