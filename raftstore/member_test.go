package raftstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

func TestRemoveNode(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, calm)
	leader := leaderOf(t, nodes)
	gone, stays := others(nodes, leader)[0], others(nodes, leader)[1]
	term := leader.Status().Term
	// Through a follower.
	if err := stays.RemoveNode(t.Context(), gone.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the removed node to notice", func() bool { return gone.Err() != nil })
	if !errors.Is(gone.Err(), ErrRemoved) || !gone.Status().Removed || gone.Status().Role != RoleStopped {
		t.Errorf("error %v, status %+v", gone.Err(), gone.Status())
	}
	if _, err := gone.Propose(t.Context(), topology.Command{Body: setting(1)}); !errors.Is(err, ErrRemoved) {
		t.Errorf("the removed node takes commands: %v", err)
	}
	if len(gone.State().Nodes) == 0 {
		t.Error("the removed node has dropped its table")
	}
	rest := others(nodes, gone)
	waitFor(t, "two nodes", func() bool { return settled(rest...) })
	mustPropose(t, stays, group(1))
	if now := leaderOf(t, rest); now != leader || now.Status().Term != term {
		t.Errorf("the removal disturbed the rest: %s leads term %d, it was %s in term %d", now.cfg.ID, now.Status().Term, leader.cfg.ID, term)
	}
	// Its directory says so too.
	gone.kill()
	if err := gone.tryOpen(); !errors.Is(err, ErrRemoved) {
		t.Errorf("the removed node starts again: %v", err)
	}
	if err := leader.RemoveNode(t.Context(), "n9", false); !errors.Is(err, &topology.Error{Code: topology.CodeNoNode}) {
		t.Errorf("a node that does not exist: %v", err)
	}
}

func TestRemoveLeader(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	if err := leader.RemoveNode(t.Context(), leader.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	rest := others(nodes, leader)
	waitFor(t, "two nodes", func() bool { return settled(rest...) })
	waitFor(t, "the old leader to notice", func() bool { return errors.Is(leader.Err(), ErrRemoved) })
	mustPropose(t, rest[0], group(1))
}

// TestRemovedWhileDown: the node finds out when it comes back, and the others are
// not disturbed.
func TestRemovedWhileDown(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, calm)
	leader := leaderOf(t, nodes)
	gone := others(nodes, leader)[0]
	gone.kill()
	if err := leader.RemoveNode(t.Context(), gone.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	rest := others(nodes, gone)
	waitFor(t, "two nodes", func() bool { return settled(rest...) })
	term := leader.Status().Term
	gone.open()
	waitFor(t, "the removed node to notice", func() bool { return errors.Is(gone.Err(), ErrRemoved) })
	mustPropose(t, rest[0], group(1))
	if now := leaderOf(t, rest).Status().Term; now != term {
		t.Errorf("term %d, before the removed node came back %d", now, term)
	}
}

func TestRemoveNeedsMajority(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	dead, living := others(nodes, leader)[0], others(nodes, leader)[1]
	dead.kill()
	err := leader.RemoveNode(t.Context(), living.cfg.ID, false)
	if !errors.Is(err, ErrMajority) || !strings.Contains(err.Error(), dead.cfg.ID) {
		t.Errorf("removing one of two living voters of three: %v", err)
	}
	if err := leader.RemoveNode(t.Context(), dead.cfg.ID, false); err != nil {
		t.Errorf("removing the dead one: %v", err)
	}
	waitFor(t, "two nodes", func() bool { return settled(leader, living) })
	if err := living.RemoveNode(t.Context(), leader.cfg.ID, true); err != nil {
		t.Errorf("with force: %v", err)
	}
	waitFor(t, "one node", func() bool { return settled(living) })
	if err := living.RemoveNode(t.Context(), living.cfg.ID, true); err == nil {
		t.Error("the last node was removed")
	}
	mustPropose(t, living, group(1))
}

// TestNewAddress: one node after another comes back with all of its addresses changed,
// without being told of any other node.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for _, moved := range nodes {
		old := moved.cfg.PeerAddr
		moved.kill()
		moved.client.Close()
		moved.listen()
		moved.cfg.HTTPAdvertise = moved.cfg.ClientAdvertise
		moved.cfg.PeerAddr, moved.cfg.Join, moved.cfg.Version, moved.cfg.Zone = "127.0.0.1:0", nil, "1.1", "z2"
		moved.open()
		waitFor(t, "the table to say where the node is", func() bool {
			for _, n := range nodes {
				got := n.State().Nodes[moved.cfg.ID]
				if got.PeerAddr == old || got.Version != "1.1" || got.Zone != "z2" || got.Addr != moved.cfg.ClientAdvertise || got.HTTPAddr != moved.cfg.HTTPAdvertise {
					return false
				}
			}
			return true
		})
		mustPropose(t, moved, setting(1))
	}
	sameTables(t, nodes...)
	if err := leaderOf(t, nodes).State().CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// TestAllMoved: every node comes back at another address; join addresses are all
// that still leads to any of them.
func TestAllMoved(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for _, n := range nodes {
		n.kill()
		n.cfg.PeerAddr = "127.0.0.1:0"
		n.cfg.Join = nil
		for _, other := range others(nodes, n) {
			n.cfg.Join = append(n.cfg.Join, other.client.Addr().String())
		}
	}
	for _, n := range nodes {
		n.open()
	}
	mustPropose(t, nodes[0], group(1))
	waitFor(t, "the table to be right", func() bool {
		for _, n := range nodes {
			if n.differs() || nodes[0].State().Nodes[n.cfg.ID].PeerAddr != n.self.PeerAddr {
				return false
			}
		}
		return true
	})
	sameTables(t, nodes...)
}

// TestLaggard: a node that was away for longer than the log reaches back, and one
// that joins later, get a snapshot.
func TestLaggard(t *testing.T) {
	t.Parallel()
	var nodes []*node
	for i, id := range []string{"n1", "n2", "n3", "n4"} {
		n := newNode(t, id, nodes[:min(i, 1)]...)
		n.cfg.SnapshotThreshold, n.cfg.TrailingLogs, n.cfg.SnapshotInterval = 16, 4, 50*time.Millisecond
		if nodes = append(nodes, n); i < 3 {
			n.open()
		}
	}
	members, joiner := nodes[:3], nodes[3]
	waitFor(t, "three nodes", func() bool { return settled(members...) })
	leader := leaderOf(t, members)
	away := others(members, leader)[0]
	missed := away.raft.LastIndex()
	away.kill()
	for i := range 80 {
		mustPropose(t, leader, setting(i+1))
	}
	waitFor(t, "the log to be cut", func() bool {
		first, err := leader.logs.FirstIndex()
		return err == nil && first > missed+1
	})
	away.open()
	waitFor(t, "the node that was away to catch up", func() bool { return away.State().Epoch == leader.State().Epoch })
	joiner.open()
	waitFor(t, "the joiner to catch up", func() bool { return settled(nodes...) })
	want := sameTables(t, nodes...)

	// The snapshot is also what a restart begins with.
	for _, n := range nodes {
		n.kill()
	}
	for _, n := range nodes {
		n.open()
		if got := tableOf(t, n); got != want {
			t.Errorf("%s begins with another table", n.cfg.ID)
		}
	}
	mustPropose(t, joiner, group(1))
	sameTables(t, nodes...)
}
