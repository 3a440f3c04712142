package raftstore

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

func TestNextChange(t *testing.T) {
	for name, c := range map[string]struct {
		table, raft string // "a! b": a votes, b learns
		want        string
	}{
		"nothing to do":                {"a! b! c", "a! b! c", ""},
		"a node has joined":            {"a! b", "a!", "add to raft b"},
		"a node was removed":           {"a!", "a! b!", "remove from raft b"},
		"a learner was removed":        {"a!", "a! b", "remove from raft b"},
		"promoted, not recorded":       {"a! b", "a! b!", "record as voter b"},
		"demoted, not recorded":        {"a! b!", "a! b", "record as learner b"},
		"a voter is lost":              {"a! b!", "a!", "record as learner b"},
		"first what makes room":        {"a! b c! d", "a! b! c e", "remove from raft e"},
		"then what lowers the voters":  {"a! b c! d", "a! b! c", "record as learner c"},
		"then what is missing":         {"a! b c d", "a! b! c", "add to raft d"},
		"the leader itself at the end": {"b! c d!", "a! b! c d", "record as learner d"},
		"the leader itself":            {"b! c", "a! b! c", "remove from raft a"},
		"and what raises them is last": {"a! b c d", "a! b! c d", "record as voter b"},
	} {
		got, ok := nextChange("a", parseTable(c.table), parseServers(c.raft))
		text := ""
		if ok {
			text = got.String()
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}

func TestPromotable(t *testing.T) {
	for name, c := range map[string]struct {
		raft string
		want []string
	}{
		"none":         {"a! b!", []string{}},
		"oldest first": {"a! c b", []string{"b", "c"}},
		"enough":       {"a! b! c! d! e! f", nil},
		"one is left":  {"a! b! c! d! e f", []string{"e", "f"}},
		"not a member": {"a! z", []string{}},
	} {
		if got := promotable(parseTable("a! b c d e f"), parseServers(c.raft)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestMembershipConverges: from any difference, in a bounded number of steps, to
// the nodes of the table.
func TestMembershipConverges(t *testing.T) {
	for pattern := range 1 << 10 {
		nodes, servers := map[string]topology.Node{}, []raft.Server{{ID: "z", Suffrage: raft.Voter}}
		nodes["z"] = topology.Node{ID: "z", Voter: true}
		for i := range 5 {
			id := fmt.Sprint(i)
			if pattern>>(2*i)&1 == 1 {
				nodes[id] = topology.Node{ID: id, Voter: i%2 == 0}
			}
			if pattern>>(2*i+1)&1 == 1 {
				servers = append(servers, raft.Server{ID: raft.ServerID(id), Suffrage: raft.ServerSuffrage(i / 2 % 2)})
			}
		}
		for steps := 0; ; steps++ {
			change, ok := nextChange("z", nodes, servers)
			if !ok {
				break
			}
			if steps > 20 {
				t.Fatalf("pattern %b does not settle: %s", pattern, change)
			}
			servers = carryOut(change, nodes, servers)
		}
		if len(nodes) != len(servers) {
			t.Errorf("pattern %b: %d nodes, %d servers", pattern, len(nodes), len(servers))
		}
	}
}

func carryOut(c change, nodes map[string]topology.Node, servers []raft.Server) []raft.Server {
	node := nodes[c.id]
	switch c.verb {
	case addServer:
		return append(servers, raft.Server{ID: raft.ServerID(c.id), Suffrage: raft.Nonvoter})
	case removeServer:
		return slices.DeleteFunc(servers, func(s raft.Server) bool { return s.ID == raft.ServerID(c.id) })
	case recordVoter, recordLearner:
		node.Voter = c.verb == recordVoter
		nodes[c.id] = node
	}
	return servers
}

func parseTable(text string) map[string]topology.Node {
	nodes := map[string]topology.Node{}
	for i, server := range parseServers(text) {
		id := string(server.ID)
		nodes[id] = topology.Node{ID: id, Voter: server.Suffrage == raft.Voter, JoinedAt: int64(i)}
	}
	return nodes
}

func parseServers(text string) []raft.Server {
	var servers []raft.Server
	for i := 0; i < len(text); i += 2 {
		server := raft.Server{ID: raft.ServerID(text[i : i+1]), Suffrage: raft.Nonvoter}
		if i+1 < len(text) && text[i+1] == '!' {
			server.Suffrage = raft.Voter
			i++
		}
		servers = append(servers, server)
	}
	return servers
}
