package raftstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

func TestL4Barrier(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, 2*time.Second, nil)
	leader := leaderOf(t, c.nodes)
	for range 5 {
		begin := time.Now()
		if silent := barrier(t, leader, c.hold(c.nodes[1])); silent != "" {
			t.Errorf("silent: %s", silent)
		}
		t.Logf("hold and barrier took %s", time.Since(begin))
	}
	// One whose router drains, but which is not silent, is waited for.
	slow := others(c.nodes, leader)[0]
	epoch := c.hold(leader)
	c.routers[slow.cfg.ID].limit.Store(epoch)
	barrier(t, leader, epoch)
	epoch = c.hold(leader)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // more than 1.1 leases
	defer cancel()
	if _, err := leader.Barrier(ctx, epoch); !errors.Is(err, ErrBarrier) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), slow.cfg.ID+" has acknowledged only") {
		t.Errorf("a barrier that one node holds up: %v", err)
	}
	if slow.LeaseUntil() < Boottime() {
		t.Error("a node that drains has lost its lease")
	}
	c.routers[slow.cfg.ID].limit.Store(epoch)
	if silent := barrier(t, leader, epoch); silent != "" {
		t.Errorf("silent: %s", silent)
	}
	// An epoch that is not there yet.
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := leader.Barrier(ctx, epoch+1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a barrier of the future: %v", err)
	}
}

// TestL4SilentMember: a barrier goes on without a node that is cut off, once no
// lease of it lives; the node gets none again before it has adopted the table. The
// mutant does not wait.
func TestL4SilentMember(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]faults{"as it is": {}, "mutant": {noWait: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// With a lease that is long compared with what a busy machine takes.
			c := newLeased(t, 3, 3*time.Second, func(cfg *Config) { cfg.seams.faults = f })
			leader := leaderOf(t, c.nodes)
			victim := others(c.nodes, leader)[0]
			barrier(t, leader, c.hold(leader))
			router := c.routers[victim.cfg.ID]
			router.limit.Store(leader.State().Epoch)
			c.links.set(victim.cfg.ID, true)
			epoch := c.hold(leader)
			renewed := victim.RenewedAt()
			silent := barrier(t, leader, epoch)
			now := Boottime()
			if caught := victim.LeaseUntil() > now || now < renewed+int64(3300*time.Millisecond); caught != (f != faults{}) {
				t.Errorf("after the barrier the lease of %s has %s, it was renewed %s ago",
					victim.cfg.ID, time.Duration(victim.LeaseUntil()-now), time.Duration(now-renewed))
			}
			if silent != victim.cfg.ID {
				t.Errorf("silent: %q, want %s", silent, victim.cfg.ID)
			}
			// Back, but with the old table.
			c.links.set(victim.cfg.ID, false)
			heard := func() bool { return leader.Status().Nodes[victim.cfg.ID].Age < time.Second }
			waitFor(t, "the node to be heard", heard)
			if err := victim.WaitEpoch(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
			if _, err := leader.leases.Load().renew(t.Context(), victim.renewal()); !errors.Is(err, errBehind) {
				t.Errorf("renewal before the table is adopted: %v", err)
			}
			if f == (faults{}) && victim.LeaseUntil() > Boottime() {
				t.Error("the node was renewed before it has adopted the table")
			}
			router.limit.Store(^uint64(0))
			c.waitLease(victim)
			if silent := barrier(t, leader, c.hold(leader)); silent != "" {
				t.Errorf("silent: %s", silent)
			}
		})
	}
}

// TestL4RemovedMember: one that is cut off and removed may serve for as long as its
// lease lives, also when another leader has removed it. The mutant forgets it.
func TestL4RemovedMember(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]faults{"as it is": {}, "mutant": {forgetLeft: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newLeased(t, 3, 4*time.Second, func(cfg *Config) { cfg.seams.faults = f })
			leader := leaderOf(t, c.nodes)
			victim, next := others(c.nodes, leader)[0], others(c.nodes, leader)[1]
			c.links.set(victim.cfg.ID, true)
			if err := leader.RemoveNode(t.Context(), victim.cfg.ID, true); err != nil {
				t.Fatal(err)
			}
			if err := leader.TransferLeadership(t.Context(), next.cfg.ID); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "leases from the next leader", func() bool { return next.leases.Load() != nil })
			silent := barrier(t, next, c.hold(next))
			if caught := victim.LeaseUntil() > Boottime(); caught != (f != faults{}) {
				t.Errorf("after the barrier the lease of the removed node has %s", time.Duration(victim.LeaseUntil()-Boottime()))
			}
			if f == (faults{}) && silent != victim.cfg.ID {
				t.Errorf("silent: %q, want %s", silent, victim.cfg.ID)
			}
		})
	}
}

// TestL4NewLeader assumes that every lease lives. The mutant does not.
func TestL4NewLeader(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]faults{"as it is": {}, "mutant": {trustStart: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newLeased(t, 3, 4*time.Second, func(cfg *Config) { cfg.seams.faults = f })
			leader := leaderOf(t, c.nodes)
			victim, next := others(c.nodes, leader)[0], others(c.nodes, leader)[1]
			c.links.set(victim.cfg.ID, true)
			if err := leader.TransferLeadership(t.Context(), next.cfg.ID); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "leases from the next leader", func() bool { return next.leases.Load() != nil })
			silent := barrier(t, next, c.hold(next))
			if caught := victim.LeaseUntil() > Boottime(); caught != (f != faults{}) {
				t.Errorf("after the barrier the lease of the node that is cut off has %s", time.Duration(victim.LeaseUntil()-Boottime()))
			}
			if f == (faults{}) && silent != victim.cfg.ID {
				t.Errorf("silent: %q, want %s", silent, victim.cfg.ID)
			}
		})
	}
}

// TestL4ClosedNode: one that was stopped in order has given its lease back, leader
// or not: nobody waits for it.
func TestL4ClosedNode(t *testing.T) {
	t.Parallel()
	for name, choose := range map[string]func(nodes []*node, leader *node) *node{
		"a follower": func(nodes []*node, leader *node) *node { return others(nodes, leader)[0] },
		"the leader": func(_ []*node, leader *node) *node { return leader },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newLeased(t, 3, time.Minute, nil)
			gone := choose(c.nodes, leaderOf(t, c.nodes))
			gone.close()
			rest := others(c.nodes, gone)
			leader := leaderOf(t, rest)
			waitFor(t, "leases from the leader", func() bool { return leader.leases.Load() != nil })
			begin := time.Now()
			if silent := barrier(t, leader, c.hold(leader)); silent != gone.cfg.ID {
				t.Errorf("silent: %q, want %s", silent, gone.cfg.ID)
			}
			if took := time.Since(begin); took > patience/2 {
				t.Errorf("the barrier took %s", took)
			}
		})
	}
}

// TestL3AckBySnapshot: a node whose table jumps over the hold acknowledges it too.
func TestL3AckBySnapshot(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, 2*time.Second, func(cfg *Config) {
		cfg.SnapshotThreshold, cfg.TrailingLogs, cfg.SnapshotInterval = 16, 4, 50*time.Millisecond
	})
	leader := leaderOf(t, c.nodes)
	away := others(c.nodes, leader)[0]
	missed := away.raft.LastIndex()
	away.kill()
	epoch := c.hold(leader)
	for range 60 {
		c.hold(leader)
	}
	waitFor(t, "the log to be cut", func() bool {
		first, err := leader.logs.FirstIndex()
		return err == nil && first > missed+1
	})
	away.open()
	c.route(away)
	c.waitLease(away)
	if silent := barrier(t, leader, epoch); silent != "" {
		t.Errorf("silent: %s", silent)
	}
	if away.fsm.past.opening(0, away.State()).blind == 0 {
		t.Error("the node was not given a snapshot")
	}
}

// TestL4LongerLease: a lease that was granted before the setting was lowered counts
// in full.
func TestL4LongerLease(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, 4*time.Second, nil)
	leader := leaderOf(t, c.nodes)
	victim := others(c.nodes, leader)[0]
	c.links.set(victim.cfg.ID, true)
	for _, body := range []topology.Body{
		topology.SettingSet{Name: "lease-renew", Value: "50ms"}, topology.SettingSet{Name: "lease", Value: "500ms"},
	} {
		mustPropose(t, leader, body)
	}
	if silent := barrier(t, leader, leader.State().Epoch); silent != victim.cfg.ID {
		t.Errorf("silent: %q, want %s", silent, victim.cfg.ID)
	}
	if left := victim.LeaseUntil() - Boottime(); left > 0 {
		t.Errorf("after the barrier the lease of the node that is cut off has %s", time.Duration(left))
	}
}
