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

// toReverse says whether a batch is to be turned round: its job was cancelled in
// the middle of it.
func toReverse(s *topology.State, j topology.Job, b topology.Batch) bool {
	return j.State == topology.JobCancelling && b.Phase == topology.BatchMigrating && b.Was == 0 &&
		s.Format >= (topology.Command{Body: topology.SlotsReverse{}}).Needs()
}

// reverse turns a batch round, or goes on with one that was turned round by whoever
// led then: all that it does may be done again.
func (r *run) reverse(ctx context.Context, t task) error {
	s := r.c.store.State()
	b, ok := s.Jobs[t.job].Batch(t.epoch)
	if !ok {
		return errMovedOn
	}
	if b.Phase == topology.BatchMigrating {
		if b.Forced != 0 {
			if err := r.force(ctx, s, t, b); err != nil {
				return err
			}
		}
		return r.turnRound(ctx, s, t)
	}
	return r.sendBack(ctx, s, t, b)
}

// turnRound looks whether the way back is open, and has the slots held.
func (r *run) turnRound(ctx context.Context, s *topology.State, t task) error {
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
	slots := topology.Batch{Ranges: t.moves}.Slots()
	// What has moved is known from the sets alone. Without them every key that the
	// old group still has would count, also those that were changed or deleted since.
	if n, err := checkSets(ctx, to, []int{0}, t.epoch, slots); errors.Is(err, errLost) || err == nil && n == 0 {
		return to.wrap(lost(t.job))
	} else if err != nil {
		return err
	}
	if _, err := checkSets(ctx, to, slices.Sorted(maps.Keys(from.facts.keys)), t.epoch, slots); errors.Is(err, errLost) {
		return to.wrap(lost(t.job))
	} else if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, barrierLimit(s))
	defer cancel()
	if _, err := r.c.store.Barrier(limit, s.Epoch); err != nil {
		return fmt.Errorf("wait for all nodes: %w", err)
	}
	epoch, err := r.c.propose(ctx, topology.SlotsReverse{Job: t.job, Epoch: t.epoch})
	if err == nil {
		r.mu.Lock()
		r.fresh[epoch] = true
		r.mu.Unlock()
	}
	return stale(err)
}

// sendBack makes the slots ready to go back. Nobody uses them until it is done.
func (r *run) sendBack(ctx context.Context, s *topology.State, t task, b topology.Batch) error {
	ctx, stop := r.while(ctx, func(s *topology.State) bool {
		b, ok := s.Jobs[t.job].Batch(t.epoch)
		return ok && b.Phase == topology.BatchHolding && !turning(s, t.from, t.to)
	})
	defer stop()
	if err := r.outlast(ctx, t.epoch); err != nil {
		return err
	}
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
	h := hold{run: r, job: t.job, epoch: t.epoch, moves: t.moves, slots: topology.Batch{Ranges: t.moves}.Slots(), from: from, to: to,
		dbs: databases(r.c.cfg.Databases, from.facts, to.facts), needFrom: need(s, t.from, from.facts), needTo: need(s, t.to, to.facts)}
	began := time.Now()
	limit, cancel := context.WithTimeout(ctx, barrierLimit(s))
	defer cancel()
	if err := h.barrier(limit); err != nil {
		return err
	}
	if h.deadlineFrom, err = h.deadline(limit, from); err != nil {
		return err
	}
	if h.deadlineTo, err = h.deadline(limit, to); err != nil {
		return err
	}
	if err := h.seal(limit, b.Was); err != nil {
		return err
	}
	if _, err := r.c.propose(ctx, topology.SlotsMigrate{Job: t.job, Epoch: t.epoch, Seen: s.Epoch}); err != nil {
		return stale(err)
	}
	r.c.log.Info("slots go back", "job", t.job, "epoch", t.epoch, "slots", len(h.slots), "from", t.from, "to", t.to,
		"held", time.Since(began).Round(time.Microsecond))
	return nil
}

// outlast waits until the requests of attempts before this one have landed or are
// late: one that makes moved sets must not land when the slots are on their way.
func (r *run) outlast(ctx context.Context, epoch uint64) error {
	r.mu.Lock()
	fresh := r.fresh[epoch]
	delete(r.fresh, epoch)
	r.mu.Unlock()
	if fresh {
		return nil
	}
	return sleep(ctx, r.c.cfg.SetupWindow*11/10)
}

// seal makes of what the batch was what it is to be, see package fence.
func (h *hold) seal(ctx context.Context, was uint64) error {
	// Only now nobody makes keys there any more.
	facts, err := h.from.ask(ctx)
	if err != nil {
		return err
	}
	if facts.runID != h.from.facts.runID || !facts.master {
		return h.from.wrap(errors.New("the server has changed under way"))
	}
	if err := h.setUp(ctx, h.from, h.dbs, h.needFrom, func(dst []byte) []byte {
		return fence.AppendSeal(dst, was, h.epoch, h.slots, h.deadlineFrom)
	}); err != nil {
		return err
	}
	if err := h.fence(ctx); err != nil {
		return err
	}
	for _, db := range h.dbs {
		h.to.request("SELECT", strconv.Itoa(db))
		h.to.out = fence.AppendDropFence(h.to.out, was)
	}
	frames, err := h.to.do(ctx, 2*len(h.dbs))
	if err != nil {
		return err
	}
	for i := range h.dbs {
		if frames[2*i][0] != '-' && frames[2*i+1][0] == '-' {
			return h.to.wrap(fmt.Errorf("remove the fence: %q", frames[2*i+1]))
		}
	}
	return h.mark(ctx, slices.Sorted(maps.Keys(facts.keys)))
}

// backKeys is how many keys that go back are asked for at a time.
const backKeys = 32

// bringBack moves what clients may have changed since the slots had begun to move:
// the keys of L. What is left then goes by ordinary passes.
func (m *mover) bringBack(ctx context.Context) error {
	facts, err := m.scan.ask(ctx)
	if err != nil {
		return err
	}
	from, to := m.scan, m.restores[0]
	for _, db := range slices.Sorted(maps.Keys(facts.keys)) {
		for _, l := range []*link{from, to} {
			if _, err := l.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
				return fmt.Errorf("database %d: %w", db, err)
			}
		}
		for _, slot := range m.list {
			if err := m.bringSlot(ctx, slot); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *mover) bringSlot(ctx context.Context, slot int) error {
	for cursor := "0"; ; {
		m.scan.out = fence.AppendLeft(m.scan.out, slot, m.task.epoch, cursor)
		frames, err := m.scan.do(ctx, 1)
		if err != nil {
			return err
		}
		var keys [][]byte
		if cursor, err = fence.ParseLeft(frames[0], func(name []byte) { keys = append(keys, slices.Clone(name)) }); err != nil {
			return m.scan.wrap(err)
		}
		for part := range slices.Chunk(keys, backKeys) {
			if err := m.brake(ctx); err != nil {
				return err
			}
			if err := m.bringKeys(ctx, slot, part); err != nil {
				return err
			}
		}
		if cursor == "0" {
			return nil
		}
	}
}

// bringKeys moves keys of one slot that are in L, and forgets them there.
func (m *mover) bringKeys(ctx context.Context, slot int, keys [][]byte) error {
	for _, key := range keys {
		m.scan.out = fence.AppendGateBack(m.scan.out, slot, m.task.epoch, key)
	}
	frames, err := m.scan.do(ctx, len(keys))
	if err != nil {
		return err
	}
	var asked [][]byte
	to, bytes := m.restores[0], int64(0)
	for i, key := range keys {
		v, err := fence.ParseGate(frames[i])
		switch {
		case err != nil:
			return m.scan.wrap(err)
		case v.Kind == fence.GateFenced:
			return m.scan.wrap(m.fenceGone())
		case v.Kind == fence.GateGone:
			to.out = fence.AppendRemove(to.out, slot, m.task.epoch, key)
		case v.Replaces:
			to.out = fence.AppendReplace(to.out, slot, m.task.epoch, key, v.TTL, v.Dump)
		default: // another mover has brought it meanwhile
			continue
		}
		asked, bytes = append(asked, key), bytes+int64(len(v.Dump))
	}
	if frames, err = to.do(ctx, len(asked)); err != nil {
		return err
	}
	for i, key := range asked {
		result, err := fence.ParseRestore(frames[i])
		if err != nil {
			return to.wrap(fmt.Errorf("%.64q: %w", key, err))
		}
		if result == fence.RestoreFenced {
			return to.wrap(m.fenced())
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if err := m.replicas(ctx, to); err != nil {
		return err
	}
	m.scan.out = fence.NewBatch(m.task.epoch).AppendForget(m.scan.out, slot, asked)
	if frames, err = m.scan.do(ctx, 1); err != nil {
		return err
	}
	n, fenced, err := fence.ParseUnlink(frames[0])
	if err == nil && fenced {
		err = m.fenceGone()
	}
	if err != nil {
		return m.scan.wrap(err)
	}
	m.tally.add(int(n), bytes)
	return nil
}

// turning says whether one of two groups is getting another master.
func turning(s *topology.State, groups ...int) bool {
	return slices.ContainsFunc(groups, func(id int) bool { return s.Groups[id].Turn != nil })
}
