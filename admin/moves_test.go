package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// newMoving is a cluster of two groups with all slots, and a job.
func newMoving(t *testing.T) *fakeCluster {
	t.Helper()
	c := newFakeCluster(t, newFakeServers())
	for _, command := range []string{"CODIS.GROUP ADD 1 127.0.0.1:7000", "CODIS.GROUP ADD 2 127.0.0.1:7001", "CODIS.ASSIGN AUTO"} {
		if r := ask(t, c.nodes["n1"], command); r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	return c
}

func TestJobWaitEndsWithTheJob(t *testing.T) {
	c := newMoving(t)
	job := ask(t, c.nodes["n2"], "CODIS.MIGRATE 0 9 2").Int
	done := make(chan Job, 1)
	go func() { // the test waits for it
		j, err := c.nodes["n3"].ops.JobWait(t.Context(), JobWait{ID: uint64(job), AtMost: time.Minute})
		if err != nil {
			t.Error(err)
		}
		done <- j
	}()
	select {
	case <-done:
		t.Fatal("it did not wait")
	case <-time.After(20 * time.Millisecond): // nothing shall happen
	}
	if r := ask(t, c.nodes["n1"], fmt.Sprintf("CODIS.JOB %d CANCEL", job)); r.Err() != nil {
		t.Fatal(r.Err())
	}
	select {
	case j := <-done:
		if j.State != topology.JobCancelled {
			t.Errorf("the job is %s", j.State)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on waiting")
	}
	if n := len(c.changed); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestJobWaitGivesUp(t *testing.T) {
	c := newMoving(t)
	job := uint64(ask(t, c.nodes["n1"], "CODIS.MIGRATE 0 9 2").Int)
	j, err := c.nodes["n1"].ops.JobWait(t.Context(), JobWait{ID: job, AtMost: time.Millisecond})
	if err != nil || j.State != topology.JobRunning {
		t.Errorf("got %s, %v", j.State, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.nodes["n1"].ops.JobWait(ctx, JobWait{ID: job, AtMost: time.Minute}); err == nil {
		t.Error("no error after the caller has gone")
	}
}

// TestAcksWaitForDeletions: SAFETY L3 for the repair. A table that is acknowledged
// while keys are deleted by an older one would let a move begin under its hands.
func TestAcksWaitForDeletions(t *testing.T) {
	c := newMoving(t)
	n1 := c.nodes["n1"]
	keys := n1.keys.at("127.0.0.1:7000")
	keys.slots[600] = 3
	keys.entered = func() {
		n1.ops.Acked(40)
		n1.ops.Acked(41)
		n1.ops.Acked(39)
		if len(n1.acked) != 1 {
			t.Errorf("acknowledged while keys are deleted: %v", n1.acked)
		}
	}
	n1.ops.Acked(7)
	if r := ask(t, n1, "CODIS.FSCK REPAIR ORPHANS"); len(r.Array) != 1 || r.Array[0].Array[3].Int != 3 {
		t.Fatalf("got %+v", r)
	}
	if want := []uint64{7, 41}; !slices.Equal(n1.acked, want) {
		t.Errorf("acknowledged %v, want %v", n1.acked, want)
	}
}

func TestDeletionStopsWhenAJobBegins(t *testing.T) {
	c := newMoving(t)
	n1 := c.nodes["n1"]
	keys := n1.keys.at("127.0.0.1:7000")
	keys.slots[600], keys.slots[601] = 3, 4
	keys.entered = func() {
		if len(c.state.Jobs) == 0 {
			ask(t, n1, "CODIS.MIGRATE 601 601 1")
		}
	}
	r := ask(t, n1, "CODIS.FSCK REPAIR ORPHANS")
	if len(r.Array) != 1 || r.Array[0].Array[3].Int != 3 || !strings.Contains(r.Array[0].Array[4].Text(), "then it stopped: BUSY job") {
		t.Errorf("got %+v", r)
	}
	if keys.slots[601] != 4 {
		t.Error("keys of a slot that is to come were deleted")
	}
	if n1.ops.acks.closed {
		t.Error("acknowledgements are still held back")
	}
}

func TestDeletionStopsWhenTheServerIsAnotherGroups(t *testing.T) {
	c := newMoving(t)
	n1 := c.nodes["n1"]
	keys := n1.keys.at("127.0.0.1:7000")
	keys.slots[600], keys.slots[601] = 3, 4
	keys.entered = func() {
		group := c.state.Groups[1]
		group.Master = "127.0.0.1:7005"
		c.state.Groups[1] = group
	}
	if r := ask(t, n1, "CODIS.FSCK REPAIR ORPHANS"); len(r.Array) != 1 || !strings.Contains(r.Array[0].Array[4].Text(), "STALE 127.0.0.1:7000 is no longer") {
		t.Errorf("got %+v", r)
	}
	if keys.slots[601] != 4 {
		t.Error("keys were deleted")
	}
}

func TestRepairNeedsItsGuards(t *testing.T) {
	c := newMoving(t)
	n1 := c.nodes["n1"]
	n1.ops.repair.Lock()
	if r := ask(t, n1, "CODIS.FSCK REPAIR"); !strings.HasPrefix(r.Text(), "BUSY a repair is under way") {
		t.Errorf("two at a time: %q", r.Text())
	}
	n1.ops.repair.Unlock()
	n1.ops.cfg.Ack = nil
	if r := ask(t, n1, "CODIS.FSCK REPAIR ORPHANS"); r.Err() == nil {
		t.Error("orphans are deleted without a guard")
	}
	if r := ask(t, n1, "CODIS.FSCK REPAIR"); r.Err() != nil {
		t.Errorf("what is left over needs none: %v", r.Err())
	}
}

func TestCommandsWithoutTheirParts(t *testing.T) {
	c := newMoving(t)
	n1 := c.nodes["n1"]
	n1.ops.cfg.Mover, n1.ops.cfg.Keyspace = nil, nil
	for _, command := range []string{"CODIS.MIGRATE 0 9 2", "CODIS.REBALANCE", "CODIS.FSCK", "CODIS.FSCK REPAIR"} {
		if r := ask(t, n1, command); r.Err() == nil {
			t.Errorf("%s: no error", command)
		}
	}
	if r := ask(t, n1, "CODIS.JOBS"); r.Err() != nil {
		t.Error(r.Err())
	}
}

// TestHoldsAreTimed: the table has no clock, so the time of a hold counts from the
// first look at it.
func TestHoldsAreTimed(t *testing.T) {
	s := topology.NewState()
	batch := func(epoch uint64, phase topology.BatchPhase) topology.Batch {
		return topology.Batch{Epoch: epoch, Phase: phase, Ranges: []topology.SlotMove{{Start: 1, End: 1, From: 1, To: 2}}}
	}
	set := func(batches ...topology.Batch) { s.Jobs = map[uint64]topology.Job{1: {ID: 1, Batches: batches}} }
	w := holdWatch{}
	start := time.Unix(1000, 0)
	set(batch(5, topology.BatchHolding), batch(6, topology.BatchMigrating))
	if got := w.look(s, start); len(got) != 1 || got[5] != 0 {
		t.Errorf("first look: %v", got)
	}
	if got := w.look(s, start.Add(3*time.Second)); got[5] != 3*time.Second {
		t.Errorf("second look: %v", got)
	}
	set(batch(9, topology.BatchHolding))
	if got := w.look(s, start.Add(4*time.Second)); len(got) != 1 || got[9] != 0 || len(w.since) != 1 {
		t.Errorf("another hold: %v", got)
	}
}

func TestIsOver(t *testing.T) {
	s := topology.NewState()
	s.Epoch = 10
	s.Jobs = map[uint64]topology.Job{4: {ID: 4, Batches: []topology.Batch{{Epoch: 6}}}}
	for epoch, want := range map[uint64]bool{5: true, 6: false, 10: true, 11: false} {
		if got := isOver(s, epoch); got != want {
			t.Errorf("epoch %d: %t, want %t", epoch, got, want)
		}
	}
}
