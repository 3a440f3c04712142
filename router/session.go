package router

import (
	"errors"

	"codis/router/command"
	"codis/router/poll"
	"codis/router/resp"
)

const (
	// maxPipeline is how many requests of one session may be under way, minPipeline
	// how many always may; the bytes behind them wait in its query buffer until half
	// of them are answered. Between the two, windowBytes of replies are expected at
	// the size of its replies of late, which is taken for firstReply to begin with.
	maxPipeline = 4096
	minPipeline = 16
	windowBytes = 16 << 20
	firstReply  = 256 << 10
	// outputHighWater is how many unsent bytes make a session wait for its reader
	// before more of its requests are taken.
	outputHighWater = 1 << 20
	// inputHighWater is how many bytes of a session that takes no further request
	// are read; then the kernel, and behind it the client, have to wait. See
	// readAhead for a session that waits for its reader.
	inputHighWater = 1 << 20
	maxReadAhead   = 64 << 20
)

// pause is the set of reasons for which a session takes no further request.
type pause uint8

const (
	// pauseParked: a goroutine works on its last request.
	pauseParked pause = 1 << iota
	// pausePipeline: maxPipeline requests are under way.
	pausePipeline
	// pauseOutput: the client does not read its replies.
	pauseOutput
	// pauseDelay: a wrong password costs time.
	pauseDelay
	// pauseHeld: its next request is for a slot on hold.
	pauseHeld
	// pauseOrder: a durable write must not overtake earlier requests.
	pauseOrder
	// pauseAccess: a key of its next request is being moved.
	pauseAccess
	// pauseClosing: it closes when the replies that it is owed are out.
	pauseClosing
)

// replyMode is CLIENT REPLY.
type replyMode uint8

const (
	replyOn replyMode = iota
	replyOff
	// replySkipNext is set by CLIENT REPLY SKIP; behind that command it becomes
	// replySkip, and behind the next one replyOn.
	replySkipNext
	replySkip
)

// session is one client connection. It belongs to one loop.
type session struct {
	l    *loop
	conn socket
	id   int64
	// head and tail are the requests that are not answered yet, in request order.
	head, tail *request
	// pending counts them, durable those on connections for durable writes.
	pending, durable int
	// replySize is the moving average of its replies' sizes, in bytes.
	replySize int
	pause     pause
	// dirty sessions are in the loop's list for this round; closed ones have no
	// connection any more.
	dirty, closed bool
	// ended sessions have a client that sends no more.
	ended bool
	// aborted sessions are closed without waiting for their reader; lingers says that
	// the session has hung up and waits for its client to do so, see hangUp.
	aborted, lingers bool
	// in holds bytes that are not dispatched yet, from inPos on; scan is lent
	// while a frame is incomplete.
	in    []byte
	inPos int
	scan  *resp.Scanner
	// out gathers replies until the end of the round; unsent is what the client
	// had not taken after the last write.
	out    []byte
	unsent int
	// stuckSince is since when the client has not taken all that was written, in the
	// loop's time; 0 when it has.
	stuckSince int64
	// shelved is the size of the replies that are known and wait for earlier ones.
	shelved int

	// reaching counts the key accesses that the next request waits for, accessErr is
	// why one of them failed; fenced says that one met another plan's fence, and
	// fencedUntil how long the session waits for the table of that plan.
	reaching    int
	accessErr   error
	fenced      bool
	fencedUntil int64
	// waitsSince is when its next request could not be taken at first, in the loop's
	// time; 0 when it does not wait.
	waitsSince int64
	// bigReply is the reply of a read at the source of a move, until it is given; bigUntil
	// is how long the next request waits for a big key.
	bigReply []byte
	bigUntil int64
	stillBig bool // one of the keys that were reached for
	// hasReached says that the keys of the next request have been reached.
	hasReached bool

	authed bool
	// operator is who has authenticated as adminUser.
	operator bool
	// reserved sessions are beyond maxclients: they are for operators. limited is
	// whether allowed has to be asked: it is not authed, or reserved.
	reserved, limited bool
	db                int
	readFrom          readFrom
	reply             replyMode

	name, libName, libVersion string
	noEvict                   bool
	addr, localAddr           string
	created, active           int64
	lastCommand               *command.Command
}

// opened is called by the loop once the connection is registered.
func (s *session) opened(c *poll.Conn) {
	s.conn = c
	s.replySize = firstReply
	s.created, s.active = s.l.now, s.l.now
	s.l.sessions[s.id] = s
	s.l.stats.accepted++
	if d := s.l.table.limits.keepAlive; d > 0 {
		c.SetKeepAlive(max(1, int(d.Seconds())))
	}
}

// Readable takes the bytes that have come in.
func (s *session) Readable(data []byte) {
	s.active = s.l.now
	s.l.stats.bytesIn += uint64(len(data))
	if s.pause&pauseClosing != 0 {
		return
	}
	if s.pause == 0 && s.inPos == len(s.in) { // the fast path: nothing waits
		data = data[s.consume(data):]
		if len(data) > 0 && s.pause&pauseClosing == 0 {
			s.in = s.l.pool.append(s.in, data)
		}
		return
	}
	s.in = s.l.pool.append(s.in, data)
	switch {
	case s.overQueryLimit():
		s.discard()
	case s.pause == 0:
		s.resume()
	case len(s.in)-s.inPos > s.readAhead():
		s.conn.PauseReading()
	}
}

// readAhead is how many bytes are read of a session that takes no further request.
// Most clients write a whole pipeline before they read its first reply: a session
// that waits for its reader must be read on, or both would wait for ever.
func (s *session) readAhead() int {
	if s.pause&pauseOutput == 0 {
		return inputHighWater
	}
	return min(max(inputHighWater, int(s.l.table.limits.queryBuffer/2)), maxReadAhead)
}

// read has the loop read from the client again, unless that is over.
func (s *session) read() {
	if !s.ended {
		s.conn.ResumeReading()
	}
}

// resume goes on with the bytes that waited.
func (s *session) resume() {
	s.read()
	s.inPos += s.consume(s.in[s.inPos:])
	switch {
	case s.inPos == len(s.in) || s.pause&pauseClosing != 0:
		s.l.pool.put(s.in)
		s.in, s.inPos = nil, 0
	case s.inPos > len(s.in)/2:
		s.in = s.in[:copy(s.in, s.in[s.inPos:])]
		s.inPos = 0
	}
	if s.finished() {
		s.markDirty()
	}
}

// consume dispatches the requests in buf until it ends, holds only part of a
// frame, or the session pauses. It returns how many bytes it took.
func (s *session) consume(buf []byte) (used int) {
	l := s.l
	scan := s.scan
	if scan == nil {
		scan = l.scan
	}
	authed := s.authed
	scan.Limits = l.scanLimits(authed)
	for used < len(buf) && s.pause == 0 {
		n, err := scan.Next(buf[used:])
		if err != nil {
			s.protocolError(err)
			return len(buf)
		}
		if n == 0 {
			if s.scan == nil {
				s.scan, l.scan = scan, l.lendScanner()
			}
			return used
		}
		frame := buf[used : used+n]
		used += n
		args := scan.Args()
		if len(args) == 0 {
			continue
		}
		if scan.Inline() {
			l.frame = resp.AppendCommand(l.frame[:0], args...)
			frame = l.frame
		}
		l.current = frame
		if !s.dispatch(args, frame) {
			used -= n // it is dispatched again when the session goes on
			if s.waitsSince == 0 {
				s.waitsSince = l.now
			}
			break
		}
		if s.waitsSince != 0 {
			l.stats.waits.observe(l.now - s.waitsSince)
			s.waitsSince = 0
		}
		if s.hasReached || s.accessErr != nil || s.fencedUntil != 0 || s.bigUntil != 0 || s.bigReply != nil {
			s.forgetAccess() // the request may have gone another way meanwhile
		}
		switch s.reply {
		case replySkip:
			s.reply = replyOn
		case replySkipNext:
			s.reply = replySkip
		}
		if s.authed != authed {
			authed = s.authed
			scan.Limits = l.scanLimits(authed)
		}
	}
	if s.scan != nil {
		l.returnScanner(s.scan)
		s.scan = nil
	}
	return used
}

// overQueryLimit says whether the client has sent more than it may have waiting.
func (s *session) overQueryLimit() bool {
	waiting := int64(len(s.in) - s.inPos)
	if waiting > s.l.table.limits.queryBuffer {
		s.l.complain("client closed: query buffer limit reached", "client", s.addr, "bytes", waiting)
		return true
	}
	if waiting > fairShare && s.l.overMemory() {
		s.l.complain("client closed: this node's memory for buffers is used up (node-memory-limit)", "client", s.addr, "bytes", waiting)
		return true
	}
	return false
}

// protocolError answers what could not be read as a request, and closes.
func (s *session) protocolError(err error) {
	s.l.stats.protocolErrors++
	var bad *resp.ProtocolError
	text := err.Error()
	if errors.As(err, &bad) {
		text = bad.Text
	}
	s.reply = replyOn
	s.answer(nil, resp.AppendError(nil, "ERR Protocol error: "+text))
	s.close()
}

// close ends the session once the replies that it is owed are out.
func (s *session) close() {
	s.pause |= pauseClosing
	s.markDirty()
}

// abort ends the session at the end of the round, whatever it is owed.
func (s *session) abort() {
	s.aborted = true
	s.forget()
	s.close()
}

// forget lets go of the requests under way; their replies are dropped when they come.
func (s *session) forget() {
	for q := s.head; q != nil; {
		next := q.next
		q.next = nil
		q.sess = nil
		if q.state == requestDone {
			s.l.freeRequest(q)
		}
		q = next
	}
	s.head, s.tail, s.pending, s.durable, s.shelved = nil, nil, 0, 0, 0
	s.l.pool.put(s.out)
	s.l.pool.put(s.in)
	s.out, s.in, s.inPos = nil, nil, 0
}

// Closed is called by the loop when the connection is gone.
func (s *session) Closed(error) {
	s.closed = true
	s.takeReached()
	s.pause |= pauseClosing
	s.forget()
	s.l.unsent -= int64(s.unsent)
	s.unsent = 0
	if s.scan != nil {
		s.l.returnScanner(s.scan)
		s.scan = nil
	}
	delete(s.l.sessions, s.id)
	s.l.stats.closed++
	s.l.r.clients.Add(-1)
}

// enqueue appends a request to those that wait for their reply.
func (s *session) enqueue(q *request) {
	if s.tail == nil {
		s.head = q
	} else {
		s.tail.next = q
	}
	s.tail = q
	s.pending++
	if s.pending >= minPipeline && s.pending >= s.window() {
		s.pause |= pausePipeline
	}
}

// window is how many requests may be under way, so that their replies are not
// more than their reader can be expected to take soon.
func (s *session) window() int {
	return min(max(windowBytes/max(s.replySize, 1), minPipeline), maxPipeline)
}

// pop takes the oldest request off the queue; the caller frees it.
func (s *session) pop() {
	q := s.head
	s.head, q.next = q.next, nil
	if s.head == nil {
		s.tail = nil
	}
	s.pending--
	if q.durable {
		s.durable--
	}
	if s.pause&pauseOrder != 0 && s.pending == s.durable {
		s.unpause(pauseOrder)
	}
	s.shelved -= len(q.reply)
	if s.pause&pausePipeline != 0 && s.pending <= s.window()/2 {
		s.unpause(pausePipeline)
	}
}

// unpause drops a reason to wait and lets the loop go on with the session at the
// end of the round: not at once, because the caller may be deep in another one.
func (s *session) unpause(reason pause) {
	s.pause &^= reason
	switch {
	case s.pause != 0 || s.closed:
	case s.inPos < len(s.in):
		s.l.resumable = append(s.l.resumable, s)
	case s.finished():
		s.markDirty()
	}
}

// Ended is called by the loop when the client sends no more. As with Redis it gets
// the replies to what it has sent.
func (s *session) Ended() {
	s.ended = true
	if s.lingers {
		s.conn.Close()
	}
	s.markDirty()
}

// finish ends the session once all that it has sent is answered.
func (s *session) finish() {
	s.conn.PauseReading()
	s.Ended()
}

// finished says whether nothing is left to do: the session closes, or its client
// has ended, and all that could be answered is. Bytes that wait without a scanner
// are requests that are still to be taken, with one they are half a frame.
func (s *session) finished() bool {
	return s.head == nil && (s.pause&pauseClosing != 0 ||
		s.ended && s.pause == 0 && (s.inPos == len(s.in) || s.scan != nil))
}

// discard closes the client at once; what it did not take is lost.
func (s *session) discard() {
	s.pause |= pauseClosing
	s.forget()
	s.conn.Close()
}
