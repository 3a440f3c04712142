package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

const (
	// scanKeys is the COUNT of SCAN: half a millisecond of the server's time.
	scanKeys = "1000"
	// scriptKeys is how many keys one script takes, so how long others wait for it.
	scriptKeys = 64
	// depth is how many batches may wait between two stages.
	depth = 2
)

// values are keys with what the gate gave for them.
type values struct {
	items []fence.Item
	bytes int64
}

// database moves what one database has; all stages are empty when it returns.
func (m *mover) database(ctx context.Context, db int) error {
	for _, l := range []*link{m.scan, m.gate, m.unlink, m.restore} {
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
	stage(func(ctx context.Context) error { defer close(found); return m.gateStage(ctx, keys, found) })
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
	var found []fence.Key
	for cursor := "0"; ; {
		if err := m.brake(ctx); err != nil {
			return err
		}
		r, err := m.scan.one(ctx, "SCAN", cursor, "COUNT", scanKeys)
		if err != nil {
			return err
		}
		if len(r.Array) != 2 {
			return m.scan.wrap(fmt.Errorf("SCAN: %w", resp.ErrProtocol))
		}
		for _, e := range r.Array[1].Array {
			slot := topology.SlotOf(e.Str)
			if !m.slots[slot] || fence.IsReserved(e.Str) {
				continue
			}
			// The reply's memory goes when all its keys have gone; few of many keys
			// would keep it for long.
			found = append(found, fence.Key{Slot: slot, Name: bytes.Clone(e.Str)})
		}
		limit := m.run.c.store.State().Settings.Int("migrate-batch-keys")
		for cursor = r.Array[0].Text(); len(found) >= limit || cursor == "0" && len(found) > 0; {
			n := min(limit, len(found))
			m.met += int64(n)
			if err := send(ctx, out, found[:n:n]); err != nil {
				return err
			}
			found = found[n:]
		}
		if cursor == "0" {
			return nil
		}
	}
}

// gateStage asks for the values, about migrate-batch-bytes at a time.
func (m *mover) gateStage(ctx context.Context, in <-chan []fence.Key, out chan<- values) error {
	batch, last := fence.NewBatch(m.task.epoch), int64(0)
	for keys := range in {
		for len(keys) > 0 {
			if err := m.brake(ctx); err != nil {
				return err
			}
			budget := m.run.c.store.State().Settings.Bytes("migrate-batch-bytes")
			scripts := (len(keys) + scriptKeys - 1) / scriptKeys
			if last > budget {
				scripts = 1 // values are large: no more than one beyond the budget
			}
			var later []fence.Key
			var asked [][]fence.Key
			for len(asked) < scripts && len(keys) > 0 {
				n := min(scriptKeys, len(keys))
				m.gate.out = batch.AppendGate(m.gate.out, keys[:n], fence.Ask{Budget: max(budget/int64(scripts), 1), Persistent: m.persistent})
				asked, keys = append(asked, keys[:n]), keys[n:]
			}
			frames, err := m.gate.do(ctx, len(asked))
			if err != nil {
				return err
			}
			v := values{items: make([]fence.Item, 0, len(asked)*scriptKeys)}
			for i, frame := range frames {
				var n int
				var fenced bool
				if v.items, n, fenced, err = fence.ParseGateBatch(v.items, frame, asked[i]); err != nil {
					return m.gate.wrap(err)
				}
				if fenced {
					return m.gate.wrap(m.fenced())
				}
				v.bytes += int64(len(frame))
				later = append(later, asked[i][n:]...)
			}
			last, keys = v.bytes, append(later, keys...)
			if len(v.items) == 0 {
				continue
			}
			if err := send(ctx, out, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// fenced says what FENCED means to the mover: the move is over, or was lost.
func (m *mover) fenced() error {
	if b, ok := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch); ok && b.Phase == topology.BatchMigrating {
		return errLost
	}
	return errMovedOn
}

// scriptBytes is about how much one restore script takes.
const scriptBytes = 64 << 10

// restoreStage gives the values to the new group and waits for its replicas. What
// it passes on is safe to delete at the old one.
func (m *mover) restoreStage(ctx context.Context, in <-chan values, out chan<- values) error {
	batch, replicas := fence.NewBatch(m.task.epoch), 0
	for v := range in {
		state := m.run.c.store.State()
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
	var there []fence.Item
	for i, part := range parts {
		results, texts, err := fence.ParseRestoreBatch(frames[i], len(part))
		if err != nil {
			return nil, m.restore.wrap(err)
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

// unlinkStage deletes at the old group what has moved.
func (m *mover) unlinkStage(ctx context.Context, in <-chan values) error {
	batch := fence.NewBatch(m.task.epoch)
	var keys []fence.Key
	for v := range in {
		keys = keys[:0]
		for _, item := range v.items {
			keys = append(keys, item.Key)
		}
		scripts := 0
		for start := 0; start < len(keys); start += 2 * scriptKeys {
			m.unlink.out = batch.AppendUnlink(m.unlink.out, keys[start:min(start+2*scriptKeys, len(keys))])
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
