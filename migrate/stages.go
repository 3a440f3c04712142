package migrate

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

const (
	// scanKeys is the COUNT of SCAN, and so how many keys are asked for their size at a
	// time: half a millisecond of the server's time. gentleScan is the same while others
	// are served.
	scanKeys, gentleScan = "500", "150"
	// depth is how many batches may wait between two stages.
	depth = 4
	// flightKeys is how many keys are asked for with plain commands at a time: less
	// than a millisecond, and no more values that are larger than expected.
	flightKeys = 300
	// windowKeys is how many keys are put in the order of their slots at a time:
	// transactions cost less when their keys share moved sets. The next are looked for
	// meanwhile.
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
	windows, keys, moved := make(chan []fence.Key, 1), make(chan names, depth), make(chan values, depth)
	there := moved // what is at the new group's replicas
	if m.disk.Load() {
		there = make(chan values, diskDepth)
		stage([]*link{m.disks}, func() { close(moved) }, func(_ int, l *link) error { return m.diskStage(ctx, l, there, moved) })
	}
	var found [lanes]chan values
	for i := range found {
		found[i] = make(chan values, depth)
	}
	stage([]*link{m.scan}, func() { close(windows) }, func(_ int, l *link) error { return m.scanStage(ctx, l, windows) })
	stage([]*link{nil}, func() { close(keys) }, func(int, *link) error { return m.orderStage(ctx, windows, keys) })
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

// scanStage finds the small keys of the slots, a window of them at a time.
func (m *mover) scanStage(ctx context.Context, l *link, out chan<- []fence.Key) error {
	w := window{mover: m}
	for cursor := m.firstCursor(); ; {
		if err := m.brake(ctx); err != nil {
			return err
		}
		count := scanKeys
		if m.pace.gentle() {
			count = gentleScan
		}
		l.request("SCAN", cursor, "COUNT", count)
		frames, err := l.do(ctx, 1)
		if err != nil {
			return err
		}
		page := len(w.keys)
		if cursor, err = fence.ParseScan(frames[0], w.add); err != nil {
			return l.wrap(err)
		}
		m.met += int64(len(w.keys) - page)
		small, err := m.big.take(ctx, m.db, w.keys[page:])
		if err != nil {
			return err
		}
		w.keys = append(w.keys[:page], small...)
		if len(w.keys) >= windowKeys || w.bytes >= windowBytes || cursor == "0" {
			if err := send(ctx, out, w.keys); err != nil {
				return err
			}
			w = window{mover: m, keys: make([]fence.Key, 0, cap(w.keys))} // the stages behind have the others
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

// orderStage passes windows on in the order of their slots, the lanes in turn.
func (m *mover) orderStage(ctx context.Context, in <-chan []fence.Key, out chan<- names) error {
	limit := min(m.run.c.store.State().Settings.Int("migrate-batch-keys"), fence.MaxKeys/2)
	for keys := range in {
		rest := inLanes(keys)
		for left := len(keys); left > 0; {
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
	}
	return nil
}

// inLanes returns the keys of each lane, in the order of their slots: each slot has a
// place of its own in a single slice.
func inLanes(keys []fence.Key) (in [lanes][]fence.Key) {
	var next [topology.SlotCount]int
	for i := range keys {
		next[keys[i].Slot]++
	}
	sorted, at := make([]fence.Key, len(keys)), 0
	for lane := range in {
		first := at
		for slot := lane; slot < len(next); slot += lanes {
			next[slot], at = at, at+next[slot]
		}
		in[lane] = sorted[first:at]
	}
	for i := range keys {
		sorted[next[keys[i].Slot]] = keys[i]
		next[keys[i].Slot]++
	}
	return in
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
