package raftstore

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func openRecovery(n *node) (*Recovery, error) {
	return OpenRecovery(RecoveryConfig{
		Dir: n.cfg.Dir, Who: "test", Logger: n.cfg.Logger, LockTimeout: 50 * time.Millisecond, PeerTimeout: time.Second,
	})
}

// mustRecover runs a recovery of a stopped node.
func mustRecover(t *testing.T, n *node) *Recovery {
	t.Helper()
	r, err := openRecovery(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Commit(), r.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRecover: the directory of one follower is enough to go on with all that it
// knew. The others, when one comes back, are told, stop, and stay stopped.
func TestRecover(t *testing.T) {
	t.Parallel()
	// Snapshots of all of the log on one run, of none of it on the other.
	for name, threshold := range map[string]uint64{"from the log": 1 << 20, "from a snapshot": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodes := newClusterWith(t, 3, func(cfg *Config) {
				cfg.SnapshotThreshold, cfg.TrailingLogs, cfg.SnapshotInterval = threshold, 1, 20*time.Millisecond
			})
			for i := range 10 {
				mustPropose(t, nodes[0], group(i+1))
			}
			before := sameTables(t, nodes...)
			leader := leaderOf(t, nodes)
			rest := others(nodes, leader)
			survivor, returning := rest[0], rest[1]
			epoch := survivor.State().Epoch
			for _, n := range nodes {
				n.kill()
			}
			if err := os.RemoveAll(leader.cfg.Dir); err != nil {
				t.Fatal(err)
			}

			r := mustRecover(t, survivor)
			if got, err := r.Before.Encode(); err != nil || string(got) != before {
				t.Errorf("before: %s, want %s", got, before)
			}
			survivor.open()
			waitFor(t, "the survivor to lead", func() bool { return survivor.IsLeader() && settled(survivor) })
			state := survivor.State()
			if len(state.Groups) != 10 || state.ClusterID != r.Before.ClusterID+"-r1" || state.Epoch <= epoch+epochsAhead/2 {
				t.Errorf("%d groups, cluster %s, epoch %d", len(state.Groups), state.ClusterID, state.Epoch)
			}
			if last := state.History[len(state.History)-1]; !strings.Contains(last.What, "recovered") || !strings.Contains(last.What, returning.cfg.ID) || last.Who != "test" {
				t.Errorf("history: %+v", last)
			}
			mustPropose(t, survivor, setting(5))

			returning.cfg.Join = nil
			returning.open()
			waitFor(t, "the old member to be told", func() bool { return errors.Is(returning.Err(), ErrLeftBehind) })
			returning.kill()
			if err := returning.tryOpen(); !errors.Is(err, ErrRemoved) {
				t.Errorf("the old member starts again: %v", err)
			}
			if err := os.RemoveAll(returning.cfg.Dir); err != nil {
				t.Fatal(err)
			}
			returning.cfg.Join = []string{survivor.client.Addr().String()}
			returning.open()
			waitFor(t, "the old member to join anew", func() bool { return settled(survivor, returning) })
			sameTables(t, survivor, returning)

			// Everything holds through another restart and another recovery.
			survivor.kill()
			returning.kill()
			if again := mustRecover(t, returning); again.After.ClusterID != r.Before.ClusterID+"-r2" {
				t.Errorf("recovered again as %s", again.After.ClusterID)
			}
			returning.cfg.Join = nil
			returning.open()
			waitFor(t, "the other one to lead", func() bool { return settled(returning) })
			if got := returning.State().Settings.Int("maxclients"); got != 5 {
				t.Errorf("maxclients %d", got)
			}
		})
	}
}

// TestTwoOldMembersReturn: even as a majority of the old cluster they don't go on,
// since they look for the one that was recovered.
func TestTwoOldMembersReturn(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for _, n := range nodes {
		n.kill()
	}
	mustRecover(t, nodes[0])
	nodes[0].open()
	// n2 still has the join address of n1 on its command line.
	if err := nodes[1].tryOpen(); !errors.Is(err, ErrOtherCluster) || !strings.Contains(err.Error(), "recovered") {
		t.Errorf("n2, with a join address: %v", err)
	}
	for _, n := range nodes[1:] {
		n.cfg.Join = nil
		n.open()
	}
	for _, n := range nodes[1:] {
		waitFor(t, n.cfg.ID+" to be told", func() bool { return errors.Is(n.Err(), ErrLeftBehind) })
	}
	if got := len(nodes[0].State().Nodes); got != 1 {
		t.Errorf("%d nodes", got)
	}
}

// TestRecoverLooksFirst: looking changes nothing, and a recovery that was cut short
// can only be finished.
func TestRecoverLooksFirst(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 2)
	n := nodes[0]
	n.kill()
	look, err := openRecovery(n)
	if err != nil {
		t.Fatal(err)
	}
	if running := look.Running(t.Context()); len(running) != 1 || running[0].ID != "n2" {
		t.Errorf("running: %v", running)
	}
	if len(look.Before.Nodes) != 2 || len(look.After.Nodes) != 1 || look.LastIndex == 0 || look.LastTerm == 0 || time.Since(look.Written) > time.Hour {
		t.Errorf("%+v", look)
	}
	id := look.identity
	if err := look.Close(); err != nil {
		t.Fatal(err)
	}
	n.open()
	waitFor(t, "the node to be back", func() bool { return settled(nodes...) })
	n.kill()

	d, err := openDisk(n.cfg.Dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	id.Recovering = "chosen-r1"
	if err := errors.Join(d.setIdentity(id), d.close()); err != nil {
		t.Fatal(err)
	}
	if err := n.tryOpen(); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("open: %v", err)
	}
	nodes[1].kill()
	if r := mustRecover(t, n); r.After.ClusterID != "chosen-r1" {
		t.Errorf("recovered as %s", r.After.ClusterID)
	}
	n.open()
	waitFor(t, "the node to lead", func() bool { return settled(n) })
}

// TestRecoverRefuses: what is not the directory of a stopped member.
func TestRecoverRefuses(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1")
	if _, err := openRecovery(n); !errors.Is(err, ErrDirectory) {
		t.Errorf("an empty directory: %v", err)
	}
	n.open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	if _, err := openRecovery(n); !errors.Is(err, ErrLocked) {
		t.Errorf("a running node: %v", err)
	}
}

// TestL4RecoveredWaitsForOldLeases: proxies of the old cluster may hold leases that
// the survivor knows nothing of: no barrier goes on before those are over.
func TestL4RecoveredWaitsForOldLeases(t *testing.T) {
	t.Parallel()
	const lease = 2 * time.Second
	c := newLeased(t, 3, lease, nil)
	n := c.nodes[0]
	for _, other := range c.nodes {
		other.kill()
	}
	mustRecover(t, n)
	begin := time.Now()
	c.route(n.open())
	waitFor(t, "the survivor to lead", n.IsLeader)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	waitFor(t, "a barrier", func() bool {
		_, err := n.Barrier(ctx, n.State().Epoch)
		return err == nil
	})
	if took := time.Since(begin); took < lease+margin(lease)-50*time.Millisecond {
		t.Errorf("a barrier went on after %v", took)
	}
}
