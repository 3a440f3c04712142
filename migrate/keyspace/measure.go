package keyspace

import (
	"context"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// Survey says what Measure counts.
type Survey struct {
	Target Target
	// Owns says which slots count. It is called on Measure's own goroutine.
	Owns func(slot int) bool
	// Memory asks for bytes too, which takes about five times as long.
	Memory bool
	// MaxKeys is how many keys are looked at before the rest is extrapolated; 0: all.
	MaxKeys int64
}

// Load is what a server holds.
type Load struct {
	// GroupLoad has every slot of which a key was seen.
	topology.GroupLoad
	// Scanned of Total keys were looked at. When that is less, the loads are
	// estimates: SCAN goes through the keys in the order of their hashes, so that
	// the first ones are a sample like any other.
	Scanned, Total int64
}

// Measure counts the keys of a server by slot, and the bytes that they take.
// Reserved keys and keys of other groups' slots are left out.
func Measure(ctx context.Context, s Survey) (Load, error) {
	c, err := dial(ctx, s.Target)
	if err != nil {
		return Load{}, err
	}
	defer c.Close()
	dbs, total, err := databases(ctx, c)
	if err != nil {
		return Load{}, err
	}
	load := Load{GroupLoad: topology.GroupLoad{Slots: map[int]topology.SlotLoad{}}}
	err = walk(ctx, c, dbs, func(p page) error {
		load.Scanned += int64(len(p.keys))
		if err := load.add(ctx, c, s, p); err != nil {
			return err
		}
		if s.MaxKeys > 0 && load.Scanned >= s.MaxKeys {
			return errEnough
		}
		return nil
	})
	if err != nil {
		return Load{}, err
	}
	load.Total = max(total, load.Scanned)
	if s.MaxKeys == 0 || load.Scanned < s.MaxKeys {
		load.Total = load.Scanned // the number of INFO is of another moment
	}
	load.sum()
	return load, nil
}

// add counts one page.
func (l *Load) add(ctx context.Context, c *resp.Client, s Survey, p page) error {
	var ask [][]string
	var slots []int
	for _, key := range p.keys {
		slot := topology.SlotOf(key.Str)
		if fence.IsReserved(key.Str) || !s.Owns(slot) {
			continue
		}
		one := l.Slots[slot]
		one.Keys++
		l.Slots[slot] = one
		if s.Memory {
			ask, slots = append(ask, []string{"MEMORY", "USAGE", key.Text()}), append(slots, slot)
		}
	}
	replies, err := c.Pipeline(ctx, ask...)
	if err != nil {
		return err
	}
	for i, r := range replies {
		if err := r.Err(); err != nil {
			return err
		}
		one := l.Slots[slots[i]]
		one.Bytes += r.Int // nil, that is 0, for a key that is gone meanwhile
		l.Slots[slots[i]] = one
	}
	return nil
}

// sum extrapolates from what was looked at to all keys, and adds the slots up.
func (l *Load) sum() {
	for slot, one := range l.Slots {
		if l.Scanned < l.Total {
			scale := float64(l.Total) / float64(l.Scanned)
			one = topology.SlotLoad{Keys: int64(float64(one.Keys) * scale), Bytes: int64(float64(one.Bytes) * scale)}
			l.Slots[slot] = one
		}
		l.Keys += one.Keys
		l.Bytes += one.Bytes
	}
}
