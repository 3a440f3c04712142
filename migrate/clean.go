package migrate

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// cleanUp removes a batch's reserved keys, once no node asks for them any more.
func (r *run) cleanUp(ctx context.Context, t task) error {
	s := r.c.store.State()
	limit, cancel := context.WithTimeout(ctx, barrierLimit(s))
	defer cancel()
	// Any entry after the one that ended the batch will do.
	if _, err := r.c.store.Barrier(limit, s.Epoch); err != nil {
		return fmt.Errorf("wait for all nodes: %w", err)
	}
	// A leader before this one, or a connection that broke, may have left a
	// request to set fences on its way. It is late after this, by the server's
	// clock; a tenth is for clocks that run apart.
	r.mu.Lock()
	first := r.seen[t.epoch]
	r.mu.Unlock()
	b, _ := s.Jobs[t.job].Batch(t.epoch)
	late := first.Add(r.c.cfg.SetupWindow * 11 / 10)
	if b.Was == 0 { // more than one may have set up what goes back
		late = r.lateAfter(t.epoch, first)
	}
	if err := sleep(ctx, time.Until(late)); err != nil {
		return err
	}
	slots := topology.Batch{Ranges: t.moves}.Slots()
	if err := r.drop(ctx, s, t.to, func(dst []byte) []byte { return fence.AppendDropMoved(dst, t.epoch, slots) }, t.epoch); err != nil {
		return err
	}
	if err := r.drop(ctx, s, t.to, func(dst []byte) []byte { return fence.AppendDropBig(dst, t.epoch) }, t.epoch); err != nil {
		return err
	}
	if b.Was != 0 {
		if err := r.drop(ctx, s, t.from, func(dst []byte) []byte {
			return fence.AppendDropMoved(dst, t.epoch, slots)
		}, t.epoch); err != nil {
			return err
		}
		// What had begun to be copied there before.
		if err := r.drop(ctx, s, t.from, func(dst []byte) []byte { return fence.AppendDropBig(dst, b.Was) }, b.Was); err != nil {
			return err
		}
	}
	if err := r.drop(ctx, s, t.from, func(dst []byte) []byte { return fence.AppendDropFence(dst, t.epoch) }, t.epoch); err != nil {
		return err
	}
	// The entry behind may finish the job, and what it says then stays.
	if p, ok := r.c.Live(t.job); ok {
		p.SlotsTotal, p.SlotsDone = 0, 0
		if _, err := r.c.propose(ctx, topology.JobReport{ID: t.job, Progress: p, Reason: r.c.tallyOf(t.job).whyBut(t.taskKey)}); err != nil {
			return stale(err)
		}
	}
	_, err := r.c.propose(ctx, topology.SlotsCleaned{Job: t.job, Epoch: t.epoch})
	return stale(err)
}

// drop removes reserved keys of a batch at a group's master, and waits until its
// replicas have: one that was promoted without would have them for good.
func (r *run) drop(ctx context.Context, s *topology.State, group int, request func([]byte) []byte, epoch uint64) error {
	l, err := r.c.openMaster(ctx, s, group)
	if err != nil {
		return err
	}
	defer l.close()
	dbs := databases(r.c.cfg.Databases, l.facts)
	for _, db := range dbs {
		l.request("SELECT", strconv.Itoa(db))
		l.out = request(l.out)
		l.out = fence.AppendDropWait(l.out, epoch)
	}
	// They may have been removed before, by someone else: WAIT needs a write of its own.
	l.out = fence.AppendWaitWrite(l.out, epoch)
	replicas := need(s, group, l.facts)
	waits := l.wait(replicas, waitSetup)
	l.out = fence.AppendDropWait(l.out, epoch)
	frames, err := l.do(ctx, 3*len(dbs)+2+waits)
	if err != nil {
		return err
	}
	for i := range dbs {
		if frames[3*i][0] == '-' { // fewer databases: it was the one before, again
			continue
		}
		if frames[3*i+1][0] == '-' {
			return l.wrap(fmt.Errorf("remove reserved keys: %q", frames[3*i+1]))
		}
	}
	if waits == 0 {
		return nil
	}
	if err := l.status(frames[3*len(dbs)]); err != nil {
		return fmt.Errorf("remove reserved keys: %w", err)
	}
	if err := l.waited(frames[3*len(dbs)+1], replicas); err != nil {
		return fmt.Errorf("remove reserved keys: %w", err)
	}
	return nil
}
