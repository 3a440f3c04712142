package raftstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"codis/raftstore/topology"
)

// Barrier returns when every node that may serve has acknowledged the table of
// this epoch (see Acked). A node that is silent is not waited for longer than its
// lease can live, and gets none again before it has acknowledged the table: such
// nodes are returned, removed ones among them. What they have sent may still be on
// its way: before going on, the caller has to end their connections at the servers
// concerned.
//
// Only the leader can: ErrNotLeader else, also when leadership ends meanwhile. The
// answer of a leader that was replaced and does not know it yet is true as well, but
// what it does next may be late. When the context ends first, the error is
// ErrBarrier and names who held it up.
func (s *Store) Barrier(ctx context.Context, epoch uint64) (silent []topology.Node, err error) {
	book := s.leases.Load()
	if book == nil {
		return nil, ErrNotLeader
	}
	silent, err = book.barrier(ctx, epoch)
	if err != nil {
		return nil, fmt.Errorf("barrier of epoch %d: %w", epoch, err)
	}
	return silent, nil
}

func (b *leases) barrier(ctx context.Context, epoch uint64) ([]topology.Node, error) {
	// The epoch has to be one of this term or an earlier one; see ledger.floor.
	if err := b.store.WaitEpoch(ctx, epoch); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	began := b.store.now()
	for {
		changed := b.changed.next()
		v, now := b.decide(began, epoch)
		if v.done {
			return v.silent, nil
		}
		if err := b.wait(ctx, changed, v, now); err != nil {
			return nil, err
		}
	}
}

func (b *leases) decide(began int64, epoch uint64) (verdict, int64) {
	state := b.store.State()
	below, times := b.store.fsm.past.servesBelow(state), leaseTimesOf(state)
	b.mu.Lock()
	defer b.mu.Unlock()
	q := question{
		now: b.store.now(), epoch: epoch, began: began, members: state.Nodes,
		silentAfter: times.silentAfter(), servesBelow: below,
	}
	return b.ledger.decide(q), q.now
}

// wait returns when the verdict may be another one.
func (b *leases) wait(ctx context.Context, changed <-chan struct{}, v verdict, now int64) error {
	var later <-chan time.Time
	if v.next > 0 {
		// A little more: Go's clock may be faster than Boottime.
		timer := time.NewTimer(time.Duration(v.next-now) + time.Millisecond)
		defer timer.Stop()
		later = timer.C
	}
	select {
	case <-changed:
	case <-later:
	case <-b.ctx.Done():
		return ErrNotLeader
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: %w", ErrBarrier, strings.Join(v.waiting, "; "), context.Cause(ctx))
	}
	return nil
}
