package api

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"codis/admin"
)

// A node keeps its figures, and the sum over all nodes, of the last hour in memory:
// 720 samples of 56 bytes. They are gone when it restarts.
const (
	sampleEvery = 5 * time.Second
	// firstSample is when the node has something to tell.
	firstSample = time.Second
	maxSamples  = int(time.Hour / sampleEvery)
)

// seriesNames are the names of the numbers of a sample, in their order.
var seriesNames = [...]string{"ops_per_second", "p50_us", "p99_us", "clients", "memory_bytes", "errors_per_second"}

// figures are the numbers of a sample; NaN is one that is not known.
type figures [len(seriesNames)]float32

func numbersOf(list ...*float64) (n figures) {
	for i := range n {
		n[i] = float32(math.NaN())
		if i < len(list) && list[i] != nil {
			n[i] = float32(*list[i])
		}
	}
	return n
}

// sample is the figures at a time, in Unix milliseconds.
type sample struct {
	at            int64
	node, cluster figures
}

// sampleOf takes figures from what nodes say. A sum that lacks a node which is there is
// not known: it would show as a dip that never was. It is pure.
func sampleOf(nodes admin.NodeList, at time.Time) sample {
	s := sample{at: at.UnixMilli(), node: numbersOf(), cluster: numbersOf()}
	if t := nodes.Totals(); !slices.ContainsFunc(nodes, untold) {
		s.cluster = numbersOf(t.OpsPerSecond, t.P50Micros, t.P99Micros, t.Clients, t.MemoryBytes, t.ErrorsPerSecond)
	}
	for _, n := range nodes {
		if f := n.Figures; n.Self && f != nil {
			s.node = numbersOf(f.OpsPerSecond, f.P50Micros, f.P99Micros, f.Clients, f.MemoryBytes, f.ErrorsPerSecond)
		}
	}
	return s
}

// untold says that a node may be serving, and has not said how much: its report is
// late, or there is no leader who has it.
func untold(n admin.Node) bool {
	return n.Figures == nil && (n.Lease == nil || n.Up)
}

// series is the samples of the last hour.
type series struct {
	mu   sync.Mutex
	ring []sample // of at most maxSamples
	next int      // where the next one goes once the ring is full
}

func (s *series) add(one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) < maxSamples {
		s.ring = append(s.ring, one)
		return
	}
	s.ring[s.next] = one
	s.next = (s.next + 1) % maxSamples
}

// since returns the samples after a time, the oldest first.
func (s *series) since(at int64) []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []sample
	for i := range s.ring {
		if one := s.ring[(s.next+i)%len(s.ring)]; one.at > at {
			list = append(list, one)
		}
	}
	return list
}

// run takes samples until ctx ends.
func (s *series) run(ctx context.Context, ops Ops) {
	tick := time.NewTicker(firstSample)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			tick.Reset(sampleEvery)
			if nodes, err := ops.Nodes(ctx, admin.NodesQuery{}); err == nil {
				s.add(sampleOf(nodes, now))
			}
		case <-ctx.Done():
			return
		}
	}
}

// showSeries answers with one array for each number.
func (a *API) showSeries(w http.ResponseWriter, r *http.Request) error {
	values, err := query(r, "since")
	if err != nil {
		return err
	}
	since := int64(0)
	if values.Has("since") {
		if since, err = strconv.ParseInt(values.Get("since"), 10, 64); err != nil {
			return badRequest("since is %q, want Unix milliseconds", values.Get("since"))
		}
	}
	writeJSON(w, http.StatusOK, appendSeries(nil, a.series.since(since)))
	return nil
}

// appendSeries writes samples as JSON.
func appendSeries(dst []byte, list []sample) []byte {
	dst = append(dst, `{"step_ms":`...)
	dst = strconv.AppendInt(dst, sampleEvery.Milliseconds(), 10)
	dst = appendArray(append(dst, `,"at":`...), list, func(dst []byte, s sample) []byte { return strconv.AppendInt(dst, s.at, 10) })
	for _, part := range []struct {
		name string
		of   func(*sample) *figures
	}{{"node", func(s *sample) *figures { return &s.node }}, {"cluster", func(s *sample) *figures { return &s.cluster }}} {
		dst = append(append(append(dst, `,"`...), part.name...), `":{`...)
		for i, name := range seriesNames {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), name...), `":`...)
			dst = appendArray(dst, list, func(dst []byte, s sample) []byte { return appendNumber(dst, part.of(&s)[i]) })
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendArray(dst []byte, list []sample, one func([]byte, sample) []byte) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, s)
	}
	return append(dst, ']')
}

// appendNumber writes null for what is not a number.
func appendNumber(dst []byte, n float32) []byte {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, float64(n), 'f', -1, 32)
}
