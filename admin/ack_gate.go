package admin

import "sync"

// ackGate lets a node's acknowledgements of new tables through, but for the moments
// in which a repair deletes keys by an older table: then the newest one waits. A
// slot's move can't get past its hold before all nodes have acknowledged it.
type ackGate struct {
	pass func(epoch uint64)

	mu      sync.Mutex
	closed  bool
	waiting uint64 // the newest epoch that came while it was closed, 0 for none
}

// Acked passes on the router's acknowledgement of a table. It does not block.
func (o *Ops) Acked(epoch uint64) {
	if o.acks.hold(epoch) || o.acks.pass == nil {
		return
	}
	o.acks.pass(epoch)
}

// hold says whether an acknowledgement has to wait.
func (g *ackGate) hold(epoch uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		g.waiting = max(g.waiting, epoch)
	}
	return g.closed
}

// close makes acknowledgements wait until open.
func (g *ackGate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *ackGate) open() {
	g.mu.Lock()
	epoch := g.waiting
	g.closed, g.waiting = false, 0
	g.mu.Unlock()
	if epoch != 0 {
		g.pass(epoch)
	}
}
