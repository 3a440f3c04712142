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

// measuredRounds: one round in so many is timed, since that costs two looks at the
// clock. It is prime: rounds of one kind come in turn with those of another.
const measuredRounds = 7

// holdRefusal is why a request for a slot on hold got -TRYAGAIN.
type holdRefusal uint8

const (
	refusedLate holdRefusal = iota // the hold is older than hold-deadline
	refusedFull                    // too much waits already
	numHoldRefusals
)

func (h holdRefusal) String() string {
	switch h {
	case refusedLate:
		return "deadline"
	case refusedFull:
		return "queue_full"
	}
	return "unknown"
}

// loss is why a request got no reply from its server.
type loss uint8

const (
	lossClosed  loss = iota // the connection was closed
	lossTimeout             // no answer in time
	lossGarbage             // bytes that nobody asked for
	lossUnsent              // never sent: the connection could not be made or used
	numLosses
)

func (l loss) String() string {
	switch l {
	case lossClosed:
		return "closed"
	case lossTimeout:
		return "timeout"
	case lossGarbage:
		return "garbage"
	case lossUnsent:
		return "unsent"
	}
	return "unknown"
}

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
	addAll(h.steps[:], o.steps[:])
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

// serverStats are the figures of one server, by address, in one loop. They outlive
// the server's connections and changes of its password, but not its going from the
// table.
type serverStats struct {
	// latencies are of requests and parts of requests, from dispatch to reply.
	latencies
	errors [numErrorCodes]uint64
	// bytesIn came from the server, bytesOut went to it.
	bytesIn, bytesOut uint64
	// dials and dialErrors count connections that were tried and that failed.
	dials, dialErrors uint64
	// lost counts requests without a reply, by why.
	lost [numLosses]uint64
}

func (s *serverStats) observe(nanos int64, reply []byte) {
	s.latencies.observe(nanos)
	if len(reply) > 0 && reply[0] == '-' {
		s.errors[errorCode(reply)]++
	}
}

func (s *serverStats) add(o *serverStats) {
	s.latencies.add(&o.latencies)
	addAll(s.errors[:], o.errors[:])
	addAll(s.lost[:], o.lost[:])
	s.bytesIn += o.bytesIn
	s.bytesOut += o.bytesOut
	s.dials += o.dials
	s.dialErrors += o.dialErrors
}

// addAll adds the counters of another loop to these.
func addAll(sums, counts []uint64) {
	for i, n := range counts {
		sums[i] += n
	}
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
	// accesses counts keys that were moved because a client asked for them, reaches
	// how long that took.
	accesses uint64
	reaches  latencies
	// bigReads counts reads of big keys that were answered from where their slot leaves,
	// bigWaits requests that waited for a big key.
	bigReads, bigWaits uint64
	// held counts requests that waited for a hold, leaseLost those whose lease ran
	// out before the reply.
	held, leaseLost uint64
	// waits is how long requests waited before they could be taken: for a hold's end,
	// a key of a moving slot, a newer table.
	waits latencies
	// holdRefused counts requests for slots on hold that did not wait, by why.
	holdRefused [numHoldRefusals]uint64
	// delays is how late ticks were run; rounds how long rounds took, of some of
	// them (see measuredRounds).
	delays, rounds latencies
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
		addAll(a.errors[:], b.errors[:])
	}
	s.accepted += o.accepted
	s.closed += o.closed
	s.bytesIn += o.bytesIn
	s.bytesOut += o.bytesOut
	s.protocolErrors += o.protocolErrors
	s.held += o.held
	s.accesses += o.accesses
	s.bigReads += o.bigReads
	s.bigWaits += o.bigWaits
	s.leaseLost += o.leaseLost
	s.reaches.add(&o.reaches)
	s.waits.add(&o.waits)
	addAll(s.holdRefused[:], o.holdRefused[:])
	s.delays.add(&o.delays)
	s.rounds.add(&o.rounds)
}
