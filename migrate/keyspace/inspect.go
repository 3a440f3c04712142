package keyspace

import (
	"context"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// Place says what a key of a slot is to the server that has it.
type Place uint8

const (
	// PlaceOwn: the server's group serves the slot, or moves it, or has just done so.
	PlaceOwn Place = iota
	// PlaceForeign: another group serves the slot, so no client sees the key.
	PlaceForeign
	// PlaceUnserved: no group serves the slot.
	PlaceUnserved
)

// Question says what Inspect is to look for.
type Question struct {
	Target Target
	// Place and Over are called on Inspect's own goroutine, once a key.
	Place func(slot int) Place
	// Over says whether the batch of an epoch is over, so that nothing needs its
	// reserved keys any more.
	Over func(epoch uint64) bool
}

// Findings is what Inspect found. SCAN may show a key twice while tables grow or
// shrink, so the numbers of keys are "about".
type Findings struct {
	// Keys is how many were looked at.
	Keys              int64
	Foreign, Unserved Count
	// Unknown are keys with reserved names that this version does not use.
	Unknown Count
	// LeftOver are reserved keys of moves that are over.
	LeftOver []Reserved
}

// Count is a number of keys, and one of them: quoted, and cut to a length that can
// be printed.
type Count struct {
	Keys    int64
	Example string
}

func (c *Count) add(key []byte) {
	c.Keys++
	if c.Example == "" {
		c.Example = show(key)
	}
}

// Reserved is a reserved key of a batch, in one database.
type Reserved struct {
	DB    int
	Fence bool // a fence, else a moved set
	Slot  int  // -1 for a fence
	Epoch uint64
}

// Inspect looks at all keys of a server, in all databases. It changes nothing.
func Inspect(ctx context.Context, q Question) (Findings, error) {
	c, err := dial(ctx, q.Target)
	if err != nil {
		return Findings{}, err
	}
	defer c.Close()
	dbs, _, err := databases(ctx, c)
	if err != nil {
		return Findings{}, err
	}
	var found Findings
	seen := map[Reserved]bool{}
	err = walk(ctx, c, dbs, func(p page) error {
		for _, key := range p.keys {
			if fence.IsReserved(key.Str) {
				found.addReserved(key.Str, p.db, q.Over, seen)
				continue
			}
			found.Keys++
			switch q.Place(topology.SlotOf(key.Str)) {
			case PlaceForeign:
				found.Foreign.add(key.Str)
			case PlaceUnserved:
				found.Unserved.add(key.Str)
			}
		}
		return nil
	})
	return found, err
}

// addReserved looks at one reserved key.
func (f *Findings) addReserved(name []byte, db int, over func(uint64) bool, seen map[Reserved]bool) {
	parsed, ok := fence.ParseKey(name)
	r := Reserved{DB: db, Fence: parsed.Kind == fence.KindFence, Slot: parsed.Slot, Epoch: parsed.Epoch}
	switch {
	case !ok || parsed.Slot >= topology.SlotCount:
		f.Unknown.add(name)
	case parsed.Kind.Expires():
	case parsed.Kind == fence.KindGroup: // it stays
	case over(r.Epoch) && !seen[r]:
		seen[r] = true
		f.LeftOver = append(f.LeftOver, r)
	}
}
