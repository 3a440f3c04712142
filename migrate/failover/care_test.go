package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestCare: what people do to servers behind the table's back is put back, and told.
func TestCare(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 2})
	stranger := startRedis(t)
	one, two := c.others()[0], c.others()[1]
	mustDo(t, c.first, "SET", "k", "v")
	c.caughtUp()

	mustDo(t, one, "REPLICAOF", "NO", "ONE")
	c.waitFollows(one.Addr)
	mustDo(t, two, "REPLICAOF", "127.0.0.1", portOf(stranger))
	c.waitFollows(two.Addr)
	c.wait("both in the history", func(topology.Group) bool {
		return strings.Contains(c.history(), one.Addr+" is made a replica of "+c.first.Addr) && strings.Contains(c.history(), "it follows "+stranger.Addr)
	})

	// A change of roles by hand: the master comes back with what was written meanwhile.
	mustDo(t, one, "REPLICAOF", "NO", "ONE")
	mustDo(t, one, "SET", "k", "by hand")
	mustDo(t, c.first, "REPLICAOF", "127.0.0.1", portOf(one))
	c.wait("the master to be put back", func(g topology.Group) bool {
		return mustInspect(t, Target{Addr: c.first.Addr}).Role == RoleMaster && strings.Contains(c.history(), "is the master again")
	})
	for _, s := range c.others() {
		c.waitFollows(s.Addr)
	}
	if g := c.group(); g.Master != c.first.Addr || g.Turned != 0 {
		t.Errorf("group %+v", g)
	}

	// A new process under a replica's address is recorded.
	run := c.group().Servers[1].RunID
	one.Restart(t)
	c.waitFollows(one.Addr)
	c.wait("the new process to be recorded", func(g topology.Group) bool { return g.Servers[1].RunID != run })
}

// TestKeyComesBack: FLUSHALL takes the group's key along.
func TestKeyComesBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1})
	to := c.others()[0]
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: to.Addr}); err != nil {
		t.Fatal(err)
	}
	mustDo(t, to, "FLUSHALL")
	want := fmt.Sprint(c.group().Turned)
	waitFor(t, "the key", func() bool { return mustDo(t, to, "GET", fence.GroupKey) == want })
}

// TestNextLeaderGoesOn: a leader has died at each step of a turn.
func TestNextLeaderGoesOn(t *testing.T) {
	t.Parallel()
	for _, promoted := range []bool{false, true} {
		t.Run(fmt.Sprintf("promoted %v", promoted), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterSpec{replicas: 2, asleep: true})
			mustDo(t, c.first, "SET", "k", "v")
			c.caughtUp()
			to := c.others()[1]
			c.first.Kill()
			c.must(topology.TurnBegin{Group: 1, Kind: topology.TurnFailover, From: c.first.Addr, FromRunID: c.group().Servers[0].RunID, To: to.Addr, Reason: "test"})
			epoch := c.group().Turn.Epoch
			if promoted {
				if err := giveOrder(t, to, order{epoch: epoch}); err != nil {
					t.Fatal(err)
				}
			}
			c.wake()
			g := c.wait("the turn's end", func(g topology.Group) bool { return g.Turn == nil })
			if g.Turned != epoch || g.Master != to.Addr {
				t.Fatalf("group %+v, history:\n%s", g, c.history())
			}
			for _, s := range c.others() {
				if s != c.first {
					c.waitFollows(s.Addr)
				}
			}
		})
	}
}

// TestAbandonedTurn: a candidate that obeyed a turn which was then given up becomes a
// replica again, although it has a later epoch than its master.
func TestAbandonedTurn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, asleep: true})
	to := c.others()[0]
	c.must(topology.TurnBegin{Group: 1, Kind: topology.TurnSwitchover, From: c.first.Addr, FromRunID: c.group().Servers[0].RunID, To: to.Addr, Reason: "test"})
	epoch := c.group().Turn.Epoch
	if err := giveOrder(t, to, order{epoch: epoch}); err != nil {
		t.Fatal(err)
	}
	c.must(topology.TurnAbandon{Group: 1, Epoch: epoch, Reason: "test"})
	c.wake()
	c.waitFollows(to.Addr)
	if g := c.group(); g.Master != c.first.Addr {
		t.Errorf("group %+v", g)
	}
}

// TestSafetyF6Fences: in the middle of a move a replica without the fence is too old.
func TestSafetyF6Fences(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, settings: quickly, asleep: true})
	replica, other := c.others()[0], startRedis(t)
	f := mustInspect(t, Target{Addr: other.Addr})
	c.must(topology.GroupAdd{ID: 2, Servers: []topology.Server{{Addr: other.Addr, RunID: f.RunID, ReplID: f.ReplID, Version: f.Version}}})
	moves := []topology.SlotMove{{Start: 3, End: 5, From: 1, To: 2}}
	c.must(topology.JobCreate{Kind: topology.JobMigrate, Moves: moves})
	job := c.State().Epoch
	c.must(topology.SlotsHold{Job: job, Moves: moves})
	epoch := c.State().Epoch
	client := c.first.Client(t)
	for db := range databasesUsed {
		for _, args := range [][]string{{"SELECT", fmt.Sprint(db)}, {"SET", string(fence.AppendFenceKey(nil, epoch)), fmt.Sprint(epoch)}} {
			if _, err := client.Do(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.must(topology.SlotsMigrate{Job: job, Epoch: epoch})
	waitFor(t, "the fences", func() bool { return mustInspect(t, Target{Addr: replica.Addr}).Keys[databasesUsed-1] == 1 })
	at := replica.Client(t)
	for _, args := range [][]string{{"CONFIG", "SET", "replica-read-only", "no"}, {"SELECT", "7"}, {"DEL", string(fence.AppendFenceKey(nil, epoch))}} {
		if _, err := at.Do(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	c.first.Kill()
	c.wake()
	if a := c.waitAlarm("failover-failed"); !strings.Contains(a.Text, "the fence in database 7 is missing") {
		t.Errorf("alarm %q", a.Text)
	}
	if g := c.group(); g.Master != c.first.Addr || g.Turn != nil || strings.Contains(c.history(), "begins") {
		t.Errorf("group %+v, history:\n%s", g, c.history())
	}
	if _, err := at.Do(t.Context(), "SET", string(fence.AppendFenceKey(nil, epoch)), fmt.Sprint(epoch)); err != nil {
		t.Fatal(err)
	}
	c.wait("a failover", func(g topology.Group) bool { return g.Master == replica.Addr && g.Turn == nil })
}

// TestReplicaInSyncIsNoted: a replica that was blank is shown while it copies, and the
// history says when it has all of its master's data.
func TestReplicaInSyncIsNoted(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	c := newCluster(t, clusterSpec{})
	fill(t, c.first.Addr, 300)
	mustDo(t, c.first, "CONFIG", "SET", "rdbcompression", "no", "rdb-key-save-delay", "10000") // 3 s, and bytes from the first on
	blank := startRedis(t)
	if _, err := BeginFollow(t.Context(), FollowRequest{Replica: target(blank), Master: target(c.first)}); err != nil {
		t.Fatal(err)
	}
	f := mustInspect(t, target(blank))
	c.servers[blank.Addr] = blank
	c.must(topology.ServerAttach{Group: 1, Server: topology.Server{Addr: blank.Addr, Version: f.Version}})
	waitHealth(t, c.prober, blank.Addr, "the copy to be seen", func(h Health) bool { return h.State == StateSyncing && h.SyncRead > 0 })
	if p := Prospects(c.State(), c.prober.Snapshot(), time.Now())[1]; p.Possible {
		t.Errorf("got %+v: what it has is not whole", p)
	}
	waitHealth(t, c.prober, blank.Addr, "the end of the copy", func(h Health) bool { return h.LinkUp && !h.Copying && !h.Synced.IsZero() })
	want := "server " + blank.Addr + " has copied the data of its master " + c.first.Addr + " and is in sync"
	c.wait("a line of the history", func(topology.Group) bool { return strings.Contains(c.history(), want) })
	c.wait("its history to be recorded", func(g topology.Group) bool { return g.Servers[1].ReplID == g.Servers[0].ReplID })
	if n := strings.Count(c.history(), want); n != 1 {
		t.Errorf("it is told %d times:\n%s", n, c.history())
	}
}
