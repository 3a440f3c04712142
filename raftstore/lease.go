package raftstore

import (
	"sync"
	"sync/atomic"
	"time"

	"codis/raftstore/topology"
)

// lease is the right of this node to serve, as far as this node knows. Readers
// take no lock.
type lease struct {
	until   atomic.Int64  // Boottime; 0: there is none
	renewed atomic.Int64  // Boottime at which the renewal behind it was sent
	acked   atomic.Uint64 // the table that the router has adopted

	mu   sync.Mutex
	over bool // guarded by mu: no lease is taken any more
}

// LeaseUntil returns the Boottime until which this node may serve keyed commands;
// 0 when it may not. It is one atomic read, for the hot path: compare it with
// Boottime when a request is dispatched, and again when its reply has arrived. A
// node gets its first lease only after the router has called Acked.
func (s *Store) LeaseUntil() int64 { return s.lease.until.Load() }

// RenewedAt returns the Boottime at which the renewal was sent that the lease was
// granted for; 0 before the first. A new connection to a server may carry traffic
// once that is later than its opening: had the leader ended this node's connections
// since, while it was silent, it would have refused that renewal, or have heard
// from this node that it has adopted the table.
func (s *Store) RenewedAt() int64 { return s.lease.renewed.Load() }

// Acked says that the router has adopted the table of this epoch, and that nothing
// of what it does was begun under an earlier one for slots or groups that the
// table holds. The leader is told at once, and with each renewal. It does not
// block; an epoch that is lower than an earlier one changes nothing.
//
// The first call of a process also speaks for the processes before it with the
// same directory: what those had sent to the servers must be over too.
func (s *Store) Acked(epoch uint64) {
	for {
		old := s.lease.acked.Load()
		if epoch <= old {
			return
		}
		if s.lease.acked.CompareAndSwap(old, epoch) {
			break
		}
	}
	poke(s.ackNow)
	if s.LeaseUntil() < s.now() {
		// It may be refused for the lack of this.
		poke(s.renewNow)
	}
}

// poke wakes up whoever reads a channel of one slot, now or next time.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// extend takes a lease that was granted for a renewal sent at a time. Of two, the
// one that was asked for last counts, so that a shorter lease takes effect.
func (l *lease) extend(sent int64, length time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || sent < l.renewed.Load() {
		return
	}
	l.renewed.Store(sent)
	l.until.Store(sent + int64(length-margin(length)))
}

// end gives the lease up for good.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.until.Store(0)
}

// left returns how long the lease still runs.
func (l *lease) left(now int64) time.Duration {
	return max(0, time.Duration(l.until.Load()-now))
}

// leaseTimes are the settings of leases. A renewal is at most half a lease.
type leaseTimes struct {
	length, renew time.Duration
}

// margin is what a node takes off its lease, and the leader adds to it: clocks may
// run at different speeds.
func margin(length time.Duration) time.Duration { return length / 10 }

// silentAfter is the time without a renewal after which a member that holds up a
// barrier gets none any more. Its lease lives for longer than that, so it delays
// nothing.
func (t leaseTimes) silentAfter() time.Duration { return max(t.length/2, 2*t.renew) }

func leaseTimesOf(state *topology.State) leaseTimes {
	return leaseTimes{length: state.Settings.Duration("lease"), renew: state.Settings.Duration("lease-renew")}
}
