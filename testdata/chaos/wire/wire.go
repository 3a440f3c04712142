// Package wire stands between processes of this machine with TCP proxies that
// lose, hold back and delay bytes as a network does. It knows which process has
// opened a connection, so that the link between any two of them can be cut alone.
// The chaos test calls it. Linux only: the opener is found by way of /proc.
package wire

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Kind is what a Fault does to links.
type Kind string

const (
	// Freeze lets no byte pass in either direction. Connections stay open; what was
	// sent arrives after the fault, also when its sender has closed by then: a late
	// request of a client that has given up.
	Freeze Kind = "freeze"
	// FreezeReplies does so only from the side that was dialed to the one that has
	// dialed: requests arrive, nobody learns of it.
	FreezeReplies Kind = "freeze-replies"
	// Reset breaks all connections and refuses new ones.
	Reset Kind = "reset"
	// Delay adds Fault.Delay to every byte's way, in both directions.
	Delay Kind = "delay"
)

// Fault is something wrong with links.
type Fault struct {
	Kind Kind
	// From and To name the process that dials and the one that is dialed; empty
	// means any.
	From, To string
	Delay    time.Duration
}

func (f Fault) hits(c *conn) bool {
	return (f.From == "" || f.From == c.from) && (f.To == "" || f.To == c.to)
}

// Net is a set of proxies and the faults that they suffer from.
type Net struct {
	// processes names the processes that may dial, by id.
	processes func() map[int]string
	wg        sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	conns     map[*conn]bool
	faults    map[*Fault]bool
	changed   chan struct{} // closed and replaced when faults change
}

// New returns a Net without proxies. processes is called for each connection.
func New(processes func() map[int]string) *Net {
	return &Net{processes: processes, conns: map[*conn]bool{}, faults: map[*Fault]bool{}, changed: make(chan struct{})}
}

// Proxy listens at listen for connections to a process, which listens at target.
func (n *Net) Proxy(to, listen, target string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("proxy to %s: %w", to, err)
	}
	n.mu.Lock()
	n.listeners = append(n.listeners, l)
	n.mu.Unlock()
	n.wg.Go(func() { n.accept(l, to, target) })
	return nil
}

func (n *Net) accept(l net.Listener, to, target string) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors: some will be free again
			continue
		}
		n.wg.Go(func() { n.serve(c.(*net.TCPConn), to, target) })
	}
}

// Apply begins a fault, which heal ends.
func (n *Net) Apply(f Fault) (heal func()) {
	n.mu.Lock()
	n.faults[&f] = true
	n.notifyLocked()
	if f.Kind == Reset {
		for c := range n.conns {
			if f.hits(c) {
				c.reset()
			}
		}
	}
	n.mu.Unlock()
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.faults, &f)
		n.notifyLocked()
	}
}

func (n *Net) notifyLocked() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// condition is what a connection suffers from now.
type condition struct {
	frozen, frozenReplies, reset bool
	delay                        time.Duration
	changed                      <-chan struct{}
}

func (n *Net) condition(c *conn) condition {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := condition{changed: n.changed}
	for f := range n.faults {
		if !f.hits(c) {
			continue
		}
		switch f.Kind {
		case Freeze:
			now.frozen = true
		case FreezeReplies:
			now.frozenReplies = true
		case Reset:
			now.reset = true
		case Delay:
			now.delay = max(now.delay, f.Delay)
		}
	}
	return now
}

// Sources lists who has connections to a process, for messages.
func (n *Net) Sources(to string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var names []string
	for c := range n.conns {
		if c.to == to {
			names = append(names, c.from)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Close ends all proxies and connections.
func (n *Net) Close() {
	n.mu.Lock()
	n.closed = true
	for _, l := range n.listeners {
		l.Close()
	}
	for c := range n.conns {
		c.reset()
	}
	n.faults = map[*Fault]bool{}
	n.notifyLocked()
	n.mu.Unlock()
	n.wg.Wait()
}
