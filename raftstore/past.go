package raftstore

import (
	"slices"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// departure is a node that was removed from the table.
type departure struct {
	node topology.Node
	at   int64 // when this node applied the removal
	// until is when no lease lives any more that it was granted before.
	until int64
}

// past is what this node remembers of earlier tables, in case that it becomes the
// leader: leases may live that the table of today tells nothing of. Every node
// keeps it, with its own Boottime: it applies an entry after that was committed,
// so what it remembers is never over before it really is.
type past struct {
	// mu guards what follows. The FSM writes, the leader reads.
	mu   sync.Mutex
	left []departure // oldest first
	// longer is until when leases live that were granted when the setting was higher.
	longer int64
	// blind is until when nodes may hold a lease that have come and gone in tables
	// which this node has never seen.
	blind int64
	// served is the epoch at which on-quorum-loss was last changed from serve.
	served uint64
}

const (
	// maxDepartures bounds what is remembered of removed nodes. departedFor is how long
	// a leader ends their connections, at the servers that a barrier is for.
	maxDepartures = 256
	departedFor   = time.Hour
)

// note takes in the step from one table to the next.
func (p *past) note(now int64, before, after *topology.State) {
	if before == after {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	was, is := leaseTimesOf(before).length, leaseTimesOf(after).length
	if was > is {
		p.longer = max(p.longer, graceEnd(now, was))
	}
	if servesAlways(before) && !servesAlways(after) {
		p.served = after.Epoch
	}
	for id, node := range before.Nodes {
		if after.Nodes[id].Incarnation == node.Incarnation {
			continue
		}
		p.left = append(p.left, departure{node: node, at: now, until: max(graceEnd(now, was), p.longer)})
	}
	p.left = slices.DeleteFunc(p.left, func(d departure) bool { return d.until+int64(departedFor) < now })
	if extra := len(p.left) - maxDepartures; extra > 0 {
		p.left = slices.Delete(p.left, 0, extra)
	}
}

// jumped takes in that a snapshot has replaced the table.
func (p *past) jumped(now int64, before, after *topology.State) {
	p.note(now, before, after)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blind = max(p.blind, graceEnd(now, leaseTimesOf(after).length))
}

// opening returns what a leader begins its term with.
func (p *past) opening(now int64, state *topology.State) opening {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := opening{
		now: now, epoch: state.Epoch, lease: leaseTimesOf(state).length,
		left: slices.Clone(p.left), longer: p.longer, blind: p.blind,
	}
	for _, node := range state.Nodes {
		o.members = append(o.members, node)
	}
	return o
}

// servesBelow is described at question.
func (p *past) servesBelow(state *topology.State) uint64 {
	if servesAlways(state) {
		return ^uint64(0)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

func servesAlways(state *topology.State) bool {
	return state.Settings.Text("on-quorum-loss") == serveAlways
}
