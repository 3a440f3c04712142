package failover

import (
	"slices"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// TestSafetyF2Durable: a write that durability-replicas have is not given up because the
// replica that has it must not be promoted; a person may.
func TestSafetyF2Durable(t *testing.T) {
	t.Parallel()
	settings := append([]string{"durability-replicas", "1"}, quickly...)
	c := newCluster(t, clusterSpec{replicas: 2, settings: settings, asleep: true, each: map[int][]string{1: {"--replica-priority", "0"}}})
	c.write(5)
	one, two := c.others()[0], c.others()[1]
	two.Pause(t)
	master := c.first.Client(t)
	for _, args := range [][]string{{"CLIENT", "KILL", "TYPE", "replica"}, {"SET", "k", "durable"}} {
		if _, err := master.Do(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := master.Do(t.Context(), "WAIT", "1", "5000"); err != nil || r.Int != 1 {
		t.Fatal(r.Int, err)
	}
	c.first.Kill()
	two.Continue(t)
	c.wake()
	want := one.Addr + " has writes that " + two.Addr + " lacks"
	c.wait("the alarm: "+want, func(topology.Group) bool {
		return slices.ContainsFunc(c.control.Alarms(), func(a Alarm) bool { return strings.Contains(a.Text, want) })
	})
	if g := c.group(); g.Turned != 0 {
		t.Fatalf("%s was promoted", g.Master)
	}
	if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: one.Addr, Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := mustDo(t, one, "GET", "k"); got != "durable" {
		t.Errorf("got %q", got)
	}
}
