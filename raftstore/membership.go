package raftstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// verb is a kind of change of the membership.
type verb string

const (
	addServer     verb = "add to raft"
	removeServer  verb = "remove from raft"
	promote       verb = "make a voter"
	demote        verb = "make a learner"
	recordVoter   verb = "record as voter"
	recordLearner verb = "record as learner"
)

// change is one step that brings the table and Raft's configuration together.
type change struct {
	verb verb
	id   string
}

func (c change) String() string { return string(c.verb) + " " + c.id }

// nextChange compares the nodes of the table with Raft's servers and returns the
// first thing to be done about a difference: first what makes room, then the rest.
// self, the leader, is removed last, since it leads no longer then.
func nextChange(self string, nodes map[string]topology.Node, servers []raft.Server) (change, bool) {
	voter, known := map[string]bool{}, map[string]bool{}
	for _, server := range servers {
		id := string(server.ID)
		known[id], voter[id] = true, server.Suffrage == raft.Voter
		if _, ok := nodes[id]; !ok && id != self {
			return change{removeServer, id}, true
		}
	}
	ids := slices.Sorted(maps.Keys(nodes))
	for _, rule := range []struct {
		verb verb
		due  func(id string) bool
	}{
		{recordLearner, func(id string) bool { return nodes[id].Voter && !voter[id] }},
		{addServer, func(id string) bool { return !known[id] }},
		{recordVoter, func(id string) bool { return voter[id] && !nodes[id].Voter }},
	} {
		if at := slices.IndexFunc(ids, rule.due); at >= 0 {
			return change{rule.verb, ids[at]}, true
		}
	}
	if _, ok := nodes[self]; !ok && known[self] {
		return change{removeServer, self}, true
	}
	return change{}, false
}

// promotable returns the learners that may become voters, those that joined first
// first; none when there are voters enough.
func promotable(nodes map[string]topology.Node, servers []raft.Server) []string {
	voters := 0
	var learners []topology.Node
	for _, server := range servers {
		if server.Suffrage == raft.Voter {
			voters++
		} else if node, ok := nodes[string(server.ID)]; ok {
			learners = append(learners, node)
		}
	}
	if voters >= topology.MaxVoters {
		return nil
	}
	slices.SortFunc(learners, func(a, b topology.Node) int {
		return cmp.Or(cmp.Compare(a.JoinedAt, b.JoinedAt), cmp.Compare(a.ID, b.ID))
	})
	ids := make([]string, len(learners))
	for i, node := range learners {
		ids[i] = node.ID
	}
	return ids
}
