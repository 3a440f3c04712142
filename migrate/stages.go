package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

const (
	// scanKeys is the COUNT of SCAN: a quarter of a millisecond of the server's time.
	scanKeys = "500"
	// scriptKeys is how many keys one script takes, so how long others wait for it.
	scriptKeys = 64
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

// values are keys with what the gate gave for them.
type values struct {
	items []fence.Item
	bytes int64
}

// database moves what one database has; all stages are empty when it returns.
func (m *mover) database(ctx context.Context, db int) error {
	for _, l := range []*link{m.scan, m.gates[0], m.gates[1], m.unlink, m.restore} {
		if _, err := l.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
			return fmt.Errorf("database %d: %w", db, err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	keys, found, moved := make(chan []fence.Key, depth), make(chan values, depth), make(chan values, depth)
	var stages sync.WaitGroup
	stage := func(work func(context.Context) error) {
		stages.Go(func() {
			if err := work(ctx); err != nil {
				cancel(err)
			}
		})
	}
	stage(func(ctx context.Context) error { defer close(keys); return m.scanStage(ctx, keys) })
	var gates sync.WaitGroup
	for _, l := range m.gates {
		gates.Add(1)
		stage(func(ctx context.Context) error { defer gates.Done(); return m.gateStage(ctx, l, keys, found) })
	}
	stage(func(context.Context) error { defer close(found); gates.Wait(); return nil })
	stage(func(ctx context.Context) error { defer close(moved); return m.restoreStage(ctx, found, moved) })
	stage(func(ctx context.Context) error { return m.unlinkStage(ctx, moved) })
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
func (m *mover) scanStage(ctx context.Context, out chan<- []fence.Key) error {
	w := window{mover: m}
	for cursor := "0"; ; {
		if err := m.brake(ctx); err != nil {
			return err
		}
		m.scan.request("SCAN", cursor, "COUNT", scanKeys)
		frames, err := m.scan.do(ctx, 1)
		if err != nil {
			return err
		}
		if cursor, err = fence.ParseScan(frames[0], w.add); err != nil {
			return m.scan.wrap(err)
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

// flush passes all keys on, in the order of their slots.
func (w *window) flush(ctx context.Context, out chan<- []fence.Key) error {
	slices.SortFunc(w.keys, func(a, b fence.Key) int { return a.Slot - b.Slot })
	w.mover.met += int64(len(w.keys))
	limit := min(w.mover.run.c.store.State().Settings.Int("migrate-batch-keys"), fence.MaxKeys/2)
	for keys := range slices.Chunk(w.keys, limit) {
		if err := send(ctx, out, keys); err != nil {
			return err
		}
	}
	w.keys, w.bytes = make([]fence.Key, 0, len(w.keys)), 0 // the stages behind have the others
	return nil
}

// fenced says what FENCED means to the mover: the move is over, or was lost.
func (m *mover) fenced() error {
	if b, ok := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch); ok && b.Phase == topology.BatchMigrating {
		return errLost
	}
	return errMovedOn
}

const (
	// scriptBytes is about how much one restore script takes.
	scriptBytes = 64 << 10
	// joinBytes and joinKeys bound what goes to a server at a time.
	joinBytes = 256 << 10
	joinKeys  = 1024
)

// join adds what waits already: one WAIT is for all of it.
func (v values) join(in <-chan values) values {
	for v.bytes < joinBytes && len(v.items) < joinKeys {
		select {
		case next, ok := <-in:
			if !ok {
				return v
			}
			v.items, v.bytes = append(v.items, next.items...), v.bytes+next.bytes
		default:
			return v
		}
	}
	return v
}

// restoreStage gives the values to the new group and waits for its replicas. What
// it passes on is safe to delete at the old one.
func (m *mover) restoreStage(ctx context.Context, in <-chan values, out chan<- values) error {
	batch, replicas := fence.NewBatch(m.task.epoch), 0
	for v := range in {
		state := m.run.c.store.State()
		if keys, bytes := rates(state, m.task.job); keys == 0 && bytes == 0 {
			v = v.join(in)
		}
		if err := m.tally.limit.wait(ctx, state, m.task.job, len(v.items), v.bytes); err != nil {
			return err
		}
		replicas = need(state, m.task.to, m.restore.facts)
		parts := split(v.items)
		for _, part := range parts {
			m.restore.out = batch.AppendRestore(m.restore.out, part)
		}
		n := len(parts)
		if replicas > 0 {
			m.restore.out = fence.AppendWaitWrite(m.restore.out, m.task.epoch)
			n += 1 + m.restore.wait(replicas, waitRound)
		}
		frames, err := m.restore.do(ctx, n)
		if err != nil {
			return err
		}
		there, err := m.restored(parts, frames)
		if err != nil {
			return err
		}
		if replicas > 0 {
			if err := m.restore.waited(frames[n-1], replicas); errors.Is(err, errReplicas) {
				err = m.replicas(ctx, m.restore)
				if err != nil {
					return err
				}
			} else if err != nil {
				return err
			}
		}
		if err := send(ctx, out, values{items: there, bytes: v.bytes}); err != nil {
			return err
		}
	}
	return nil
}

// split cuts items into what one script takes.
func split(items []fence.Item) [][]fence.Item {
	var parts [][]fence.Item
	start, size := 0, 0
	for i, item := range items {
		if i > start && (i-start >= scriptKeys || size+len(item.Dump) > scriptBytes) {
			parts = append(parts, items[start:i])
			start, size = i, 0
		}
		size += len(item.Dump)
	}
	if start < len(items) {
		parts = append(parts, items[start:])
	}
	return parts
}

// restored returns the items that are at the new group now.
func (m *mover) restored(parts [][]fence.Item, frames [][]byte) ([]fence.Item, error) {
	total := 0
	for _, part := range parts {
		total += len(part)
	}
	there := make([]fence.Item, 0, total)
	for i, part := range parts {
		results, texts, err := fence.ParseRestoreBatch(frames[i], len(part))
		if err != nil {
			return nil, m.restore.wrap(err)
		}
		if results == nil {
			there = append(there, part...)
			continue
		}
		for j, result := range results {
			switch result {
			case fence.RestoreOK, fence.RestoreDone, fence.RestoreBusy:
				there = append(there, part[j])
			case fence.RestoreFenced:
				return nil, m.restore.wrap(m.fenced())
			default:
				if strings.HasPrefix(texts[j], "OOM") {
					return nil, m.restore.wrap(errors.New(texts[j]))
				}
				m.failed.count++
				if m.failed.text == "" {
					m.failed.text = fmt.Sprintf("%.64q: %s", part[j].Name, texts[j])
				}
			}
		}
	}
	return there, nil
}

// unlinkKeys is how many keys one unlink script takes.
const unlinkKeys = 256

// unlinkStage deletes at the old group what has moved.
func (m *mover) unlinkStage(ctx context.Context, in <-chan values) error {
	batch := fence.NewBatch(m.task.epoch)
	var keys []fence.Key
	for v := range in {
		v = v.join(in)
		keys = keys[:0]
		for _, item := range v.items {
			keys = append(keys, item.Key)
		}
		scripts := 0
		for start := 0; start < len(keys); start += unlinkKeys {
			m.unlink.out = batch.AppendUnlink(m.unlink.out, keys[start:min(start+unlinkKeys, len(keys))])
			scripts++
		}
		frames, err := m.unlink.do(ctx, scripts)
		if err != nil {
			return err
		}
		deleted := int64(0)
		for _, frame := range frames {
			n, fenced, err := fence.ParseUnlink(frame)
			if err != nil {
				return m.unlink.wrap(err)
			}
			if fenced {
				return m.unlink.wrap(m.fenced())
			}
			deleted += n
		}
		m.tally.add(int(deleted), v.bytes)
	}
	return nil
}
