package trial

import (
	"sync"
	"time"

	"codis/testdata/lab"
)

// stalls finds for each move the longest wait of any request that overlapped it.
type stalls struct {
	mu    sync.Mutex
	open  map[uint64]int64 // by job, in ns
	waits []int64
}

func (s *stalls) begin(job uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[uint64]int64{}
	}
	s.open[job] = 0
}

func (s *stalls) end(job uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if longest, ok := s.open[job]; ok {
		s.waits = append(s.waits, longest)
		delete(s.open, job)
	}
}

func (s *stalls) add(begin, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for job, longest := range s.open {
		if end-begin > longest {
			s.open[job] = end - begin
		}
	}
}

func (s *stalls) percentile(share float64) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(lab.Percentile(s.waits, share)).Round(time.Millisecond)
}
