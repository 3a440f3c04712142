package migrate

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// turn gives a group another master, its first replica, as package failover does:
// on hold at every node, with equal offsets.
func (c *cluster) turn(group int) {
	c.tb.Helper()
	old, next := c.servers[group][0], c.servers[group][1]
	epoch := c.store.must(topology.TurnBegin{Group: group, Kind: topology.TurnSwitchover, From: old.Addr, FromRunID: c.recordedRun(group), To: next.Addr})
	if _, err := c.store.Barrier(c.tb.Context(), epoch); err != nil {
		c.tb.Fatal(err)
	}
	from, to := old.Client(c.tb), next.Client(c.tb)
	must(c.tb, from, "CLIENT", "PAUSE", "20000", "WRITE")
	offset := func(r *resp.Client, name string) string { return replication(c.tb, r)[name] }
	waitFor(c.tb, "equal offsets", func() bool { return offset(from, "master_repl_offset") == offset(to, "slave_repl_offset") })
	must(c.tb, to, "REPLICAOF", "NO", "ONE")
	must(c.tb, from, "REPLICAOF", "127.0.0.1", fmt.Sprint(next.Port))
	must(c.tb, from, "CLIENT", "UNPAUSE")
	c.servers[group][0], c.servers[group][1] = next, old
	c.store.must(topology.TurnDone{Group: group, Epoch: epoch, Server: topology.Server{Addr: next.Addr, Version: "7", RunID: c.runID(group), ReplID: replication(c.tb, to)["master_replid"]}})
	waitFor(c.tb, "the old master to follow", func() bool { return offset(from, "master_link_status") == "up" })
}

// recordedRun is the run ID of a group's master in the table.
func (c *cluster) recordedRun(group int) string {
	g := c.store.State().Groups[group]
	for _, server := range g.Servers {
		if server.Addr == g.Master {
			return server.RunID
		}
	}
	return ""
}

func replication(tb testing.TB, c *resp.Client) map[string]string {
	tb.Helper()
	return resp.ParseInfo(must(tb, c, "INFO", "replication").Text())
}

// TestF6_TurnsInMidMove gives both groups other masters while slots move and clients
// write, and then once more.
func TestF6_TurnsInMidMove(t *testing.T) {
	t.Parallel()
	c, leader, job, users, stop := halfway(t, 1)
	for _, group := range []int{1, 2, 1, 2} {
		c.turn(group)
		before, _ := leader.Live(job)
		waitFor(t, fmt.Sprint("progress behind the turn of group ", group), func() bool {
			p, _ := leader.Live(job)
			return p.Keys > before.Keys || c.job(job).State.Finished()
		})
	}
	c.store.must(topology.JobLimit{ID: job, KeysPerSecond: 1_000_000})
	c.waitDone(job, 60*time.Second)
	stop()
	c.forgetWaits()
	c.audit(users)
}

// TestF6_PassBeginsAnew turns the source's group in the middle of a pass: a cursor is
// of one server, so a pass that went on at it would leave keys behind.
func TestF6_PassBeginsAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	client, keys := c.master(1).Client(t), 3*windowKeys // SCAN waits in mid-way
	for i := 0; i < keys; i += 512 {
		args := []string{"MSET"}
		for j := range 512 {
			args = append(args, fmt.Sprint("key:", i+j), "v")
		}
		must(t, client, args...)
	}
	leader := c.lead()
	job := c.migrate(topology.JobOptions{KeysPerSecond: 2000}, c.all(1, 2))
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 500 })
	c.turn(1)
	c.store.must(topology.JobLimit{ID: job, KeysPerSecond: 1_000_000})
	c.waitDone(job, 60*time.Second)
	c.forgetWaits()
	if n := int(must(t, c.master(2).Client(t), "DBSIZE").Int); n != keys {
		t.Errorf("%d keys of %d have moved", n, keys)
	}
}

// TestRestartsInMidMove kills a master in the middle of a move and starts it again
// with its data.
func TestRestartsInMidMove(t *testing.T) {
	t.Parallel()
	for group := 1; group <= 2; group++ {
		t.Run(fmt.Sprint("group ", group), func(t *testing.T) {
			t.Parallel()
			c, leader, job, u := touched(t, "--appendonly", "yes", "--appendfsync", "always")
			was := c.runID(group)
			c.master(group).Kill()
			waitFor(t, "reason", func() bool { return c.job(job).Reason != "" })
			c.master(group).Restart(t)
			if c.runID(group) == was {
				t.Fatal("it has not restarted")
			}
			before, _ := leader.Live(job)
			waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > before.Keys })
			c.goOn(job)
			c.waitDone(job, 60*time.Second)
			c.audit([]*user{u})
		})
	}
}

// TestRestartEmptyTarget: a target that comes back without anything gets nothing more
// and the source keeps what it has, until somebody says otherwise.
func TestRestartEmptyTarget(t *testing.T) {
	t.Parallel()
	c, _, job, _ := touched(t)
	c.master(2).Kill()
	c.master(2).Restart(t)
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "FORCE") })
	keys := func() map[string]string { // without the move's own
		all := contents(t, c.master(1))
		maps.DeleteFunc(all, func(name, _ string) bool { return strings.Contains(name, fence.Prefix) })
		return all
	}
	left := keys()
	time.Sleep(300 * time.Millisecond) // some retries
	checkSame(t, "source", keys(), left)
	c.store.must(topology.JobForce{ID: job})
	c.goOn(job)
	c.waitDone(job, 60*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), left)
	checkSame(t, "source", contents(t, c.master(1)), nil)
}
