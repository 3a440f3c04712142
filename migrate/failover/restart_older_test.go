package failover

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// knowsItsPast skips where a restarted master does not tell up to which offset of its
// former history it has its data.
func knowsItsPast(tb testing.TB) {
	tb.Helper()
	f := mustInspect(tb, Target{Addr: startRedis(tb).Addr})
	if v, _ := ParseVersion(f.Version); v.Less(Version{Major: 7}) {
		tb.Skipf("Redis %s does not keep its history over a restart as a master", f.Version)
	}
}

// overwrite gives the keys of write another value, which the replicas have, too.
func (c *cluster) overwrite(keys int) {
	c.tb.Helper()
	for i := range keys {
		mustDo(c.tb, c.first, "SET", fmt.Sprint("key", i), "newer")
	}
	c.caughtUp()
	offset := mustInspect(c.tb, Target{Addr: c.first.Addr}).Offset
	waitHealth(c.tb, c.prober, c.first.Addr, "the offset", func(h Health) bool { return h.Offset >= offset })
}

// TestSafetyF4RestartOlder: a master comes back from an old snapshot with as many keys
// as it had, of which the replica has newer values. It may be copying the old ones
// already, or be what the master says that it follows.
func TestSafetyF4RestartOlder(t *testing.T) {
	t.Parallel()
	knowsItsPast(t)
	for _, how := range []string{"as it was", "while the replica copies it", "as a replica"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			restartOlder(t, how)
		})
	}
}

func restartOlder(t *testing.T, how string) {
	c := newCluster(t, clusterSpec{replicas: 1, args: []string{"--repl-diskless-sync-delay", "0"}})
	replica := c.others()[0]
	c.write(20)
	mustDo(t, c.first, "SAVE")
	c.overwrite(20)
	switch how {
	case "as it was":
		c.first.Restart(t)
	case "as a replica":
		c.stop()
		c.first.RestartWith(t, "--replicaof", "127.0.0.1", portOf(replica))
		waitHealth(t, c.prober, c.first.Addr, "the new process", func(h Health) bool { return h.Role == RoleReplica })
		c.wake()
	case "while the replica copies it":
		c.stop()
		c.first.RestartWith(t, "--rdb-key-save-delay", "200000")
		waitHealth(t, c.prober, replica.Addr, "the copy", func(h Health) bool { return h.Syncing })
		c.wake()
	}
	c.wait("a process to be recorded", func(g topology.Group) bool {
		return g.Turn == nil && (g.Turned != 0 || g.Servers[0].RunID == mustInspect(t, Target{Addr: c.first.Addr}).RunID)
	})
	if g := c.group(); g.Master != replica.Addr || !strings.Contains(c.history(), "older") {
		t.Errorf("master %s, history:\n%s", g.Master, c.history())
	}
	c.waitFollows(c.others()[0].Addr)
	for addr, s := range c.servers {
		if got := mustDo(t, s, "GET", "key7"); got != "newer" {
			t.Errorf("%s has %q", addr, got)
		}
	}
}

// restartSlowly restarts a server that takes its time to load; the returned function
// waits until it is done.
func restartSlowly(tb testing.TB, s *resptest.Server) (loaded func()) {
	var restart sync.WaitGroup
	restart.Go(func() { s.Restart(tb) })
	tb.Cleanup(restart.Wait)
	return restart.Wait
}

// TestSafetyF4RestartEmptyReplicaLoads: the only server that has the data is loading
// it when the master comes back with nothing.
func TestSafetyF4RestartEmptyReplicaLoads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, settings: quickly,
		each: map[int][]string{1: {"--key-load-delay", "150000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no"}}})
	replica := c.others()[0]
	for i := range 20 {
		mustDo(t, c.first, "SET", fmt.Sprint("large", i), strings.Repeat("v", 2000))
	}
	c.write(20)
	mustDo(t, replica, "SAVE")
	run := c.group().Servers[0].RunID
	c.stop()
	replica.Kill()
	loaded := restartSlowly(t, replica)
	waitHealth(t, c.prober, replica.Addr, "it to load", func(h Health) bool { return h.State == StateLoading })
	c.first.Restart(t)
	waitHealth(t, c.prober, c.first.Addr, "the empty process", func(h Health) bool { return h.RunID != run && h.Keys == 0 })
	c.wake()
	if a := c.waitAlarm("master-empty"); !strings.Contains(a.Text, replica.Addr) {
		t.Errorf("alarm %q", a.Text)
	}
	if g := c.group(); g.Servers[0].RunID != run || g.Turn != nil {
		t.Errorf("the empty process is used: %+v", g)
	}
	loaded()
	c.wait("the replica to be promoted", func(g topology.Group) bool { return g.Master == replica.Addr && g.Turn == nil })
	if got := mustDo(t, replica, "GET", "key7"); got != "v" {
		t.Errorf("the key is %q", got)
	}
}

// TestSafetyF4RestartEmptyNewLeader: a leader that has never seen the former process
// does not take an empty one for it while a replica is away.
func TestSafetyF4RestartEmptyNewLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, settings: quickly, asleep: true})
	c.write(20)
	run := c.group().Servers[0].RunID
	replica := c.others()[0]
	mustDo(t, replica, "SAVE")
	replica.Kill()
	c.first.Kill()
	c.forget(t)
	c.first.Restart(t)
	waitHealth(t, c.prober, c.first.Addr, "the empty process", func(h Health) bool { return h.RunID != "" && h.Keys == 0 })
	c.wake()
	c.waitAlarm("master-empty")
	if g := c.group(); g.Servers[0].RunID != run || g.Turn != nil {
		t.Errorf("the empty process is used: %+v", g)
	}
	// How old its data is nobody knows: a person decides.
	replica.Restart(t)
	want := fmt.Sprintf("PROMOTE 1 %s FORCE", replica.Addr)
	c.wait("the way out", func(topology.Group) bool { return strings.Contains(c.waitAlarm("master-empty").Text, want) })
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr, Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := mustDo(t, replica, "GET", "key7"); got != "v" {
		t.Errorf("the key is %q", got)
	}
}

// forget makes the prober that of a node that has just started.
func (c *cluster) forget(tb testing.TB) {
	tb.Helper()
	c.prober.SetServers(nil)
	c.prober.SetServers(Targets(c.State()))
	waitFor(tb, "nothing to be known", func() bool { return c.prober.Snapshot()[c.first.Addr].RunID == "" })
}

// TestSafetyF2RestartedReplica: a replica that has come back from an old snapshot, and
// has not been in step with its master since, is not promoted by itself, whether it
// says that it is a replica or not.
func TestSafetyF2RestartedReplica(t *testing.T) {
	t.Parallel()
	knowsItsPast(t)
	for _, follows := range []bool{false, true} {
		t.Run(fmt.Sprintf("follows %v", follows), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterSpec{replicas: 1, settings: quickly})
			replica := c.others()[0]
			c.write(20)
			mustDo(t, replica, "SAVE")
			c.overwrite(20)
			replica.Kill()
			waitHealth(t, c.prober, replica.Addr, "the loss of the replica", func(h Health) bool { return h.State == StateDown })
			c.first.Kill()
			c.waitAlarm("failover-blocked")
			if follows {
				replica.RestartWith(t, "--replicaof", "127.0.0.1", portOf(c.first))
			} else {
				replica.Restart(t)
			}
			waitHealth(t, c.prober, replica.Addr, "the replica", func(h Health) bool { return h.State == StateUp && h.RunID != c.group().Servers[1].RunID })
			c.wait("a decision", func(g topology.Group) bool {
				return g.Turned != 0 || slices.ContainsFunc(c.control.Alarms(), func(a Alarm) bool { return strings.Contains(a.Text, "it has restarted") })
			})
			if g := c.group(); g.Master != c.first.Addr {
				t.Fatalf("%s was promoted with %q, history:\n%s", g.Master, mustDo(t, replica, "GET", "key7"), c.history())
			}
			if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr, Force: true}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
