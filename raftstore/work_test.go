package raftstore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// TestLeaderWork: it runs on the leader and nowhere else, in every term, after what
// earlier leaders have committed, and never twice at once on a node.
func TestLeaderWork(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, steady)
	var running [3]atomic.Int32
	var starts, ends atomic.Int32
	for i, n := range nodes {
		store := n.Store
		n.SetLeaderWork(func(ctx context.Context) {
			if running[i].Add(1) != 1 {
				t.Errorf("the work of n%d runs twice", i+1)
			}
			if store.table.applied.Load() == 0 || store.State().ClusterID == "" {
				t.Errorf("n%d has no table yet", i+1)
			}
			starts.Add(1)
			<-ctx.Done()
			time.Sleep(20 * time.Millisecond) // it takes a moment to stop
			ends.Add(1)
			running[i].Add(-1)
		})
	}
	for range 6 {
		leader := leaderOf(t, nodes)
		waitFor(t, "the work to run on the leader, and only there", func() bool {
			for i, n := range nodes {
				if (running[i].Load() == 1) != (n == leader) {
					return false
				}
			}
			return true
		})
		if err := leader.TransferLeadership(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		n.close()
	}
	if starts.Load() < 6 || starts.Load() != ends.Load() {
		t.Errorf("started %d times, ended %d times when all are closed", starts.Load(), ends.Load())
	}
}

// TestLeaderWorkSeesTheTable: a new leader's work sees what was committed before.
func TestLeaderWorkSeesTheTable(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, steady)
	seen := make(chan uint64, 16)
	for _, n := range nodes {
		store := n.Store
		n.SetLeaderWork(func(context.Context) { seen <- store.State().Epoch })
	}
	<-seen
	for i := range 4 {
		leader := leaderOf(t, nodes)
		outcome := mustPropose(t, leader, setting(i+1))
		if err := leader.TransferLeadership(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-seen:
			if got < outcome.Epoch {
				t.Errorf("the work began with epoch %d, %d was committed before", got, outcome.Epoch)
			}
		case <-time.After(patience):
			t.Fatal("no work")
		}
	}
}

// TestLeaderWorkSetLate: also when the node leads already.
func TestLeaderWorkSetLate(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	began := make(chan struct{})
	n.SetLeaderWork(func(ctx context.Context) { close(began); <-ctx.Done() })
	select {
	case <-began:
	case <-time.After(patience):
		t.Fatal("no work")
	}
}
