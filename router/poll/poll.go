// Package poll is an event loop over non-blocking stream sockets: one goroutine,
// one poller of the kernel, level-triggered. It calls a handler with the bytes
// that came in, writes what the handler gives it, keeps what the kernel does not
// take, and calls the end-of-round hook when all events of one wait are handled.
// It knows nothing of protocols. The router is its only caller. See DESIGN.md of
// the router for why it is not a library.
package poll

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// ErrClosed is returned when a loop that has ended is used.
var ErrClosed = errors.New("the event loop has ended")

const (
	// readSize is how much one read takes from a socket, in bytes.
	readSize = 256 << 10
	// maxEvents is how many events one wait takes.
	maxEvents = 256
)

// Handler is told what happens on one connection. All methods are called by the
// loop's goroutine, never one inside another, and must not block.
type Handler interface {
	// Readable is given the bytes that came in; they are valid until it returns.
	Readable(data []byte)
	// Drained is called when bytes that had to wait have all been taken.
	Drained()
	// Ended is called once when the peer will send no more. It may still read: the
	// handler calls Close when it has written what it owes.
	Ended()
	// Closed is called once when the connection is gone: err is nil when Close was
	// called. It is never called from inside Write or Close but later in the round.
	Closed(err error)
}

// Rounds is told when a round begins and ends; a round is what follows one wait of
// the kernel. Both functions are called by the loop's goroutine.
type Rounds interface {
	// BeginRound is called before the events are handled: the time to read clocks.
	BeginRound()
	// EndRound is called after the events and posted functions, and again after
	// connections that have ended meanwhile.
	EndRound()
}

// Loop is one event loop. Its methods may be called from any goroutine unless
// they say otherwise.
type Loop struct {
	poller poller
	rounds Rounds
	buf    []byte
	events []event

	// conns is indexed by the low half of an event's token; free lists the holes.
	conns []*Conn
	free  []int32
	// closing are connections whose Closed is due in this round.
	closing []*Conn

	mu     sync.Mutex
	posted []func()
	ended  bool
	// spare is the other half of the double buffer of posted.
	spare []func()
	awake atomic.Bool
	stop  bool
}

// New makes a loop; Run runs it.
func New(rounds Rounds) (*Loop, error) {
	p, err := openPoller()
	if err != nil {
		return nil, fmt.Errorf("open the poller: %w", err)
	}
	return &Loop{poller: p, rounds: rounds, buf: make([]byte, readSize), events: make([]event, maxEvents)}, nil
}

// Run handles events until Stop. It closes every connection before it returns.
func (l *Loop) Run() error {
	for !l.stop {
		n, err := l.poller.wait(l.events)
		if err != nil {
			l.end()
			return fmt.Errorf("wait for events: %w", err)
		}
		l.rounds.BeginRound()
		for i := range n {
			l.handle(&l.events[i])
		}
		l.runPosted()
		l.finishRound()
	}
	l.end()
	return nil
}

// Stop makes Run return after this round.
func (l *Loop) Stop() {
	l.Post(func() { l.stop = true })
}

// Discard gives up a loop that was never run.
func (l *Loop) Discard() { l.end() }

// Post has f run by the loop, after the events of the round. It says whether f
// was taken: a loop that has ended runs nothing any more.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return false
	}
	l.posted = append(l.posted, f)
	l.mu.Unlock()
	if !l.awake.Swap(true) {
		l.poller.wake()
	}
	return true
}

func (l *Loop) runPosted() {
	if !l.awake.Load() {
		return
	}
	// Before the list is taken: what is posted from here on wakes the loop again.
	l.awake.Store(false)
	l.mu.Lock()
	l.posted, l.spare = l.spare[:0], l.posted
	l.mu.Unlock()
	for i, f := range l.spare {
		f()
		l.spare[i] = nil
	}
}

// handle takes one event; one for a connection that is gone is dropped.
func (l *Loop) handle(e *event) {
	c := l.find(e)
	if c == nil {
		return
	}
	readable, writable, hangup := e.ready()
	if writable {
		c.drain()
	}
	switch {
	case c.closed:
	case (readable || hangup) && !c.paused:
		c.read()
	case hangup: // nobody reads it, so nobody would see that it is gone
		c.fail(syscall.ECONNRESET)
	}
}

func (l *Loop) find(e *event) *Conn {
	slot, generation := e.token()
	if int(slot) >= len(l.conns) {
		return nil
	}
	if c := l.conns[slot]; c != nil && c.generation == generation && !c.closed {
		return c
	}
	return nil
}

// Take takes over the socket of a connection, which is closed: the loop works on
// the descriptor itself. Any goroutine may call it; register is then called in
// the loop with the connection, and returns its handler. It is not called if Take
// returns an error.
func (l *Loop) Take(conn net.Conn, register func(*Conn) Handler) error {
	defer conn.Close()
	fd, err := dup(conn)
	if err != nil {
		return err
	}
	taken := l.Post(func() {
		c := l.add(fd)
		c.handler = register(c)
		if c.broken != nil {
			c.closing()
		}
	})
	if !taken {
		_ = syscall.Close(fd)
		return ErrClosed
	}
	return nil
}

func dup(conn net.Conn) (fd int, err error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("a %T has no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var dupErr error
	err = raw.Control(func(old uintptr) { fd, dupErr = dupCloseOnExec(int(old)) })
	return fd, errors.Join(err, dupErr)
}

// add registers a descriptor, which the loop owns from here on.
func (l *Loop) add(fd int) *Conn {
	c := &Conn{l: l, fd: fd}
	if n := len(l.free); n > 0 {
		c.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		c.slot = int32(len(l.conns))
		l.conns = append(l.conns, nil)
	}
	l.poller.generation++
	c.generation = l.poller.generation
	l.conns[c.slot] = c
	c.broken = l.poller.add(fd, c.slot, c.generation)
	return c
}

// finishRound runs the hook until no connection ends any more: what a handler
// does about one that ended may need the hook again.
func (l *Loop) finishRound() {
	for {
		l.finishClosing()
		l.rounds.EndRound()
		if len(l.closing) == 0 {
			return
		}
	}
}

// finishClosing tells handlers about the connections that ended in this round.
// More may end meanwhile.
func (l *Loop) finishClosing() {
	for i := 0; i < len(l.closing); i++ {
		c := l.closing[i]
		l.conns[c.slot] = nil
		l.free = append(l.free, c.slot)
		_ = syscall.Close(c.fd) // also takes it out of the poller
		c.out, c.sent = nil, 0
		c.handler.Closed(c.broken)
		l.closing[i] = nil
	}
	l.closing = l.closing[:0]
}

// end closes what is left.
func (l *Loop) end() {
	l.mu.Lock()
	l.ended = true
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted { // a connection that was handed over must be closed too
		f()
	}
	for _, c := range l.conns {
		if c != nil {
			c.Close()
		}
	}
	l.finishClosing()
	l.poller.close()
}
