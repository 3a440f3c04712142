package failover

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// Down is a server that a node has not heard of.
type Down struct {
	Addr string `json:"addr"`
	// RunID is that of the process that was heard last.
	RunID string `json:"run_id"`
	// MS is for how long it has been silent, in milliseconds.
	MS int64 `json:"ms"`
}

// maxDown bounds a report: the longest silences count.
const maxDown = 300

// Silent lists the servers that have been silent for so long at least. Pure.
func Silent(seen map[string]Health, now time.Time, atLeast time.Duration) []Down {
	var list []Down
	for addr, h := range seen {
		if silence := h.Silence(now); silence > 0 && silence >= atLeast {
			list = append(list, Down{Addr: addr, RunID: h.RunID, MS: silence.Milliseconds()})
		}
	}
	slices.SortFunc(list, func(a, b Down) int { return cmp.Or(cmp.Compare(b.MS, a.MS), cmp.Compare(a.Addr, b.Addr)) })
	return list[:min(len(list), maxDown)]
}

// WatchDown calls crossed whenever a server has become silent for the given time,
// or is heard again after that, until ctx ends. after is asked before each look.
// Both are called on this goroutine.
func (p *Prober) WatchDown(ctx context.Context, after func() time.Duration, crossed func()) {
	changed, cancel := p.Subscribe()
	defer cancel()
	told := map[string]bool{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
		limit, now, seen := after(), time.Now(), p.Snapshot()
		down := map[string]bool{}
		next := time.Minute
		for addr, h := range seen {
			switch silence := h.Silence(now); {
			case silence >= limit:
				down[addr] = true
			case silence > 0:
				next = min(next, limit-silence)
			}
		}
		if !maps.Equal(down, told) {
			told = down
			crossed()
		}
		timer.Reset(next)
	}
}
