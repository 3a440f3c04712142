package wire

import (
	"net"
	"sync"
	"time"
)

// A chunk is some bytes on their way; ahead bounds how many chunks are, in one
// direction.
const (
	chunkSize = 32 << 10
	ahead     = 128
)

// conn is one connection, the two halves of its way through a proxy.
type conn struct {
	net            *Net
	from, to       string
	client, server *net.TCPConn
	closing        sync.Once
	gone           chan struct{} // closed by reset
}

type chunk struct {
	bytes []byte
	at    time.Time
}

// reset breaks both halves at once.
func (c *conn) reset() {
	c.closing.Do(func() {
		close(c.gone)
		for _, half := range []*net.TCPConn{c.client, c.server} {
			_ = half.SetLinger(0) // an error says that it is closed
			half.Close()
		}
	})
}

func (n *Net) serve(client *net.TCPConn, to, target string) {
	from := openerOf(client, n.processes())
	c := &conn{net: n, from: from, to: to, client: client, gone: make(chan struct{})}
	if n.condition(c).reset {
		_ = client.SetLinger(0)
		client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		_ = client.SetLinger(0)
		client.Close()
		return
	}
	c.server = server.(*net.TCPConn)
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		c.reset()
		return
	}
	n.conns[c] = true
	n.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { c.pump(c.client, c.server, false) })
	c.pump(c.server, c.client, true)
	wg.Wait()
	c.reset()
	n.mu.Lock()
	delete(n.conns, c)
	n.mu.Unlock()
}

// pump carries bytes in one direction until its source ends; the end is carried
// too, behind the bytes.
func (c *conn) pump(src, dst *net.TCPConn, replies bool) {
	queue := make(chan chunk, ahead)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(queue)
		for {
			buf := make([]byte, chunkSize)
			n, err := src.Read(buf)
			if n > 0 {
				select {
				case queue <- chunk{buf[:n], time.Now()}:
				case <-c.gone:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	for {
		select {
		case next, ok := <-queue:
			if !c.pass(next.at, ok, replies) {
				return
			}
			if !ok {
				if replies {
					c.reset() // the server is gone: there is nothing left to say
				} else {
					_ = dst.CloseWrite() // an error says that it is closed
				}
				return
			}
			if _, err := dst.Write(next.bytes); err != nil {
				c.reset()
				return
			}
		case <-c.gone:
			return
		}
	}
}

// pass waits until bytes that came at a time may go on; false when the connection
// has ended meanwhile.
func (c *conn) pass(at time.Time, bytes, replies bool) bool {
	for {
		now := c.net.condition(c)
		wait := time.Duration(0)
		if bytes {
			wait = now.delay - time.Since(at)
		}
		var timer <-chan time.Time
		switch {
		case now.frozen || now.frozenReplies && replies:
		case wait > 0:
			timer = time.After(wait)
		default:
			return true
		}
		select {
		case <-timer:
		case <-now.changed:
		case <-c.gone:
			return false
		}
	}
}
