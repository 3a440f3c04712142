package trial

import (
	"sync"
	"time"

	"codis/testdata/lab"
)

// waits are the requests that took long, and what went on meanwhile: how long anyone
// had to wait for a move, a switchover or a failover is the longest wait of any request
// that overlapped it.
type waits struct {
	mu    sync.Mutex
	long  []interval
	spans map[string][]interval // by what went on
}

type interval struct{ begin, end int64 }

// noticed is what counts as long.
const noticed = int64(time.Millisecond)

func (w *waits) add(begin, end int64) {
	if end-begin < noticed {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.long = append(w.long, interval{begin, end})
}

// during notes that something went on.
func (w *waits) during(what string, begin, end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spans == nil {
		w.spans = map[string][]interval{}
	}
	w.spans[what] = append(w.spans[what], interval{begin, end})
}

// stall is the longest wait of each time that something went on, as shares.
func (w *waits) stall(what string, shares ...float64) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest []int64
	for _, s := range w.spans[what] {
		most := int64(0)
		for _, r := range w.long {
			if r.begin < s.end && r.end > s.begin {
				most = max(most, r.end-r.begin)
			}
		}
		longest = append(longest, most)
	}
	list := make([]time.Duration, len(shares))
	for i, share := range shares {
		list[i] = time.Duration(lab.Percentile(longest, share)).Round(time.Millisecond)
	}
	return list
}
