package failover

import (
	"fmt"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// write makes keys at a group's master and waits for its replicas.
func (c *cluster) write(keys int) {
	c.tb.Helper()
	for i := range keys {
		mustDo(c.tb, c.first, "SET", fmt.Sprint("key", i), "v")
	}
	if len(c.others()) > 0 {
		c.caughtUp()
	}
	waitHealth(c.tb, c.prober, c.first.Addr, "the keys", func(h Health) bool { return h.Keys >= int64(keys) })
}

// TestSafetyF4RestartEmpty: a master comes back with nothing, and its replica would
// copy that. The replica is promoted before. The mutant takes it for what it was, and
// all is gone.
func TestSafetyF4RestartEmpty(t *testing.T) {
	t.Parallel()
	for _, mutant := range []bool{false, true} {
		t.Run(fmt.Sprintf("mutant %v", mutant), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterSpec{replicas: 1, config: func(cfg *Config) { cfg.faults.noGuard = mutant }})
			replica := c.others()[0]
			c.write(20)
			c.first.Restart(t)
			if !mutant {
				g := c.wait("the replica to be promoted", func(g topology.Group) bool { return g.Master == replica.Addr && g.Turn == nil })
				if got := mustDo(t, replica, "GET", "key7"); got != "v" {
					t.Errorf("the key is %q", got)
				}
				c.waitFollows(c.first.Addr)
				if got := mustDo(t, c.first, "GET", "key7"); got != "v" || !strings.Contains(c.history(), "with 0 keys where it had 20") {
					t.Errorf("the old master has %q, group %+v, history:\n%s", got, g, c.history())
				}
				return
			}
			c.waitFollows(replica.Addr)
			if got := mustDo(t, replica, "EXISTS", "key7"); got != "0" {
				t.Error("the mutant was harmless")
			}
		})
	}
}

// TestRestartWithAll: a master that has kept its data goes on being it.
func TestRestartWithAll(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, args: []string{"--appendonly", "yes", "--appendfsync", "always"}})
	c.write(20)
	run := c.group().Servers[0].RunID
	c.first.Restart(t)
	g := c.wait("its new process to be recorded", func(g topology.Group) bool { return g.Servers[0].RunID != run })
	if g.Master != c.first.Addr || g.Turned != 0 {
		t.Errorf("group %+v", g)
	}
	c.waitFollows(c.others()[0].Addr)
	if got := mustDo(t, c.others()[0], "GET", "key7"); got != "v" {
		t.Errorf("the replica has %q", got)
	}
}

// TestRestartEmptyAlone: where nobody has more, the group goes on with what there is,
// and says so.
func TestRestartEmptyAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{})
	c.write(20)
	c.first.Restart(t)
	g := c.wait("its new process to be taken", func(g topology.Group) bool { return g.Turned != 0 && g.Turn == nil })
	if want := mustInspect(t, Target{Addr: c.first.Addr}).RunID; g.Servers[0].RunID != want || g.Master != c.first.Addr {
		t.Errorf("group %+v, run ID %s", g, want)
	}
	if !strings.Contains(c.history(), "with 0 keys where it had 20, and no other server") {
		t.Errorf("history:\n%s", c.history())
	}
}

// TestRestartEmptyReplicaAway: the replica that is away may have it all: nothing is
// used until a person says so.
func TestRestartEmptyReplicaAway(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1})
	c.write(20)
	run := c.group().Servers[0].RunID
	c.others()[0].Kill()
	waitHealth(t, c.prober, c.others()[0].Addr, "the loss of the replica", func(h Health) bool { return h.State == StateDown })
	c.first.Restart(t)
	if a := c.waitAlarm("master-empty"); !strings.Contains(a.Text, "REPLACE 1 "+c.first.Addr+" FORCE") {
		t.Errorf("alarm %q", a.Text)
	}
	if g := c.group(); g.Servers[0].RunID != run || g.Turn != nil {
		t.Errorf("group %+v", g)
	}
	if _, err := c.control.Replace(t.Context(), Replace{Group: 1, Addr: c.first.Addr, Who: "someone"}); err != nil {
		t.Fatal(err)
	}
	if g := c.group(); g.Servers[0].RunID == run {
		t.Errorf("group %+v", g)
	}
}

// TestRestartEmptyFailoverOff: what may not be done by itself is asked for.
func TestRestartEmptyFailoverOff(t *testing.T) {
	t.Parallel()
	// The replica is kept from copying: it would, before a person has read the alarm.
	c := newCluster(t, clusterSpec{replicas: 1, settings: []string{"failover", "no"}})
	replica := c.others()[0]
	c.write(20)
	mustDo(t, replica, "CONFIG", "SET", "masterauth", "wrong")
	mustDo(t, replica, "CONFIG", "SET", "masteruser", "nobody")
	c.first.Restart(t)
	if a := c.waitAlarm("master-empty"); !strings.Contains(a.Text, "PROMOTE 1 "+replica.Addr+" FORCE") {
		t.Errorf("alarm %q", a.Text)
	}
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: replica.Addr, Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := mustDo(t, replica, "GET", "key7"); got != "v" {
		t.Errorf("the key is %q", got)
	}
}
