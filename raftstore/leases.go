package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// renewalWindow is how long a renewal waits for others, to share one entry of the
// log with them.
const renewalWindow = 20 * time.Millisecond

// leases is the leader's side of leases in one term: the ledger, a lock around it,
// and the entries that renewals wait for.
type leases struct {
	store *Store
	// term is the number of the term, and ctx ends with it, if a little late.
	term uint64
	ctx  context.Context
	// changed wakes up barriers: somebody was heard.
	changed broadcast

	// mu guards what follows.
	mu     sync.Mutex
	ledger *ledger
	open   *round // renewals may still join it
	// reports are what members have reported in this term.
	reports reports
}

// errNoEntry is returned when the leader could not commit an entry in time.
var errNoEntry = errors.New("the leader has committed nothing in time")

// round is one entry of the log, and the renewals that wait for it.
type round struct {
	done chan struct{}
	err  error // written before done is closed
}

// openLeases begins the book of a term, once an entry that was written in that term
// has been applied on this node.
func (s *Store) openLeases(ctx context.Context, term uint64) (*leases, error) {
	opening := s.fsm.past.opening(s.now(), s.State())
	b := &leases{store: s, term: term, ctx: ctx, ledger: openLedger(opening, s.cfg.seams.faults), reports: reports{}}
	return b, b.check()
}

// takeLeases makes this node the one that grants them.
func (s *Store) takeLeases(ctx context.Context, term uint64) error {
	b, err := s.openLeases(ctx, term)
	if err == nil {
		s.leases.Store(b)
	}
	return err
}

// check says whether the term still goes on. Raft learns of a later term before it
// writes or commits an entry of it: what was committed, or applied here, before a
// check that succeeds, is of this term or an earlier one.
func (b *leases) check() error {
	if b.store.raft.CurrentTerm() == b.term || b.faults().anyTerm {
		return nil
	}
	return ErrNotLeader
}

func (b *leases) faults() faults { return b.store.cfg.seams.faults }

// hear takes in a sign of life.
func (b *leases) hear(r renewal) error {
	now, member := b.store.now(), b.store.State().Nodes[r.ID]
	b.mu.Lock()
	err := b.ledger.hear(now, r, member)
	if err == nil {
		b.reports.hear(now, r)
	}
	b.mu.Unlock()
	if err == nil {
		b.changed.all()
	}
	return err
}

// renew grants a lease, or says why not.
func (b *leases) renew(ctx context.Context, r renewal) (granted, error) {
	arrived := b.store.now()
	if err := b.hear(r); err != nil {
		return granted{}, err
	}
	// A refusal that is known now needs no entry.
	if err := b.grant(arrived, 0, r); err != nil {
		return granted{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.store.cfg.PeerTimeout, errNoEntry)
	defer cancel()
	if !b.faults().noEntry {
		if err := b.confirm(ctx); err != nil {
			return granted{}, err
		}
	}
	// Not before: by now this node has applied what was committed before the entry,
	// such as the removal of the node that asks, or another length.
	length := leaseTimesOf(b.store.State()).length
	err := b.grant(arrived, length, r)
	if hook := b.store.cfg.seams.beforeAnswer; hook != nil && err == nil {
		hook(r)
	}
	return granted{Lease: length, Twin: b.takeTwin(r)}, err
}

func (b *leases) grant(arrived int64, length time.Duration, r renewal) error {
	member := b.store.State().Nodes[r.ID]
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.grant(arrived, length, r, member)
}

// isTwin says whether another process speaks for the node that greets.
func (b *leases) isTwin(g greeting) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledger.isTwin(renewal{ID: g.Node.ID, Incarnation: g.Node.Incarnation, Starts: g.Starts, Run: g.Run})
}

// takeTwin says whether another process with a copy of the directory was refused
// since it was asked last.
func (b *leases) takeTwin(r renewal) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.ledger.accounts[r.holder()]
	if a == nil || !a.twin {
		return false
	}
	a.twin = false
	return true
}

// giveBack takes in that a process serves no more.
func (b *leases) giveBack(r renewal) error {
	if err := b.hear(r); err != nil {
		return err
	}
	now := b.store.now()
	b.mu.Lock()
	b.ledger.giveBack(now, r)
	b.reports.forget(r)
	b.mu.Unlock()
	b.changed.all()
	return nil
}

// confirm returns when an entry is committed, and all before it are applied here,
// that was written after the call, in this term. So no other leader had committed
// an entry of a later term when the call began.
func (b *leases) confirm(ctx context.Context) error {
	b.mu.Lock()
	r := b.open
	if r == nil {
		r = &round{done: make(chan struct{})}
		if !b.store.spawn(func() { b.write(r) }) {
			b.mu.Unlock()
			return ErrClosed
		}
		b.open = r
	}
	b.mu.Unlock()
	select {
	case <-r.done:
		if r.err != nil {
			return fmt.Errorf("%w: %w", ErrNotLeader, r.err)
		}
		return b.check()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write waits for the window to close, and then for the entry.
func (b *leases) write(r *round) {
	defer close(r.done)
	window := time.NewTimer(renewalWindow)
	defer window.Stop()
	select {
	case <-window.C:
	case <-b.ctx.Done():
	}
	// Nobody joins any more: the entry has to be younger than every renewal.
	b.mu.Lock()
	b.open = nil
	b.mu.Unlock()
	r.err = b.store.commitEntry(b.ctx)
}

// commitEntry writes an entry that says nothing, and returns when it is committed
// and all before it are applied here.
func (s *Store) commitEntry(ctx context.Context) error {
	if before := s.cfg.seams.beforeEntry; before != nil {
		if err := before(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	err := s.await(ctx, s.raft.Barrier(s.cfg.PeerTimeout))
	if err == nil {
		s.commits.lease.Observe(time.Since(began).Seconds())
	}
	return err
}

// nodes is for Status.
func (b *leases) nodes(state *topology.State) map[string]NodeLease {
	now := b.store.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	found := map[string]NodeLease{}
	for id, node := range state.Nodes {
		if a := b.ledger.accounts[holderOf(node)]; a != nil {
			found[id] = NodeLease{
				Age: time.Duration(now - a.heard), Acked: a.acked,
				Left: time.Duration(max(0, a.until-now)), Need: max(a.need, b.ledger.floor),
			}
		}
	}
	return found
}
