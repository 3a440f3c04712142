package poll

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is one socket of a loop. Its methods are for the loop's goroutine alone.
type Conn struct {
	l       *Loop
	fd      int
	handler Handler
	// slot and generation are the token by which events find the connection.
	slot, generation int32
	// out[sent:] is what the kernel has not taken.
	out  []byte
	sent int
	// armed says that the poller watches for room to write, paused that it does
	// not watch for bytes.
	armed, paused bool
	// ended says that the peer sends no more.
	ended, closed bool
	broken        error
}

// Fd is the descriptor, for diagnosis.
func (c *Conn) Fd() int { return c.fd }

// Unsent is how many bytes wait for the peer to read, beyond what the kernel holds.
func (c *Conn) Unsent() int { return len(c.out) - c.sent }

// HasUnread says whether the kernel holds bytes of the peer.
func (c *Conn) HasUnread() bool {
	if c.closed {
		return false
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(c.fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil && n > 0
}

// Write sends b, or keeps a copy of what the kernel does not take now. b may be
// reused when it returns. On a connection that is closed it does nothing.
func (c *Conn) Write(b []byte) {
	if c.closed || len(b) == 0 {
		return
	}
	n := 0
	if c.Unsent() == 0 {
		n = c.check(write(c.fd, b))
	}
	c.keep(b[n:])
}

// WriteBoth is Write of a and then b with one system call.
func (c *Conn) WriteBoth(a, b []byte) {
	switch {
	case c.closed:
		return
	case c.Unsent() > 0 || len(a) == 0 || len(b) == 0:
		c.Write(a)
		c.Write(b)
		return
	}
	n := c.check(writev(c.fd, a, b))
	if n < len(a) {
		c.keep(a[n:])
		c.keep(b)
		return
	}
	c.keep(b[n-len(a):])
}

// keep holds on to bytes until the peer reads.
func (c *Conn) keep(b []byte) {
	if c.closed || len(b) == 0 {
		return
	}
	if c.sent > len(c.out)/2 { // a reader that never quite catches up
		c.out = c.out[:copy(c.out, c.out[c.sent:])]
		c.sent = 0
	}
	c.out = append(c.out, b...)
	if !c.armed {
		c.armed = true
		c.watch()
	}
}

// check turns the outcome of a system call into the bytes it moved; an error that
// does not pass ends the connection.
func (c *Conn) check(n int, err error) int {
	switch err {
	case nil:
		return n
	case syscall.EAGAIN, syscall.EINTR:
	default:
		c.fail(err)
	}
	return 0
}

// drain sends what waits; there is room.
func (c *Conn) drain() {
	c.sent += c.check(write(c.fd, c.out[c.sent:]))
	if c.closed || c.Unsent() > 0 {
		return
	}
	c.out, c.sent = nil, 0
	c.armed = false
	c.watch()
	c.handler.Drained()
}

// read takes what has come in and gives it to the handler.
func (c *Conn) read() {
	n, err := read(c.fd, c.l.buf)
	switch {
	case err == nil && n > 0:
		c.handler.Readable(c.l.buf[:n])
	case err == nil:
		c.PauseReading() // the end would be readable for ever
		c.ended = true
		c.handler.Ended()
	default:
		c.check(0, err)
	}
}

// PauseReading leaves further bytes in the kernel, so that the peer has to wait.
func (c *Conn) PauseReading() {
	if !c.paused && !c.closed {
		c.paused = true
		c.watch()
	}
}

// ResumeReading ends PauseReading.
func (c *Conn) ResumeReading() {
	if c.paused && !c.closed && !c.ended {
		c.paused = false
		c.watch()
	}
}

// watch tells the poller what to watch for.
func (c *Conn) watch() {
	if err := c.l.poller.modify(c, !c.paused, c.armed); err != nil {
		c.fail(err)
	}
}

// CloseWrite tells the peer that nothing more will be sent; what it sends is still
// read. Unsent must be 0.
func (c *Conn) CloseWrite() {
	if !c.closed {
		_ = unix.Shutdown(c.fd, unix.SHUT_WR) // fails when the peer has gone, which an event tells
	}
}

// Close ends the connection in this round. What the kernel has taken is still
// delivered, what Unsent counts is not.
func (c *Conn) Close() {
	if !c.closed {
		c.closing()
	}
}

func (c *Conn) fail(err error) {
	if !c.closed {
		c.broken = err
		c.closing()
	}
}

func (c *Conn) closing() {
	c.closed = true
	c.l.closing = append(c.l.closing, c)
}

// SetKeepAlive has the kernel probe an idle TCP peer after so many seconds; on
// another kind of socket it does nothing.
func (c *Conn) SetKeepAlive(seconds int) { setKeepAlive(c.fd, seconds) }
