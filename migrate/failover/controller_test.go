package failover

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// quickly makes a master down after half a second.
var quickly = []string{"down-after", "500ms"}

// TestFailoverOfAKilledMaster: the replica with the highest offset is promoted, the
// other one follows it, the old master comes back as a replica, and what it had alone
// is told.
func TestFailoverOfAKilledMaster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 2, settings: quickly})
	mustDo(t, c.first, "SET", "k", "v")
	c.caughtUp()
	// One replica hears nothing any more; the other one gets one more write.
	behind, ahead := c.others()[0], c.others()[1]
	behind.Pause(t)
	mustDo(t, c.first, "CLIENT", "KILL", "TYPE", "replica") // what it was sent would wait for it
	mustDo(t, c.first, "SET", "k", "w")
	waitFor(t, "the write at one replica", func() bool { return mustDo(t, ahead, "GET", "k") == "w" })
	waitHealth(t, c.prober, c.first.Addr, "the write", func(h Health) bool { return h.Offset > 0 })
	begin := time.Now()
	c.first.Kill()
	behind.Continue(t)
	g := c.wait("a failover", func(g topology.Group) bool { return g.Master != c.first.Addr && g.Turn == nil })
	t.Logf("took %s", time.Since(begin))
	if g.Master != ahead.Addr || g.Turned == 0 || len(g.Forks) != 1 || g.FailoverAt == 0 {
		t.Fatalf("group %+v", g)
	}
	if got := mustDo(t, ahead, "GET", fence.GroupKey); got != fmt.Sprint(g.Turned) {
		t.Errorf("the group's key is %s", got)
	}
	mustDo(t, ahead, "SET", "k", "x")
	c.waitFollows(behind.Addr)
	c.first.Restart(t)
	c.waitFollows(c.first.Addr)
	c.wait("the fork to be measured", func(g topology.Group) bool { return len(g.Forks) == 0 })
	if got := mustDo(t, c.first, "GET", "k"); got != "x" {
		t.Errorf("the old master has %q", got)
	}
	for _, want := range []string{"failover from " + c.first.Addr, "is the master", "another process"} {
		if !strings.Contains(c.history(), want) {
			t.Errorf("%q is not in the history:\n%s", want, c.history())
		}
	}
}

// TestFailoverOfAHungMaster: one that was only stopped comes back with its writes;
// their bytes are counted.
func TestFailoverOfAHungMaster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, settings: quickly})
	replica := c.others()[0]
	mustDo(t, c.first, "SET", "k", "v")
	c.caughtUp()
	// The replica hears nothing of the last writes.
	replica.Pause(t)
	mustDo(t, c.first, "CLIENT", "KILL", "TYPE", "replica") // what it was sent would wait for it
	before := mustInspect(t, Target{Addr: c.first.Addr}).Offset
	for i := range 20 {
		mustDo(t, c.first, "SET", fmt.Sprint("late", i), "w")
	}
	lost := mustInspect(t, Target{Addr: c.first.Addr}).Offset - before
	c.first.Pause(t)
	replica.Continue(t)
	g := c.wait("a failover", func(g topology.Group) bool { return g.Master == replica.Addr && g.Turn == nil })
	if len(g.Forks) != 1 {
		t.Fatalf("group %+v", g)
	}
	c.first.Continue(t)
	c.waitFollows(c.first.Addr)
	c.wait("the fork to be measured", func(g topology.Group) bool { return len(g.Forks) == 0 })
	want := fmt.Sprintf("lost %d bytes", lost)
	if !strings.Contains(c.history(), want) {
		t.Errorf("%q is not in the history:\n%s", want, c.history())
	}
}

// TestFailoverWithPasswords: backends with AUTH, also between them.
func TestFailoverWithPasswords(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 2, settings: quickly, args: []string{"--requirepass", "pw", "--masterauth", "pw"}, auth: &topology.Credentials{Password: "pw"}})
	for _, s := range c.others() {
		mustDo(t, s, "CONFIG", "SET", "masterauth", "old") // as after a change of passwords
	}
	c.first.Kill()
	g := c.wait("a failover", func(g topology.Group) bool { return g.Master != c.first.Addr && g.Turn == nil })
	for _, s := range g.Servers {
		if s.Addr != g.Master && s.Addr != c.first.Addr {
			c.waitFollows(s.Addr)
		}
	}
	c.first.Restart(t)
	c.waitFollows(c.first.Addr)
}

// TestFailoverNot: what stands against it, and that it is told.
func TestFailoverNot(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		spec clusterSpec
		do   func(*cluster)
		want string
	}{
		{"no replica", clusterSpec{}, nil, "it has no replica"},
		{"priority 0", clusterSpec{replicas: 1, each: map[int][]string{1: {"--replica-priority", "0"}}}, nil, "replica-priority is 0"},
		{"switched off", clusterSpec{replicas: 1, settings: []string{"failover", "no"}}, nil, "failover is no"},
		{"a replica that was promoted once", clusterSpec{replicas: 1, asleep: true}, func(c *cluster) {
			mustDo(c.tb, c.others()[0], "REPLICAOF", "NO", "ONE")
			for i := range 100 {
				mustDo(c.tb, c.others()[0], "SET", fmt.Sprint("own", i), "x")
			}
		}, "is not that of the group's master"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.spec.settings = append(tc.spec.settings, quickly...)
			c := newCluster(t, tc.spec)
			if tc.do != nil {
				tc.do(c)
			}
			c.first.Kill()
			if tc.spec.asleep {
				c.wake()
			}
			if a := c.waitAlarm("failover-blocked"); !strings.Contains(a.Text, tc.want) {
				t.Errorf("alarm %q", a.Text)
			}
			if g := c.group(); g.Master != c.first.Addr || g.Turn != nil {
				t.Errorf("group %+v", g)
			}
			c.wait("a line of the history", func(topology.Group) bool { return strings.Contains(c.history(), tc.want) })
		})
	}
}

// TestFailoverOncePerInterval: the second failover of a group waits.
func TestFailoverOncePerInterval(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 2, settings: append([]string{"failover-interval", "3s"}, quickly...)})
	c.first.Kill()
	g := c.wait("a failover", func(g topology.Group) bool { return g.Master != c.first.Addr && g.Turn == nil })
	for _, s := range g.Servers {
		if s.Addr != g.Master && s.Addr != c.first.Addr {
			c.waitFollows(s.Addr)
		}
	}
	second := g.Master
	c.servers[second].Kill()
	if a := c.waitAlarm("failover-blocked"); !strings.Contains(a.Text, "failover-interval") {
		t.Errorf("alarm %q", a.Text)
	}
	g = c.wait("the next one", func(g topology.Group) bool { return g.Master != second && g.Turn == nil })
	if wait := time.Duration(g.FailoverAt-time.Now().UnixMilli()) * time.Millisecond; wait > 0 {
		t.Errorf("it was before its time: %s", wait)
	}
}

// TestSwitchover: nothing is lost, and the old master goes on as a replica without a
// full copy.
func TestSwitchover(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 2})
	mustDo(t, c.first, "SET", "k", "v")
	to := c.others()[1]
	result, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: to.Addr, Who: "someone"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("held for %s", result.Pause)
	g := c.group()
	if g.Master != to.Addr || len(g.Forks) != 0 || g.FailoverAt != 0 || result.Note != "" {
		t.Errorf("group %+v, result %+v", g, result)
	}
	mustDo(t, to, "SET", "k", "w")
	for _, s := range c.others() {
		c.waitFollows(s.Addr)
		waitFor(t, "the write", func() bool { return mustDo(t, s, "GET", "k") == "w" })
	}
	if stats := mustDo(t, to, "INFO", "stats"); !strings.Contains(stats, "sync_full:0") {
		t.Errorf("a replica has copied everything: %s", stats)
	}
	// And back, which is as any other.
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: c.first.Addr}); err != nil {
		t.Fatal(err)
	}
	if got := mustDo(t, c.first, "GET", "k"); got != "w" {
		t.Errorf("the master has %q", got)
	}
	for _, want := range []string{"someone: group 1: switchover", "slots were on hold for"} {
		if !strings.Contains(c.history(), want) {
			t.Errorf("%q is not in the history:\n%s", want, c.history())
		}
	}
}

// TestSwitchoverNot: what a switchover refuses leaves everything as it was.
func TestSwitchoverNot(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, config: func(c *Config) { c.StepTimeout = 500 * time.Millisecond }})
	replica := c.others()[0]
	refused := func(what, want string, p Promote) {
		t.Helper()
		if _, err := c.control.Promote(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		if g := c.group(); g.Master != c.first.Addr || g.Turn != nil {
			t.Fatalf("%s: group %+v", what, g)
		}
		mustDo(t, c.first, "SET", "k", what)
	}
	refused("no group", "NOGROUP", Promote{Group: 7, Addr: replica.Addr})
	refused("no server", "NOSERVER", Promote{Group: 1, Addr: "127.0.0.1:1"})
	refused("the master itself", "already", Promote{Group: 1, Addr: c.first.Addr})
	mustDo(t, replica, "CONFIG", "SET", "replica-priority", "0")
	refused("priority 0", "replica-priority is 0", Promote{Group: 1, Addr: replica.Addr})
	mustDo(t, replica, "CONFIG", "SET", "replica-priority", "100")
	c.memory.mu.Lock()
	c.memory.barrier = func(uint64) ([]topology.Node, error) { return nil, errors.New("n2 has acknowledged only 3") }
	c.memory.mu.Unlock()
	refused("a barrier that comes to nothing", "n2 has acknowledged", Promote{Group: 1, Addr: replica.Addr})
	c.memory.mu.Lock()
	c.memory.barrier = nil
	c.memory.mu.Unlock()
	c.stop()
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("at a node that does not lead: %v", err)
	}
}

// TestPromoteByForce: a dead master without automatic failover, a replica that has
// copied nothing of late.
func TestPromoteByForce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, settings: []string{"failover", "no"}, each: map[int][]string{1: {"--replica-priority", "0"}}})
	replica := c.others()[0]
	c.first.Kill()
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr}); err == nil || !strings.Contains(err.Error(), "FORCE") {
		t.Errorf("without force: %v", err)
	}
	result, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr, Force: true, Who: "someone"})
	if err != nil {
		t.Fatal(err)
	}
	if g := c.group(); g.Master != replica.Addr || !strings.Contains(result.Note, "offset") {
		t.Errorf("group %+v, result %+v", g, result)
	}
	mustDo(t, replica, "SET", "k", "v")
}

// TestReplace: an empty server in the place of a dead master, and one under the old
// address.
func TestReplace(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{})
	mustDo(t, c.first, "SET", "k", "v")
	if _, err := c.control.Replace(t.Context(), Replace{Group: 1, Addr: c.first.Addr}); err == nil || !strings.Contains(err.Error(), "answers") {
		t.Errorf("by itself: %v", err)
	}
	c.first.Kill()
	fresh := startRedis(t)
	mustDo(t, fresh, "SET", "restored", "1")
	c.servers[fresh.Addr] = fresh
	result, err := c.control.Replace(t.Context(), Replace{Group: 1, Addr: fresh.Addr, Who: "someone"})
	if err != nil {
		t.Fatal(err)
	}
	if g := c.group(); g.Master != fresh.Addr || !strings.Contains(result.Note, "1 keys") {
		t.Errorf("group %+v, result %+v", g, result)
	}
	c.first.Restart(t)
	c.waitFollows(c.first.Addr)
	if got := mustDo(t, c.first, "GET", "restored"); got != "1" {
		t.Errorf("the old master has %q", got)
	}
}

// TestFailoverWhileAReplicaLoads: a replica that reads its data from its disk when the
// master dies is not promoted, whatever it was before.
func TestFailoverWhileAReplicaLoads(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	loads := []string{"--key-load-delay", "150000", "--loading-process-events-interval-bytes", "1024", "--rdbcompression", "no", "--replica-priority", "1"}
	c := newCluster(t, clusterSpec{replicas: 2, settings: quickly, each: map[int][]string{1: loads}})
	fill(t, c.first.Addr, 50) // 7.5 s
	c.caughtUp()
	loading, whole := c.others()[0], c.others()[1]
	mustDo(t, loading, "SAVE")
	loading.Kill()
	loaded := restartSlowly(t, loading)
	waitHealth(t, c.prober, loading.Addr, "it to load", func(h Health) bool { return h.State == StateLoading })
	c.first.Kill()
	g := c.wait("a failover", func(g topology.Group) bool { return g.Master != c.first.Addr && g.Turn == nil })
	if g.Master != whole.Addr {
		t.Errorf("%s is the master, which was loading; history:\n%s", g.Master, c.history())
	}
	loaded()
	c.waitFollows(loading.Addr)
	if got := mustDo(t, whole, "EXISTS", "fill:50"); got != "1" {
		t.Error("the new master does not have the data")
	}
}
