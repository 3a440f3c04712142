package router

import (
	"math/bits"

	"codis/router/command"
)

const (
	// latencyBuckets are powers of two from 8.192 us (2^13 ns) to 4.3 s.
	latencyBuckets   = 20
	firstLatencyBits = 13
)

// familyStats are the figures of one command family.
type familyStats struct {
	requests, errors uint64
	nanos            uint64
	buckets          [latencyBuckets]uint64
}

// loopStats are plain integers of one loop: nothing is locked or atomic on the
// way of a request. A scrape asks the loop for a copy.
type loopStats struct {
	family [command.NumFamilies]familyStats
	// accepted and closed count client connections.
	accepted, closed uint64
	// bytesIn and bytesOut are between clients and this node.
	bytesIn, bytesOut uint64
	// protocolErrors are clients closed for what they sent.
	protocolErrors uint64
	// dials and dialErrors count connections to backends.
	dials, dialErrors uint64
	// lost counts requests whose backend connection broke before the reply.
	lost uint64
	// accesses counts keys that were moved because a client asked for them.
	accesses uint64
	// held counts requests that waited for a hold, leaseLost those whose lease ran
	// out before the reply.
	held, leaseLost uint64
	// lag is how late the last tick was run, in nanoseconds.
	lag int64
}

func (s *loopStats) observe(family uint8, nanos int64, failed bool) {
	f := &s.family[family]
	f.requests++
	if failed {
		f.errors++
	}
	nanos = max(nanos, 0)
	f.nanos += uint64(nanos)
	f.buckets[min(bits.Len64(uint64(nanos)>>firstLatencyBits), latencyBuckets-1)]++
}

// add sums the figures of another loop into these.
func (s *loopStats) add(o *loopStats) {
	for i := range s.family {
		a, b := &s.family[i], &o.family[i]
		a.requests += b.requests
		a.errors += b.errors
		a.nanos += b.nanos
		for j := range a.buckets {
			a.buckets[j] += b.buckets[j]
		}
	}
	s.accepted += o.accepted
	s.closed += o.closed
	s.bytesIn += o.bytesIn
	s.bytesOut += o.bytesOut
	s.protocolErrors += o.protocolErrors
	s.dials += o.dials
	s.dialErrors += o.dialErrors
	s.lost += o.lost
	s.held += o.held
	s.accesses += o.accesses
	s.leaseLost += o.leaseLost
	s.lag = max(s.lag, o.lag)
}
