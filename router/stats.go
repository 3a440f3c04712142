package router

import (
	"math/bits"

	"codis/router/command"
)

// Latencies are counted in steps of a quarter of a power of two: a quantile that
// is read from them is wrong by 10 % at most, and finding the step costs no search.
const (
	// unitBits is the finest step: 2^11 ns.
	unitBits = 11
	// firstBoundBits to lastBoundBits are the powers of two, in ns, that metrics show
	// as bounds: 8.2 us to 8.6 s.
	firstBoundBits = 13
	lastBoundBits  = 33
	latencyBounds  = lastBoundBits - firstBoundBits + 1
	// stepsPerBound is how many steps lie between two of these bounds.
	stepsPerBound = 4
	latencySteps  = latencyBounds*stepsPerBound + 1 // the last one has no end
)

// latencies counts how often something took how long.
type latencies struct {
	count, nanos uint64
	steps        [latencySteps]uint64
}

func (h *latencies) observe(nanos int64) {
	nanos = max(nanos, 0)
	h.count++
	h.nanos += uint64(nanos)
	h.steps[latencyStep(uint64(nanos))]++
}

// latencyStep is the index of the step that a latency falls in.
func latencyStep(nanos uint64) int {
	units := nanos >> unitBits
	shift := max(bits.Len64(units), 3) - 3
	return min(shift*stepsPerBound+int(units>>shift), latencySteps-1)
}

// stepStart is where a step begins, in nanoseconds.
func stepStart(step int) uint64 {
	if step < 2*stepsPerBound {
		return uint64(step) << unitBits
	}
	shift := step/stepsPerBound - 1
	return uint64(step-shift*stepsPerBound) << (shift + unitBits)
}

func (h *latencies) add(o *latencies) {
	h.count += o.count
	h.nanos += o.nanos
	for i := range h.steps {
		h.steps[i] += o.steps[i]
	}
}

// familyStats are the figures of one command family.
type familyStats struct {
	latencies
	errors [numErrorCodes]uint64
}

func (f *familyStats) failed() (n uint64) {
	for _, count := range f.errors {
		n += count
	}
	return n
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

// observe counts a request with its reply.
func (s *loopStats) observe(family uint8, nanos int64, reply []byte) {
	f := &s.family[family]
	f.observe(nanos)
	if len(reply) > 0 && reply[0] == '-' {
		f.errors[errorCode(reply)]++
	}
}

// add sums the figures of another loop into these.
func (s *loopStats) add(o *loopStats) {
	for i := range s.family {
		a, b := &s.family[i], &o.family[i]
		a.latencies.add(&b.latencies)
		for j := range a.errors {
			a.errors[j] += b.errors[j]
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
