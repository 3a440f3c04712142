package admin

import (
	"context"

	"codis/raftstore/topology"
)

// SlotSpan is a range of slots, both ends included.
type SlotSpan struct{ Start, End int }

// allSlots is the whole table.
var allSlots = SlotSpan{Start: 0, End: topology.SlotCount - 1}

// SlotTable is a part of the table, in slot order.
type SlotTable struct {
	Epoch uint64
	Rows  []topology.SlotRow
}

// Slots lists the rows of the table that touch span, cut to it. Neighbouring
// slots of which all is the same share a row.
func (o *Ops) Slots(ctx context.Context, span SlotSpan) (SlotTable, error) {
	state := o.cfg.Store.State()
	t := SlotTable{Epoch: state.Epoch}
	for _, row := range state.Ranges() {
		row.Start, row.End = max(row.Start, span.Start), min(row.End, span.End)
		if row.Start <= row.End {
			t.Rows = append(t.Rows, row)
		}
	}
	return t, nil
}

// KeySlot is where a key is served. Group is 0 and Master empty when nobody
// serves it.
type KeySlot struct {
	Key         string
	Slot, Group int
	Master      string
}

// KeySlots has one row for each key.
type KeySlots []KeySlot

// Slot tells where keys are served, in the order of the keys.
func (o *Ops) Slot(ctx context.Context, keys [][]byte) (KeySlots, error) {
	state := o.cfg.Store.State()
	list := make(KeySlots, len(keys))
	for i, key := range keys {
		slot := topology.SlotOf(key)
		group := state.Slots[slot].Group
		list[i] = KeySlot{Key: string(key), Slot: slot, Group: group, Master: state.Groups[group].Master}
	}
	return list, nil
}
