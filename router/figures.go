package router

import (
	"sync"
	"time"

	"codis/router/command"
)

// figuresWindow is how many samples Figures looks back; one is taken each second,
// see figuresTicks.
const figuresWindow = 5

// Figures are what a node has served of late, for people: rates and quantiles over
// the last five seconds, or since the start when that is less.
type Figures struct {
	// OpsPerSecond counts all requests, ErrorsPerSecond those that were answered with
	// an error.
	OpsPerSecond, ErrorsPerSecond float64
	// P50 and P99 are of the time between dispatch and reply of requests that are
	// about data, within 10 %; 0 when there were none.
	P50, P99 time.Duration
	// Clients is how many are connected now.
	Clients int64
	// MemoryBytes is the process's resident memory; 0 where the system does not tell.
	MemoryBytes int64
	// Uptime is how long ago the router was made.
	Uptime time.Duration
}

// served is what one loop, or all of them, have served since the start.
type served struct {
	requests, errors uint64
	// data are the latencies of requests that are about data.
	data latencies
}

func (s *served) add(o *served) {
	s.requests += o.requests
	s.errors += o.errors
	s.data.add(&o.data)
}

// since is what was served after an earlier sample.
func (s *served) since(o *served) served {
	d := served{requests: s.requests - o.requests, errors: s.errors - o.errors}
	d.data.count = s.data.count - o.data.count
	for i := range d.data.steps {
		d.data.steps[i] = s.data.steps[i] - o.data.steps[i]
	}
	return d
}

// served sums what a loop counts by family.
func (s *loopStats) served() *served {
	total := new(served)
	for i := range s.family {
		f := &s.family[i]
		total.requests += f.count
		total.errors += f.failed()
		switch command.Family(i) {
		case command.FamilyConnection, command.FamilyServer, command.FamilyCluster, command.FamilyCodis:
		default:
			total.data.add(&f.latencies)
		}
	}
	return total
}

// figureLog remembers the samples of the window.
type figureLog struct {
	mu      sync.Mutex
	samples [figuresWindow + 1]figureSample // the newest is at (count-1) % len
	count   int
}

type figureSample struct {
	at time.Time
	served
}

// sampleFigures is called every figuresTicks, by the ticker.
func (r *Router) sampleFigures(now time.Time) {
	sample := figureSample{at: now}
	for i := range r.served {
		if s := r.served[i].Load(); s != nil {
			sample.add(s)
		}
	}
	r.figures.mu.Lock()
	defer r.figures.mu.Unlock()
	r.figures.samples[r.figures.count%len(r.figures.samples)] = sample
	r.figures.count++
}

// window returns what was served in it and how long it is.
func (f *figureLog) window() (served, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count < 2 {
		return served{}, 0
	}
	n := len(f.samples)
	newest := &f.samples[(f.count-1)%n]
	oldest := &f.samples[max(f.count-n, 0)%n]
	return newest.since(&oldest.served), newest.at.Sub(oldest.at)
}

// Figures returns what this node has served of late. It may be called from any
// goroutine and waits for no loop.
func (r *Router) Figures() Figures {
	figures := Figures{Clients: r.clients.Load(), MemoryBytes: residentBytes(), Uptime: time.Since(r.started)}
	recent, over := r.figures.window()
	if over <= 0 {
		return figures
	}
	figures.OpsPerSecond = float64(recent.requests) / over.Seconds()
	figures.ErrorsPerSecond = float64(recent.errors) / over.Seconds()
	figures.P50, figures.P99 = recent.data.quantile(0.5), recent.data.quantile(0.99)
	return figures
}

// quantile is the latency that a share of what was counted did not exceed, taken
// as evenly spread within a step; 0 when nothing was counted.
func (h *latencies) quantile(share float64) time.Duration {
	rank := share * float64(h.count)
	for i, n := range h.steps {
		if n == 0 || rank > float64(n) {
			rank -= float64(n)
			continue
		}
		start, end := stepStart(i), stepStart(i+1)
		return time.Duration(float64(start) + float64(end-start)*rank/float64(n))
	}
	return 0
}
