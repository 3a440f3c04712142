package router

import (
	"time"

	"codis/raftstore/topology"
)

// holdLog measures the holds of slots and groups as this node is told of them, for
// the figures only.
type holdLog struct {
	// since is when each hold was seen first, by the epoch of its plan or turn.
	since map[uint64]time.Time
	// lasted are the holds that are over.
	lasted latencies
}

// see takes in a newer topology.
func (h *holdLog) see(now time.Time, s *topology.State) {
	next := make(map[uint64]time.Time)
	note := func(epoch uint64) {
		since, known := h.since[epoch]
		if !known {
			since = now
		}
		next[epoch] = since
	}
	for i := range s.Slots {
		if s.Slots[i].Phase == topology.PhaseHolding {
			note(s.Slots[i].Epoch)
		}
	}
	for _, g := range s.Groups {
		if g.Turn != nil {
			note(g.Turn.Epoch)
		}
	}
	for epoch, since := range h.since {
		if _, goesOn := next[epoch]; !goesOn {
			h.lasted.observe(int64(now.Sub(since)))
		}
	}
	h.since = next
}
