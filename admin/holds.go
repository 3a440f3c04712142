package admin

import (
	"sync"
	"time"

	"codis/raftstore/topology"
)

// holdWatch remembers since when batches have been seen on hold: the table has no
// clock, so that the time counts from the first look.
type holdWatch struct {
	mu    sync.Mutex
	since map[uint64]time.Time // by epoch
}

// look returns how long each batch that is on hold now has been seen so, by epoch.
func (w *holdWatch) look(s *topology.State, now time.Time) map[uint64]time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, held := map[uint64]time.Time{}, map[uint64]time.Duration{}
	for _, j := range s.Jobs {
		for _, b := range j.Batches {
			if b.Phase != topology.BatchHolding {
				continue
			}
			first, known := w.since[b.Epoch]
			if !known {
				first = now
			}
			since[b.Epoch], held[b.Epoch] = first, now.Sub(first)
		}
	}
	w.since = since
	return held
}
