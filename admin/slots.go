package admin

import (
	"context"

	"codis/raftstore/topology"
)

// SlotSpan is a range of slots, both ends included.
type SlotSpan struct{ Start, End int }

// allSlots is the whole table.
var allSlots = SlotSpan{Start: 0, End: topology.SlotCount - 1}

// Slots lists the rows of the table that touch span, cut to it. Neighbouring
// slots of which all is the same share a row.
func (o *Ops) Slots(ctx context.Context, span SlotSpan) ([]topology.SlotRow, error) {
	var rows []topology.SlotRow
	for _, row := range o.cfg.Store.State().Ranges() {
		row.Start, row.End = max(row.Start, span.Start), min(row.End, span.End)
		if row.Start <= row.End {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// KeySlot is where a key is served. Group is 0 and Master empty when nobody
// serves it.
type KeySlot struct {
	Slot, Group int
	Master      string
}

// Slot tells where keys are served, in the order of the keys.
func (o *Ops) Slot(ctx context.Context, keys [][]byte) ([]KeySlot, error) {
	state := o.cfg.Store.State()
	list := make([]KeySlot, len(keys))
	for i, key := range keys {
		slot := topology.SlotOf(key)
		group := state.Slots[slot].Group
		list[i] = KeySlot{Slot: slot, Group: group, Master: state.Groups[group].Master}
	}
	return list, nil
}
