package admin

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// healthy is an observation that gives no warning: three voters, and two groups
// of two servers with all slots.
func healthy() Observation {
	s := topology.NewState()
	s.ClusterID, s.Format = "c0ffee", topology.StateFormat
	for i := range s.Slots {
		s.Slots[i] = topology.Slot{Phase: topology.PhaseServing, Group: 1 + i/512}
	}
	for id, addrs := range map[int][2]string{1: {"a:1", "a:2"}, 2: {"b:1", "b:2"}} {
		s.Groups[id] = topology.Group{ID: id, Master: addrs[0], Servers: []topology.Server{{Addr: addrs[0]}, {Addr: addrs[1]}}}
	}
	for _, id := range []string{"n1", "n2", "n3"} {
		s.Nodes[id] = topology.Node{ID: id, Addr: id + ":19000", Version: "1.0", Voter: true}
	}
	return Observation{
		State:      s,
		Status:     Status{ID: "n1", Role: "leader", LeaderID: "n1", Joined: true, Voters: []string{"n3", "n1", "n2"}},
		PeerSecret: true,
		Servers: map[string]ServerHealth{
			"a:1": {State: "up", Role: "master"}, "a:2": {State: "up", Role: "replica", LinkUp: true},
			"b:1": {State: "up", Role: "master"}, "b:2": {State: "up", Role: "replica", LinkUp: true},
		},
	}
}

// warningTest changes what is healthy.
type warningTest struct {
	name   string
	change func(*Observation)
	health string
	// want are the codes in order, text a part of the first one's text.
	want []string
	text string
}

func TestWarnings(t *testing.T) {
	unassign := func(slots ...int) func(*Observation) {
		return func(o *Observation) {
			for _, slot := range slots {
				o.State.Slots[slot] = topology.Slot{}
			}
		}
	}
	every := make([]int, topology.SlotCount)
	for i := range every {
		every[i] = i
	}
	server := func(addr string, h ServerHealth) func(*Observation) {
		return func(o *Observation) { o.Servers[addr] = h }
	}
	voters := func(voters, nonvoters []string) func(*Observation) {
		return func(o *Observation) { o.Status.Voters, o.Status.Nonvoters = voters, nonvoters }
	}
	tests := []warningTest{
		{"the disk is full", func(o *Observation) { o.Status.DiskError = errors.New("no space left on device") }, "degraded",
			[]string{"disk"}, "node n1 refuses the log of the table"},
		{"an older version", func(o *Observation) { o.State.Format = 2 }, "ok", []string{"upgrade"}, "format 2"},
		{"healthy", func(*Observation) {}, "ok", nil, ""},
		{"no prober", func(o *Observation) { o.Servers = nil }, "ok", nil, ""},
		{"not joined", func(o *Observation) { o.Status.Joined = false }, "degraded", []string{"joining"}, "node n1"},
		{"no leader", func(o *Observation) { o.Status.LeaderID = "" }, "degraded", []string{"no-leader"}, "(2 of 3) of the voters n1, n2, n3"},
		{"no leader, nobody known", func(o *Observation) { o.Status.LeaderID, o.Status.Voters = "", nil }, "degraded", []string{"no-leader"}, "start the other nodes"},
		{"leader silent", func(o *Observation) { o.Status.LastContact = 7 * time.Second }, "degraded", []string{"leader-silent"}, "for 7s"},
		{"leader late", func(o *Observation) { o.Status.LastContact = time.Second }, "ok", nil, ""},
		{"leader never heard", func(o *Observation) { o.Status.LastContact = -1 }, "ok", nil, ""},
		{"node removed", func(o *Observation) { o.Status.Removed, o.Status.Joined = true, false }, "degraded", []string{"removed"}, "node n1"},
		{"node unreachable", func(o *Observation) { o.Status.Unreachable = []string{"n3", "n2"} }, "degraded",
			[]string{"node-unreachable", "node-unreachable"}, "node n2 (n2:19000) does not answer the leader"},
		{"one voter", voters([]string{"n1"}, nil), "ok", []string{"voters-few"}, "one voter"},
		{"two voters", voters([]string{"n1", "n2"}, nil), "ok", []string{"voters-few"}, "2 voters"},
		{"four voters", voters([]string{"1", "2", "3", "4"}, nil), "ok", []string{"voters-even"}, "4 voters survive the loss of 1, as 3 do"},
		{"waiting to be voters", voters([]string{"n1", "n2", "n3"}, []string{"n5", "n4"}), "ok", []string{"nonvoters"}, "n4, n5"},
		{"more nodes than voters", voters([]string{"1", "2", "3", "4", "5"}, []string{"6"}), "ok", nil, ""},
		{"versions", func(o *Observation) { o.State.Nodes["n2"] = topology.Node{Version: "1.1"} }, "ok", []string{"versions"}, "1.0, 1.1"},
		{"no groups", func(o *Observation) { unassign(every...)(o); o.State.Groups = nil }, "down", []string{"slots-unassigned"}, "there are no groups"},
		{"no slot assigned", unassign(every...), "down", []string{"slots-unassigned", "group-empty", "group-empty"}, "no slot is assigned"},
		{"some slots unassigned", unassign(0, 5, 6, 7), "degraded", []string{"slots-unassigned"}, "4 of 1024 slots are unassigned (0, 5-7)"},
		{"many holes", unassign(0, 2, 4, 6, 8, 10, 12, 14, 16, 18), "degraded", []string{"slots-unassigned"}, "12, 14, ...)"},
		{"group without replica", func(o *Observation) {
			o.State.Groups[1] = topology.Group{ID: 1, Master: "a:1", Servers: []topology.Server{{Addr: "a:1"}}}
		}, "ok", []string{"no-replica"}, "group 1 has no replica"},
		{"no secret", func(o *Observation) { o.PeerSecret = false }, "ok", []string{"no-secret"}, "--secret"},
		{"master down", server("a:1", ServerHealth{State: "down", Err: "refused"}), "degraded", []string{"server-down"}, "the master of group 1, a:1, is down (refused); the keys of its 512 slots are not served; start that redis-server again, or CODIS.GROUP PROMOTE 1 addr FORCE"},
		{"master down, a replica takes over", func(o *Observation) {
			o.Servers["a:1"], o.Prospects = ServerHealth{State: "down"}, map[int]Prospect{1: {Possible: true, Why: "to a:2"}}
		}, "degraded", []string{"server-down"}, "a replica takes over by itself when most voters find it down (to a:2); nothing needs to be done"},
		{"master down, no replica is fit", func(o *Observation) {
			o.Servers["a:1"], o.Prospects = ServerHealth{State: "down"}, map[int]Prospect{1: {Why: "a:2: it is loading"}}
		}, "degraded", []string{"server-down"}, "no replica takes over by itself: a:2: it is loading; start that redis-server again, or CODIS.GROUP PROMOTE 1 addr FORCE"},
		{"master down, no replica", func(o *Observation) {
			o.State.Groups[1] = topology.Group{ID: 1, Master: "a:1", Servers: []topology.Server{{Addr: "a:1"}}}
			o.Servers["a:1"], o.Prospects = ServerHealth{State: "down"}, map[int]Prospect{1: {Why: "it has no replica"}}
		}, "degraded", []string{"server-down", "no-replica"}, "no replica takes over: it has no replica; start that redis-server again, or CODIS.GROUP REPLACE 1 addr FORCE"},
		{"master down, a turn is under way", func(o *Observation) {
			g := o.State.Groups[1]
			g.Turn = &topology.Turn{To: "a:2"}
			o.State.Groups[1], o.Servers["a:1"] = g, ServerHealth{State: "down"}
		}, "degraded", []string{"server-down"}, "a:2 is being made the master"},
		{"master without a password", server("a:1", ServerHealth{State: "denied"}), "degraded", []string{"server-denied"}, "CODIS.GROUP AUTH 1"},
		{"the master of a group without slots is down", func(o *Observation) {
			for i := range o.State.Slots {
				o.State.Slots[i].Group = 2
			}
			o.Servers["a:1"] = ServerHealth{State: "down"}
		}, "degraded", []string{"server-down", "group-empty"}, "a:1, is down; start that redis-server"},
		{"the only master with slots is down", func(o *Observation) {
			for i := range o.State.Slots {
				o.State.Slots[i].Group = 2
			}
			o.Servers["b:1"] = ServerHealth{State: "down"}
		}, "down", []string{"masters-down", "server-down", "group-empty"}, "no key is served"},
		{"replica gone", server("a:2", ServerHealth{State: "down"}), "degraded", []string{"server-down"}, "CODIS.GROUP DETACH 1 a:2 when it is gone for good"},
		{"replica copies", server("a:2", ServerHealth{State: "syncing", Copy: &Copy{Read: 1, Total: 9}}), "degraded", []string{"server-syncing"}, "(1 of 9 bytes)"},
		{"replica loading", server("a:2", ServerHealth{State: "loading"}), "degraded", []string{"server-loading"}, "the replica of group 1, a:2, is loading;"},
		{"suspect is not down", server("a:1", ServerHealth{State: "suspect"}), "ok", nil, ""},
		{"not asked yet", server("a:2", ServerHealth{State: "unknown"}), "ok", nil, ""},
		{"master is a replica", server("a:1", ServerHealth{State: "up", Role: "replica"}), "degraded", []string{"master-role"}, "group 1 has a:1 as its master"},
		{"replica is a master", server("a:2", ServerHealth{State: "up", Role: "master"}), "degraded", []string{"replica-role"}, "a replica again within seconds"},
		{"replica without link", server("a:2", ServerHealth{State: "up", Role: "replica"}), "degraded", []string{"replica-link"}, "a:2"},
		{"all masters down", func(o *Observation) {
			o.Servers["a:1"], o.Servers["b:1"] = ServerHealth{State: "down"}, ServerHealth{State: "denied"}
		}, "down", []string{"masters-down", "server-down", "server-denied"}, "no key is served"},
	}
	tests = append(tests, moveWarnings()...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			obs := healthy()
			tt.change(&obs)
			warnings := Warnings(obs)
			var codes []string
			for _, w := range warnings {
				codes = append(codes, w.Code)
			}
			if !slices.Equal(codes, tt.want) {
				t.Fatalf("got %q, want %q", codes, tt.want)
			}
			if len(warnings) > 0 && !strings.Contains(warnings[0].Text, tt.text) {
				t.Errorf("text %q lacks %q", warnings[0].Text, tt.text)
			}
			if got := Health(warnings); got != tt.health {
				t.Errorf("health %q, want %q", got, tt.health)
			}
		})
	}
}
