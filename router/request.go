package router

// requestState says what a request waits for. See the diagram in DESIGN.md.
type requestState uint8

const (
	// requestWaiting: a backend owes the reply, or its connection is opening.
	requestWaiting requestState = iota
	// requestJoining: its parts wait, each at a backend of its own.
	requestJoining
	// requestParked: a goroutine works on it and its session takes no more
	// requests until it has posted the reply.
	requestParked
	// requestDone: the reply is here and waits for the replies before it.
	requestDone
)

func (s requestState) String() string {
	switch s {
	case requestWaiting:
		return "waiting"
	case requestJoining:
		return "joining"
	case requestParked:
		return "parked"
	case requestDone:
		return "done"
	}
	return "unknown"
}

// request is one command of a session, or one part of a command that was split
// over several backends. Requests are owned by their loop and used again.
type request struct {
	// next links the requests of a session, oldest first, and the free list.
	next *request
	// sess is the session that waits; nil when it is gone or for a part.
	sess *session
	// parent and part say whose part this is; parent is nil for a whole request.
	parent *request
	part   int
	// join collects the parts' replies; nil for a request that is not split.
	join *join
	// reply holds the answer from the time it is known until it may be sent, in a
	// buffer of the loop's pool.
	reply []byte
	// start is when the request was dispatched, in the loop's time.
	start int64
	state requestState
	// family is the command's family, for the figures.
	family uint8
	// silent drops the reply (CLIENT REPLY OFF and SKIP); bound requests may only
	// be answered under a lease.
	silent, bound bool
	// readonly requests change nothing, however late they run; durable ones went over
	// a connection for durable writes, where isWait asks for replicas.
	readonly, durable, isWait bool
	// slots are those in which the request counts as in flight.
	slots []uint16
	// waited is how long it had to wait before it could be dispatched, in ns.
	waited int64
	// slow is set when the server's reply was late, see slowLog; head are the first
	// bytes of the request.
	slow    *slow
	headLen uint8
	head    *[headSize]byte // its own for good: clearing it would cost more than it does
	// access is the key access that this request is a step of; nil for others.
	access *access
}

// maxKeptSlots bounds what a request on the free list keeps of a huge MGET.
const maxKeptSlots = 64

// newRequest takes a request from the loop's free list.
func (l *loop) newRequest(s *session, family uint8) *request {
	q := l.freeRequests
	if q == nil {
		q = &request{head: new([headSize]byte)}
	} else {
		l.freeRequests = q.next
		q.next = nil
	}
	q.sess = s
	q.family = family
	q.start = l.now
	return q
}

func (l *loop) freeRequest(q *request) {
	if q.join != nil {
		l.freeJoin(q.join)
	}
	if q.slow != nil {
		l.logSlow(q)
	}
	l.pool.put(q.reply)
	l.leave(q)
	slots := q.slots
	if cap(slots) > maxKeptSlots {
		slots = nil
	}
	*q = request{next: l.freeRequests, slots: slots, head: q.head}
	l.freeRequests = q
}

// complete takes the reply of a request, which may point into a read buffer, and
// sends it if all replies before it are out.
func (l *loop) complete(q *request, reply []byte) {
	switch {
	case q.parent != nil:
		l.completePart(q, reply)
		return
	case q.access != nil:
		l.completeAccess(q, reply)
		return
	case q.bound && !l.leased() && !l.r.faults.replyUnleased:
		l.loseLease(q)
		return
	}
	l.leave(q)
	l.stats.observe(q.family, l.now-q.start+q.waited, reply)
	s := q.sess
	switch {
	case s == nil: // the client is gone
		l.freeRequest(q)
	case s.head == q:
		s.replySize += (len(reply) - s.replySize) / 8
		s.pop() // first: a failed write forgets what is still queued
		if !q.silent {
			s.write(reply)
		}
		l.freeRequest(q)
		s.release()
	default:
		s.replySize += (len(reply) - s.replySize) / 8
		if !q.silent {
			q.reply = l.pool.append(nil, reply)
		}
		s.shelve(q)
	}
}

// finish is complete for a request that holds its reply already.
func (l *loop) finish(q *request) {
	if q.bound && !l.leased() && !l.r.faults.replyUnleased {
		l.loseLease(q)
		return
	}
	l.leave(q)
	l.stats.observe(q.family, l.now-q.start+q.waited, q.reply)
	if q.sess == nil {
		l.freeRequest(q)
		return
	}
	s := q.sess
	s.replySize += (len(q.reply) - s.replySize) / 8
	if s.head != q {
		s.shelve(q)
		return
	}
	q.state = requestDone
	s.shelved += len(q.reply) // until it is popped
	s.release()
}
