package failover

import (
	"errors"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

func replica(addr string, offset int64, change ...func(*member)) member {
	m := member{addr: addr, Replication: Replication{Role: RoleReplica, ReplID: "h1", Offset: offset, LinkUp: true, Priority: 100}}
	for _, c := range change {
		c(&m)
	}
	return m
}

// TestSafetyF2Candidate: who is promoted, and who is not whatever its offset.
func TestSafetyF2Candidate(t *testing.T) {
	t.Parallel()
	strict := rule{replID: "h1", age: 10 * time.Second}
	force := strict
	force.force = true
	durable, durable2 := strict, strict
	durable.durable, durable2.durable = 1, 2
	for _, tc := range []struct {
		name    string
		rule    rule
		members []member
		want    string // the candidate, or a part of the reason
	}{
		{"none", strict, nil, "no replica"},
		{"the master is no candidate", strict, []member{replica("m", 9)}, "no replica"},
		{"the highest offset", strict, []member{replica("a", 5), replica("b", 7), replica("c", 6)}, "b"},
		{"the same offset: the priority", strict, []member{replica("a", 7), replica("b", 7, func(m *member) { m.Priority = 10 })}, "b"},
		{"a higher offset before the priority", strict, []member{replica("a", 8), replica("b", 7, func(m *member) { m.Priority = 10 })}, "a"},
		{"all the same: the address", strict, []member{replica("b", 7), replica("a", 7)}, "a"},
		{"priority 0", strict, []member{replica("a", 9, func(m *member) { m.Priority = 0 }), replica("b", 7)}, "b"},
		{"another history", strict, []member{replica("a", 9, func(m *member) { m.ReplID = "h2" }), replica("b", 7)}, "b"},
		{"it was promoted once, and has written", strict, []member{replica("a", 9000, func(m *member) {
			m.Role, m.ReplID, m.ReplID2, m.Offset2 = RoleMaster, "h2", "h1", 100
		}), replica("b", 7)}, "b"},
		{"it was promoted, and follows its own history", strict, []member{replica("a", 9000, func(m *member) { m.ReplID, m.ReplID2, m.Offset2 = "h2", "h1", 100 })}, "not that of the group's master"},
		{"it was just promoted, by a turn that was not finished", strict, []member{replica("a", 180, func(m *member) {
			m.Role, m.ReplID, m.ReplID2, m.Offset2 = RoleMaster, "h2", "h1", 100
		}), replica("b", 99)}, "a"},
		{"what was written since counts for nothing", strict, []member{replica("a", 180, func(m *member) {
			m.Role, m.ReplID, m.ReplID2, m.Offset2 = RoleMaster, "h2", "h1", 100
		}), replica("b", 101)}, "b"},
		{"durable, all are there", durable, []member{replica("a", 90), replica("b", 100)}, "b"},
		{"durable, one that is not fit has more", durable, []member{replica("a", 90), replica("b", 100, func(m *member) { m.Priority = 0 })}, "b has writes that a lacks"},
		{"durable, one that is not fit has as much", durable, []member{replica("a", 100), replica("b", 100, func(m *member) { m.Priority = 0 })}, "a"},
		{"durable, one is away", durable, []member{replica("a", 90), replica("b", 9, func(m *member) { m.err = errors.New("it is down") })}, "1 replicas can't be asked"},
		{"durable with two, one is away", durable2, []member{replica("a", 90), replica("b", 9, func(m *member) { m.loading = true })}, "a"},
		{"loading", strict, []member{replica("a", 9, func(m *member) { m.loading = true })}, "loading"},
		{"copying", strict, []member{replica("a", 9, func(m *member) { m.LinkUp, m.Syncing = false, true })}, "copying"},
		{"away", strict, []member{replica("a", 9, func(m *member) { m.err = errors.New("it is down") })}, "a: it is down"},
		{"no link for long", strict, []member{replica("a", 9, func(m *member) { m.LinkUp, m.LinkDownFor = false, 11*time.Second })}, "no link to its master for 11s"},
		{"no link for a short time", strict, []member{replica("a", 9, func(m *member) { m.LinkUp, m.LinkDownFor = false, 10*time.Second })}, "a"},
		{"it was hung", strict, []member{replica("a", 9, func(m *member) { m.IdleFor = 21 * time.Second })}, "heard nothing"},
		{"nothing recorded", rule{}, []member{replica("a", 9)}, "not that of the group's master"},
		{"by force, old", force, []member{replica("a", 9, func(m *member) { m.LinkUp, m.LinkDownFor = false, time.Hour })}, "a"},
		{"by force, another history", force, []member{replica("a", 9, func(m *member) { m.ReplID = "h2" })}, "a"},
		{"by force, not whole", force, []member{replica("a", 9, func(m *member) { m.Syncing = true })}, "copying"},
		{"by force, away", force, []member{replica("a", 9, func(m *member) { m.err = errors.New("it is down") })}, "down"},
	} {
		got, ok := choose(topology.Group{Master: "m"}, tc.members, tc.rule)
		if text := got.String(); ok && got.addr != tc.want || !ok && !strings.Contains(text, tc.want) {
			t.Errorf("%s: got %q (%s), want %q", tc.name, got.addr, text, tc.want)
		}
	}
}

// TestMutantAnyHistory: without the rule about histories, a server that was promoted
// once and diverged would be the new master.
func TestMutantAnyHistory(t *testing.T) {
	t.Parallel()
	diverged := replica("diverged", 9000, func(m *member) { m.Role, m.ReplID, m.ReplID2, m.Offset2 = RoleMaster, "h2", "h1", 10 })
	members := []member{diverged, replica("true", 50)}
	for _, tc := range []struct {
		mutant bool
		want   string
	}{{false, "true"}, {true, "diverged"}} {
		r := rule{replID: "h1", faults: faults{anyHistory: tc.mutant}}
		if got, _ := choose(topology.Group{}, members, r); got.addr != tc.want {
			t.Errorf("mutant %v: got %s, want %s", tc.mutant, got.addr, tc.want)
		}
	}
}
