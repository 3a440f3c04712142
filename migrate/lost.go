package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// errLost is returned when the reserved keys of a move are not where they were
// set: a server lost them, and what else it lost nobody knows.
var errLost = errors.New("reserved keys are gone (it was emptied or restored, or evicted them)")

// lost is errLost with what a person can do about moved sets that are gone.
func lost(job uint64) error {
	return fmt.Errorf("%w, so which keys have moved is not known: CODIS.JOB %d FORCE goes on, keys that the target has count, deleted ones may come back", errLost, job)
}

// errFence is returned when a fence is gone at the old group. It is set again, see
// setFences.
var errFence = errors.New("a fence is gone (it was emptied or restored, or evicted it) and is set again")

// underway returns a batch of slots that migrate as it would be held, to set again
// what its servers have lost. Its deadlines are of now: what it sends lands in time or
// not at all, see cleanUp, and the entry behind proves that this node still led
// after it had read the clocks.
func (r *run) underway(ctx context.Context, t task, from, to *link) (*hold, error) {
	s := r.c.store.State()
	h := &hold{run: r, job: t.job, epoch: t.epoch, moves: t.moves, slots: topology.Batch{Ranges: t.moves}.Slots(), from: from, to: to,
		dbs: databases(r.c.cfg.Databases, from.facts, to.facts), needFrom: need(s, t.from, from.facts), needTo: need(s, t.to, to.facts)}
	var err error
	if h.deadlineFrom, err = h.deadline(ctx, from); err != nil {
		return nil, err
	}
	if h.deadlineTo, err = h.deadline(ctx, to); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.unsure[t.epoch] = true
	r.mu.Unlock()
	p, ok := r.c.Live(t.job)
	if !ok {
		p = s.Jobs[t.job].Progress
	}
	p.SlotsTotal, p.SlotsDone = 0, 0
	if _, err := r.c.propose(ctx, topology.JobReport{ID: t.job, Progress: p, Reason: r.c.tallyOf(t.job).why()}); err != nil {
		return nil, stale(err)
	}
	return h, nil
}

// setFences sets X again at the old group. Nobody has written the slots' keys there
// since it was set first: routers write to slots that migrate at the new group only,
// requests from before the move had ended at its barrier, and what the mover or an
// access has brought to the new group is in the moved sets, whatever is here.
func (m *mover) setFences(ctx context.Context) error {
	r := m.run
	s := r.c.store.State()
	from, err := r.c.openMaster(ctx, s, m.task.from)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := r.c.openMaster(ctx, s, m.task.to)
	if err != nil {
		return err
	}
	defer to.close()
	h, err := r.underway(ctx, m.task, from, to)
	if err != nil {
		return err
	}
	if err := h.fence(ctx); err != nil {
		return err
	}
	r.c.log.Warn("fences of a move were gone and have been set again: was the server emptied or restored?",
		"job", m.task.job, "epoch", m.task.epoch, "group", m.task.from, "server", from.addr)
	return nil
}

// force carries out JobForce: all reserved keys are made again, and every key of the
// slots that the job's target has is put into the moved sets. Sets that were lost in
// part keep what they know.
func (r *run) force(ctx context.Context, s *topology.State, t task, b topology.Batch) error {
	from, err := r.c.openMaster(ctx, s, t.from)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := r.c.openMaster(ctx, s, t.to)
	if err != nil {
		return err
	}
	defer to.close()
	h, err := r.underway(ctx, t, from, to)
	if err != nil {
		return err
	}
	dbs := databases(1, from.facts, to.facts)
	if err := h.fence(ctx); err != nil {
		return err
	}
	if err := h.mark(ctx, dbs); err != nil {
		return err
	}
	at, replicas := to, h.needTo
	if b.Was != 0 { // L has the names of moved sets of this epoch
		at, replicas = from, h.needFrom
		if err := h.setUp(ctx, from, dbs, replicas, func(dst []byte) []byte {
			return fence.AppendSetMarkers(dst, h.epoch, h.slots, h.deadlineFrom)
		}); err != nil {
			return err
		}
	}
	count := 0
	for _, db := range slices.Sorted(maps.Keys(at.facts.keys)) {
		n, err := h.countAsMoved(ctx, at, db)
		if err != nil {
			return err
		}
		count += n
	}
	at.out = fence.AppendWaitWrite(at.out, h.epoch)
	waits := at.wait(replicas, waitSetup)
	frames, err := at.do(ctx, 1+waits)
	if err != nil {
		return err
	}
	if waits > 0 {
		if err := at.waited(frames[1], replicas); err != nil {
			return err
		}
	}
	r.c.log.Warn("a move goes on by force: what its target has counts as moved", "job", t.job, "epoch", t.epoch, "group", at.group, "keys", count)
	_, err = r.c.propose(ctx, topology.SlotsForced{Job: t.job, Epoch: t.epoch, Word: b.Forced})
	return stale(err)
}

// countAsMoved puts the keys that a server has in a database into the moved sets.
func (h *hold) countAsMoved(ctx context.Context, l *link, db int) (count int, err error) {
	if _, err := l.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
		return 0, fmt.Errorf("database %d: %w", db, err)
	}
	mine := map[int]bool{}
	for _, slot := range h.slots {
		mine[slot] = true
	}
	batch := fence.NewBatch(h.epoch)
	for cursor := "0"; ; {
		l.request("SCAN", cursor, "COUNT", scanKeys)
		frames, err := l.do(ctx, 1)
		if err != nil {
			return count, err
		}
		var keys []fence.Key
		if cursor, err = fence.ParseScan(frames[0], func(name []byte) {
			if slot := topology.SlotOf(name); mine[slot] && !fence.IsReserved(name) {
				keys = append(keys, fence.Key{Slot: slot, Name: slices.Clone(name)})
			}
		}); err != nil {
			return count, l.wrap(err)
		}
		for part := range slices.Chunk(keys, fence.MaxKeys) {
			l.out = batch.AppendCount(l.out, part)
			if frames, err = l.do(ctx, 1); err != nil {
				return count, err
			}
			if err := l.status(frames[0]); err != nil {
				return count, fmt.Errorf("note what has moved: %w", err)
			}
			count += len(part)
		}
		if cursor == "0" {
			return count, nil
		}
	}
}

// lateAfter is when requests that set reserved keys of a batch are late for sure. A
// batch that this run has moved had all its own answered for; then only those of a
// leader before may still be on their way.
func (r *run) lateAfter(epoch uint64, first time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.moved[epoch] && !r.unsure[epoch] {
		first = r.started
	}
	return first.Add(r.c.cfg.SetupWindow * 11 / 10)
}
