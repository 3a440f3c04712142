package raftstore

import (
	"cmp"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// minLiveVoters is how many voters must be there, besides the one that is replaced:
// fewer could not spare another one.
const minLiveVoters = 3

// attendance is what the leader knows of who is there.
type attendance struct {
	// self leads.
	self string
	// silent is how long each node has not been heard in this term.
	silent map[string]time.Duration
	// live bounds the silence of a node that counts as there.
	live time.Duration
	// after is the silence for which a voter is replaced; 0: none is.
	after time.Duration
}

func (a attendance) isLive(id string) bool {
	silence, known := a.silent[id]
	return id == a.self || known && silence < a.live
}

// replaceable returns the voter that is to become a learner since it has been silent
// for too long, the one that has been silent longest. There has to be a learner to
// take its place; promotable finds that one next. It is not removed: when it comes
// back, it is a learner, with all its data.
func (a attendance) replaceable(nodes map[string]topology.Node, servers []raft.Server) (change, bool) {
	if a.after <= 0 {
		return change{}, false
	}
	var lost []string
	live, voters, spare := 0, 0, false
	for _, server := range servers {
		id := string(server.ID)
		_, member := nodes[id]
		switch voter := server.Suffrage == raft.Voter; {
		case !voter:
			spare = spare || member && a.isLive(id)
		case a.isLive(id):
			voters, live = voters+1, live+1
		default:
			voters++
			// Who is not in the table is removed anyway.
			if silence, known := a.silent[id]; member && known && silence >= max(a.after, a.live) {
				lost = append(lost, id)
			}
		}
	}
	if len(lost) == 0 || !spare || live < minLiveVoters || 2*live <= voters {
		return change{}, false
	}
	slices.SortFunc(lost, func(x, y string) int { return cmp.Or(cmp.Compare(a.silent[y], a.silent[x]), cmp.Compare(x, y)) })
	return change{demote, lost[0]}, true
}

// attendance looks into the ledger.
func (s *Store) attendance(state *topology.State) attendance {
	a := attendance{
		self: s.self.ID, silent: map[string]time.Duration{},
		live: leaseTimesOf(state).silentAfter(), after: state.Settings.Duration("node-replace-after"),
	}
	if book := s.leases.Load(); book != nil {
		for id, lease := range book.nodes(state) {
			a.silent[id] = lease.Age
		}
	}
	return a
}

// whyLearner is for the history: why a voter is recorded as a learner.
func (s *Store) whyLearner(id string) string {
	state := s.State()
	a := s.attendance(state)
	if silence := a.silent[id]; a.after > 0 && silence >= a.after {
		return "not heard for " + silence.Round(time.Second).String() + ", see node-replace-after"
	}
	return ""
}
