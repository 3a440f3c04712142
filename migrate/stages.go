package migrate

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

const (
	// scanKeys is the COUNT of SCAN: a quarter of a millisecond of the server's time.
	scanKeys = "500"
	// depth is how many batches may wait between two stages.
	depth = 4
	// flightKeys is how many keys are asked for with plain commands at a time: less
	// than a millisecond, and no more values that are larger than expected.
	flightKeys = 300
	// windowKeys is how many keys are put in the order of their slots at a time:
	// scripts cost less when their keys share fences and moved sets.
	windowKeys = 16 << 10
	// windowBytes bounds their names.
	windowBytes = 4 << 20
)

// names are keys of one lane, see lanes.
type names struct {
	lane int
	keys []fence.Key
}

// values are keys with what the gate gave for them.
type values struct {
	items []fence.Item
	bytes int64
	// dumps is the memory that they are in, for others once they are at the target.
	dumps []byte
}

// database moves what one database has; all stages are empty when it returns.
func (m *mover) database(ctx context.Context, db int) error {
	for _, l := range m.links() {
		if _, err := l.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
			return fmt.Errorf("database %d: %w", db, err)
		}
	}
	m.db = db
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stages sync.WaitGroup
	// stage runs work on each of some connections, and end after the last.
	stage := func(links []*link, end func(), work func(lane int, l *link) error) {
		var group sync.WaitGroup
		for i, l := range links {
			group.Add(1)
			stages.Go(func() {
				defer group.Done()
				if err := work(i, l); err != nil {
					cancel(err)
				}
			})
		}
		stages.Go(func() { group.Wait(); end() })
	}
	keys, moved := make(chan names, depth), make(chan values, depth)
	there := moved // what is at the new group's replicas
	if m.disk.Load() {
		there = make(chan values, diskDepth)
		stage([]*link{m.disks}, func() { close(moved) }, func(_ int, l *link) error { return m.diskStage(ctx, l, there, moved) })
	}
	var found [lanes]chan values
	for i := range found {
		found[i] = make(chan values, depth)
	}
	stage([]*link{m.scan}, func() { close(keys) }, func(_ int, l *link) error { return m.scanStage(ctx, l, keys) })
	stage(m.gates[:], func() {
		for _, lane := range found {
			close(lane)
		}
	}, func(_ int, l *link) error { return m.gateStage(ctx, l, keys, found) })
	stage(m.restores[:], func() { close(there) }, func(lane int, l *link) error { return m.restoreStage(ctx, l, found[lane], there) })
	stage(m.unlinks[:], func() {}, func(_ int, l *link) error { return m.unlinkStage(ctx, l, moved) })
	stages.Wait()
	return context.Cause(ctx)
}

// send hands work to the next stage.
func send[T any](ctx context.Context, to chan<- T, work T) error {
	select {
	case to <- work:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scanStage finds the keys of the slots.
func (m *mover) scanStage(ctx context.Context, l *link, out chan<- names) error {
	w := window{mover: m}
	for cursor := m.firstCursor(); ; {
		if err := m.brake(ctx); err != nil {
			return err
		}
		l.request("SCAN", cursor, "COUNT", scanKeys)
		frames, err := l.do(ctx, 1)
		if err != nil {
			return err
		}
		if cursor, err = fence.ParseScan(frames[0], w.add); err != nil {
			return l.wrap(err)
		}
		if len(w.keys) >= windowKeys || w.bytes >= windowBytes || cursor == "0" {
			if err := w.flush(ctx, out); err != nil {
				return err
			}
		}
		if cursor == "0" {
			return nil
		}
	}
}

// window is the keys that were found and not passed on.
type window struct {
	mover *mover
	keys  []fence.Key
	bytes int
	names []byte // where the next names go
}

// add keeps a key of the slots. Its name is copied: few of many keys would keep
// the memory of all replies.
func (w *window) add(name []byte) {
	slot := topology.SlotOf(name)
	if !w.mover.slots[slot] || fence.IsReserved(name) {
		return
	}
	if cap(w.names)-len(w.names) < len(name) {
		w.names = make([]byte, 0, max(64<<10, len(name)))
	}
	at := len(w.names)
	w.names = append(w.names, name...)
	w.keys = append(w.keys, fence.Key{Slot: slot, Name: w.names[at:len(w.names):len(w.names)]})
	w.bytes += len(name)
}

// flush passes all keys on, in the order of their slots, the lanes in turn.
func (w *window) flush(ctx context.Context, out chan<- names) error {
	w.mover.met += int64(len(w.keys))
	small, err := w.mover.big.take(ctx, w.mover.db, w.keys)
	if err != nil {
		return err
	}
	var rest [lanes][]fence.Key
	for _, key := range small {
		lane := key.Slot % lanes
		rest[lane] = append(rest[lane], key)
	}
	for _, keys := range rest {
		slices.SortFunc(keys, func(a, b fence.Key) int { return a.Slot - b.Slot })
	}
	limit := min(w.mover.run.c.store.State().Settings.Int("migrate-batch-keys"), fence.MaxKeys/2)
	for left := len(small); left > 0; {
		for lane, keys := range rest {
			n := min(limit, len(keys))
			if n == 0 {
				continue
			}
			if err := send(ctx, out, names{lane: lane, keys: keys[:n]}); err != nil {
				return err
			}
			rest[lane], left = keys[n:], left-n
		}
	}
	w.keys, w.bytes, w.names = w.keys[:0], 0, nil // the stages behind have the names
	return nil
}

// fenced says what FENCED means where moved sets are: the move is over, or was lost.
func (m *mover) fenced() error {
	if m.migrates() {
		return lost(m.task.job)
	}
	return errMovedOn
}

// fenceGone says what FENCED means where the fence is. Of a batch that goes back L may
// have gone with it, and without L an older value could win.
func (m *mover) fenceGone() error {
	if b, _ := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch); m.migrates() && b.Was == 0 {
		return errFence
	}
	return m.fenced()
}

// migrates says whether the batch is still at the step that the mover is for.
func (m *mover) migrates() bool {
	b, ok := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch)
	return ok && b.Phase == topology.BatchMigrating
}
