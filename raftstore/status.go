package raftstore

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
)

// Role is what a node is in its cluster.
type Role string

const (
	// RoleLeader: commands go through this node.
	RoleLeader Role = "leader"
	// RoleFollower: a voter that follows the leader.
	RoleFollower Role = "follower"
	// RoleCandidate: a voter that looks for a leader, or wants to be it.
	RoleCandidate Role = "candidate"
	// RoleLearner: follows the leader without a vote.
	RoleLearner Role = "learner"
	// RoleStopped: takes no part any more; see Store.Err.
	RoleStopped Role = "stopped"
)

// Status is how a node sees its cluster.
type Status struct {
	ID, ClusterID string
	Role          Role
	// LeaderID and LeaderAddr, its client address, are empty while there is none.
	LeaderID, LeaderAddr string
	Term, CommitIndex    uint64
	// AppliedIndex is that of the FSM, which may be behind what the table shows
	// while entries are replayed after a restart. Entries that say nothing to the FSM,
	// as those for leases, count once all before them are applied.
	AppliedIndex uint64
	// Voters and Nonvoters are the IDs of Raft's configuration, sorted.
	Voters, Nonvoters []string
	// LastContact is how long ago the leader was heard; 0 at the leader, -1 when
	// it has never been heard.
	LastContact time.Duration
	// Unreachable are the nodes whose heartbeats fail; only the leader knows.
	Unreachable []string
	// LeaseLeft is how long this node may serve, unless its lease is renewed; 0 when
	// it has none.
	LeaseLeft time.Duration
	// Nodes is what the leader knows of the leases of all nodes, by ID; nil elsewhere.
	Nodes map[string]NodeLease
	// Joined says whether this node has been in the table.
	Joined bool
	// DiskError is why this node's disk refuses its log; nil when all is well.
	DiskError error
	// Removed says whether this node was removed from its cluster.
	Removed bool
}

// NodeLease is what the leader knows of one node of the table.
type NodeLease struct {
	// Age is how long ago the node was heard, with a renewal or an acknowledgement;
	// since the beginning of the term, if never.
	Age time.Duration
	// Acked is the epoch of the table that its router has adopted; 0 when it has not
	// said so in this term.
	Acked uint64
	// Left is how long a lease of it may live, by the leader's reckoning, which is
	// longer than the node's own.
	Left time.Duration
	// Need is the epoch that it must have acknowledged before it gets a lease.
	Need uint64
}

// Status returns how this node sees its cluster.
func (s *Store) Status() Status {
	state := s.State()
	status := Status{
		ID: s.self.ID, ClusterID: state.ClusterID,
		Term:     s.raft.CurrentTerm(),
		LeaderID: s.leaderID(), LastContact: -1, LeaseLeft: s.lease.left(s.now()), Joined: s.seen.Load(), Removed: s.removed.Load(),
		DiskError: s.logs.refusal(),
	}
	status.CommitIndex, status.AppliedIndex = s.progress()
	if book := s.leases.Load(); book != nil {
		status.Nodes = book.nodes(state)
	}
	if status.LeaderID != "" {
		status.LeaderAddr = state.Nodes[status.LeaderID].Addr
	}
	status.Voters, status.Nonvoters = s.servers()
	status.Role = s.role(status.Nonvoters)
	if last := s.raft.LastContact(); status.Role == RoleLeader {
		status.LastContact = 0
		status.Unreachable = s.unreachableNodes()
	} else if !last.IsZero() {
		status.LastContact = time.Since(last)
	}
	return status
}

// progress returns how far the log is committed and applied. The FSM is given
// neither Raft's own entries nor barriers, so where it has nothing to do, it has
// applied all that is committed.
func (s *Store) progress() (committed, applied uint64) {
	committed = s.raft.CommitIndex()
	stats := s.raft.Stats()
	handed, err := strconv.ParseUint(stats["applied_index"], 10, 64)
	if err == nil && handed >= committed && stats["fsm_pending"] == "0" && !s.fsm.busy.Load() && s.fsm.err() == nil {
		return committed, committed
	}
	return committed, min(s.table.applied.Load(), committed)
}

func (s *Store) role(nonvoters []string) Role {
	// Raft may take a moment to stop after a failure.
	if s.ctx.Err() != nil {
		return RoleStopped
	}
	switch s.raft.State() {
	case raft.Leader:
		return RoleLeader
	case raft.Candidate:
		return RoleCandidate
	case raft.Shutdown:
		return RoleStopped
	}
	if _, isLearner := slices.BinarySearch(nonvoters, s.self.ID); isLearner || !s.seen.Load() {
		return RoleLearner
	}
	return RoleFollower
}

// servers returns the IDs of Raft's configuration.
func (s *Store) servers() (voters, nonvoters []string) {
	future := s.raft.GetConfiguration()
	if future.Error() != nil {
		return nil, nil
	}
	for _, server := range future.Configuration().Servers {
		if server.Suffrage == raft.Voter {
			voters = append(voters, string(server.ID))
		} else {
			nonvoters = append(nonvoters, string(server.ID))
		}
	}
	slices.Sort(voters)
	slices.Sort(nonvoters)
	return voters, nonvoters
}

// observe is a goroutine: it passes on what Raft tells of leaders and heartbeats.
func (s *Store) observe() {
	// Raft drops what does not fit; whoever waits for a leader also looks again
	// after a moment.
	events := make(chan raft.Observation, 256)
	observer := raft.NewObserver(events, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.LeaderObservation, raft.FailedHeartbeatObservation, raft.ResumedHeartbeatObservation, raft.PeerObservation:
			return true
		}
		return false
	})
	s.raft.RegisterObserver(observer)
	defer s.raft.DeregisterObserver(observer)
	s.leaderChanged.all() // a leader that was found before there was an observer
	if _, id := s.raft.LeaderWithID(); id != "" {
		s.leaders.Add(1)
	}
	for {
		select {
		case event := <-events:
			s.noteEvent(event)
		case <-s.ctx.Done():
			s.leaderChanged.all()
			return
		}
	}
}

func (s *Store) noteEvent(event raft.Observation) {
	switch data := event.Data.(type) {
	case raft.LeaderObservation:
		if data.LeaderID == "" {
			s.tell(slog.LevelWarn, "there is no leader")
		} else {
			s.leaders.Add(1)
			s.tell(slog.LevelInfo, "the leader is known", "leader", string(data.LeaderID))
		}
		s.leaderChanged.all()
		return
	case raft.FailedHeartbeatObservation:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unreachable[string(data.PeerID)] = struct{}{}
	case raft.ResumedHeartbeatObservation:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.unreachable, string(data.PeerID))
	case raft.PeerObservation:
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.unreachable, string(data.Peer.ID))
	}
}

// tell logs what happens to leadership. While the disk refuses the log it happens all
// the time, and is no news.
func (s *Store) tell(level slog.Level, msg string, args ...any) {
	if s.logs.refusal() != nil {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, msg, args...)
}

func (s *Store) resetUnreachable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.unreachable)
}

func (s *Store) unreachableNodes() []string {
	members := s.State().Nodes // a heartbeat to a node that was removed may fail after it has left
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(func(yield func(string) bool) {
		for id := range maps.Keys(s.unreachable) {
			if _, member := members[id]; member && !yield(id) {
				return
			}
		}
	})
}
