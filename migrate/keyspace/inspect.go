package keyspace

import (
	"context"
	"errors"
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
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
	Slot  int
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
				if err := found.addReserved(ctx, c, reservedKey{name: key.Str, db: p.db}, q.Over, seen); err != nil {
					return err
				}
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

// reservedKey is a reserved name in a database.
type reservedKey struct {
	name []byte
	db   int
}

// addReserved looks at one reserved key. The epoch of a fence is its value.
func (f *Findings) addReserved(ctx context.Context, c *resp.Client, key reservedKey, over func(uint64) bool, seen map[Reserved]bool) error {
	parsed, ok := fence.ParseKey(key.name)
	r := Reserved{DB: key.db, Slot: parsed.Slot, Epoch: parsed.Epoch}
	switch {
	case !ok || parsed.Slot >= topology.SlotCount:
		f.Unknown.add(key.name)
		return nil
	case parsed.Kind == fence.KindWait || parsed.Kind == fence.KindProbe:
		return nil // they expire by themselves
	case parsed.Kind == fence.KindFence:
		r.Fence = true
		value, err := c.DoBytes(ctx, []byte("GET"), key.name)
		if err != nil && !refused(err) {
			return err
		}
		if err == nil && value.IsNil() {
			return nil // gone meanwhile
		}
		if r.Epoch, err = fenceEpoch(value, err); err != nil {
			f.Unknown.add(key.name)
			return nil
		}
	}
	if over(r.Epoch) && !seen[r] {
		seen[r] = true
		f.LeftOver = append(f.LeftOver, r)
	}
	return nil
}

// fenceEpoch reads the value of a fence; err is the server's refusal of GET.
func fenceEpoch(value resp.Reply, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	epoch, err := strconv.ParseUint(value.Text(), 10, 64)
	if err == nil && epoch == 0 {
		err = errors.New("no epoch is 0")
	}
	return epoch, err
}
