package raftstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"codis/raftstore/topology"
)

func TestBootstrapAlone(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	t.Logf("settled after %s", time.Since(begin))
	mustPropose(t, n, group(1))
	want := tableOf(t, n)
	n.close()

	begin = time.Now()
	n.open()
	if got := tableOf(t, n); got != want {
		t.Errorf("the table at start is not the one from before:\n%s\n%s", got, want)
	}
	mustPropose(t, n, group(2))
	t.Logf("restarted after %s", time.Since(begin))
}

func TestGeneratedID(t *testing.T) {
	t.Parallel()
	n := newNode(t, "x")
	n.cfg.ID = ""
	n.open()
	_, first, _ := n.PeerInfo()
	n.close()
	n.open()
	if _, id, _ := n.PeerInfo(); id != first || id == "" {
		t.Errorf("ID %q, before the restart %q", id, first)
	}
}

func TestThreeNodes(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for i, n := range nodes {
		// Whoever is asked: its own table has the change when Propose returns.
		outcome := mustPropose(t, n, group(i+1))
		if _, ok := n.State().Groups[i+1]; !ok || n.State().Epoch < outcome.Epoch {
			t.Errorf("%s does not have its own change", n.cfg.ID)
		}
	}
	sameTables(t, nodes...)
}

func TestSixNodes(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 6)
	mustPropose(t, nodes[5], group(1))
	sameTables(t, nodes...)
	if status := nodes[5].Status(); len(status.Voters) != 5 || len(status.Nonvoters) != 1 {
		t.Errorf("voters %v, nonvoters %v", status.Voters, status.Nonvoters)
	}
	learner := leaderOf(t, nodes).Status().Nonvoters[0]
	for _, n := range nodes {
		if n.cfg.ID == learner && n.Status().Role != RoleLearner {
			t.Errorf("the role of %s is %s", learner, n.Status().Role)
		}
	}
	// A voter that leaves makes room for the learner.
	gone := others(nodes, leaderOf(t, nodes))[0]
	if gone.cfg.ID == learner {
		gone = others(nodes, leaderOf(t, nodes))[1]
	}
	if err := leaderOf(t, nodes).RemoveNode(t.Context(), gone.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the learner to become a voter", func() bool { return settled(others(nodes, gone)...) })
}

func TestProposeIsRefused(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 2)
	for _, n := range nodes {
		outcome, err := n.Propose(t.Context(), topology.Command{Body: topology.GroupDel{ID: 9}})
		if err != nil || outcome.Code != topology.CodeNoGroup {
			t.Errorf("%s: outcome %+v, error %v", n.cfg.ID, outcome, err)
		}
	}
}

func TestProposeTwice(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	c := topology.Command{RequestID: "once", Body: setting(1)}
	first, err := nodes[1].Propose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Body = setting(2)
	second, err := nodes[2].Propose(t.Context(), c)
	if err != nil || second != first {
		t.Errorf("outcome %+v, %v, the first time %+v", second, err, first)
	}
	if got := nodes[2].State().Settings.Text("maxclients"); got != "1" {
		t.Errorf("the second command was applied: %s", got)
	}
}

func TestNoLeader(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, func(cfg *Config) { cfg.ProposeTimeout = time.Second })
	nodes[0].kill()
	nodes[1].kill()
	waitFor(t, "the lonely node to notice", func() bool { return nodes[2].leaderID() == "" })
	if _, err := nodes[2].Propose(t.Context(), topology.Command{Body: setting(1)}); !errors.Is(err, ErrNoLeader) {
		t.Errorf("a command without a majority: %v", err)
	}
	if _, err := nodes[2].ForwardAdmin(shortly(t), "x", [][]byte{[]byte("X")}); !errors.Is(err, ErrNoLeader) {
		t.Errorf("an admin command without a majority: %v", err)
	}
	if len(nodes[2].State().Nodes) != 3 {
		t.Error("the table is not served any more")
	}
}

// TestRestartInAnyOrder: killed at once, back in every order, with the same table.
func TestRestartInAnyOrder(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	mustPropose(t, nodes[0], group(1))
	for round, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
		mustPropose(t, nodes[round], setting(round+1))
		want := sameTables(t, nodes...)
		for _, n := range nodes {
			n.kill()
		}
		for _, i := range order {
			nodes[i].open()
			if got := tableOf(t, nodes[i]); got != want {
				t.Errorf("%s begins with another table", nodes[i].cfg.ID)
			}
		}
		leaderOf(t, nodes)
		mustPropose(t, nodes[order[0]], topology.GroupAuth{Group: 1})
		sameTables(t, nodes...)
	}
}

func TestKilledLeader(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for round := range 3 {
		leader := leaderOf(t, nodes)
		leader.kill()
		rest := others(nodes, leader)
		mustPropose(t, rest[round%2], group(round+1))
		leader.open()
		mustPropose(t, leader, setting(round+1))
	}
	sameTables(t, nodes...)
}

// TestNeverBack: the published epoch only grows, also while a restarted node
// replays its log.
func TestNeverBack(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	for i := range 20 {
		mustPropose(t, nodes[i%3], setting(i+1))
	}
	want := nodes[0].State().Epoch
	for _, n := range nodes {
		n.kill()
	}
	for _, n := range nodes {
		n.open()
	}
	changed, stop := nodes[0].Subscribe()
	defer stop()
	last := nodes[0].State().Epoch
	if last < want {
		t.Errorf("epoch %d after the restart, %d before", last, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	proposed := make(chan error, 1)
	go func() {
		_, err := nodes[1].Propose(ctx, topology.Command{Body: setting(100)})
		proposed <- err
	}()
	defer func() {
		if err := <-proposed; err != nil {
			t.Error(err)
		}
	}()
	for nodes[0].State().Settings.Text("maxclients") != "100" {
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the change did not arrive")
		}
		if now := nodes[0].State().Epoch; now < last {
			t.Errorf("epoch %d after %d", now, last)
		} else {
			last = now
		}
	}
	if err := nodes[0].WaitEpoch(ctx, last); err != nil {
		t.Error(err)
	}
}

func TestSubscribeCoalesces(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	changed, stop := n.Subscribe()
	for i := range 5 {
		mustPropose(t, n, setting(i+1))
	}
	if len(changed) != 1 {
		t.Errorf("%d notifications are waiting, want 1", len(changed))
	}
	<-changed
	stop()
	mustPropose(t, n, setting(9))
	if len(changed) != 0 {
		t.Error("notified after the end of the subscription")
	}
}

func TestTransferLeadership(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	for _, n := range others(nodes, leader) {
		if err := n.TransferLeadership(t.Context(), ""); err == nil {
			t.Errorf("%s, which does not lead, handed leadership over", n.cfg.ID)
		}
	}
	target := others(nodes, leader)[0]
	if err := leader.TransferLeadership(t.Context(), target.cfg.ID); err != nil {
		t.Fatal(err)
	}
	if got := leaderOf(t, nodes); got != target {
		t.Errorf("%s leads, want %s", got.cfg.ID, target.cfg.ID)
	}
	if err := target.TransferLeadership(t.Context(), "n9"); err == nil {
		t.Error("leadership was handed to nobody")
	}
	if err := target.TransferLeadership(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if got := leaderOf(t, nodes); got == target {
		t.Errorf("%s still leads", got.cfg.ID)
	}
}

// TestCloseHandsOver: after SIGTERM of the leader the others need no election
// timeout.
func TestCloseHandsOver(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	leader.close()
	rest := others(nodes, leader)
	leaderOf(t, rest)
	mustPropose(t, rest[0], group(1))
}

func TestForwardAdmin(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	for _, n := range nodes {
		n.SetAdminHandler(func(_ context.Context, caller string, args [][]byte) []byte {
			return []byte(fmt.Sprintf("+%s %s %q\r\n", n.cfg.ID, caller, args))
		})
	}
	for _, n := range nodes {
		got, err := n.ForwardAdmin(t.Context(), "alice@10.0.0.1", [][]byte{[]byte("CODIS.X"), {0, 255, '\r', '\n'}})
		if want := fmt.Sprintf("+%s alice@10.0.0.1 [\"CODIS.X\" \"\\x00\\xff\\r\\n\"]\r\n", leader.cfg.ID); err != nil || string(got) != want {
			t.Errorf("through %s: %q, %v, want %q", n.cfg.ID, got, err, want)
		}
	}
}
