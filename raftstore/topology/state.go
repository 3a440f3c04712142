// Package topology is the pure core of the replicated state: slots, groups,
// servers, nodes, jobs and settings, the commands that change them, and Apply, which
// turns a state and a command into the next state. It has no I/O, no clock, no
// random source and no goroutine; raftstore drives it, everyone else reads its
// values. A State that has been published is never modified: Apply copies what
// it changes.
package topology

// SlotCount is the number of slots that keys are hashed to, as in Codis.
const SlotCount = 1024

// State is the whole replicated state of a cluster, control data only.
type State struct {
	// Format is what the cluster goes by, and the version of this structure as it is
	// written to snapshots.
	Format Format `json:"format"`
	// ClusterID names the cluster; it is made once, by the node that bootstraps.
	ClusterID string `json:"cluster_id"`
	// Epoch is the Raft index of the entry that made this state.
	Epoch uint64 `json:"epoch"`
	// Slots is indexed by slot number.
	Slots [SlotCount]Slot `json:"slots"`
	// Groups and Nodes are keyed by their IDs.
	Groups map[int]Group   `json:"groups"`
	Nodes  map[string]Node `json:"nodes"`
	// Jobs has the unfinished ones and the last MaxFinishedJobs others, by ID.
	Jobs map[uint64]Job `json:"jobs"`
	// Settings holds only what differs from the defaults in the settings table.
	Settings Settings `json:"settings"`
	// History is bounded, oldest change first.
	History []Change `json:"history"`
	// Requests remembers the outcome of recent commands by request ID, so that a
	// command that is applied twice changes nothing the second time. Bounded,
	// oldest first.
	Requests []Outcome `json:"requests"`
}

// Slot says who serves one of the 1024 slots.
type Slot struct {
	Phase Phase `json:"phase"`
	// Group owns the slot; 0 while the slot is unassigned.
	Group int `json:"group"`
	// Target is the group that the slot moves to; 0 when it does not move.
	Target int `json:"target,omitempty"`
	// Epoch is the Raft index of the SlotsHold entry, which every step and every
	// script of this move is fenced with, and Job is the job; both are 0 when the
	// slot does not move.
	Epoch uint64 `json:"epoch,omitempty"`
	Job   uint64 `json:"job,omitempty"`
	// Reverse: the slot goes back in the middle of a move: Group has a set, named as
	// the moved sets of Epoch, of the keys whose values at Target don't count.
	Reverse bool `json:"reverse,omitempty"`
}

// Group is a master redis-server and its replicas.
type Group struct {
	// ID is between 1 and MaxGroupID.
	ID int `json:"id"`
	// Epoch is the Raft index of the last entry that changed this group.
	Epoch uint64 `json:"epoch"`
	// Master is the address of the server in Servers that takes writes.
	Master string `json:"master"`
	// Servers is in the order in which they were attached.
	Servers []Server `json:"servers"`
	// Auth overrides the cluster's backend-user and backend-password; nil means
	// that the settings apply.
	Auth *Credentials `json:"auth,omitempty"`
	// Turn is the change of the master that is under way; nil for none.
	Turn *Turn `json:"turn,omitempty"`
	// Turned is the epoch of the last turn that changed the master, 0 for never, and
	// FailoverAt when the last one ended that nobody asked for, in Unix milliseconds.
	Turned     uint64 `json:"turned,omitempty"`
	FailoverAt int64  `json:"failover_at,omitempty"`
	// Forks are masters that were replaced and whose loss is not measured yet, in
	// the order of their epochs.
	Forks []Fork `json:"forks,omitempty"`
}

// Server is one redis-server, as it was seen when it was attached.
type Server struct {
	// Addr is host:port.
	Addr string `json:"addr"`
	// Zone is where it runs, for replica reads from the nearest; may be empty.
	Zone string `json:"zone,omitempty"`
	// Version, RunID and ReplID are redis_version, run_id and master_replid of
	// INFO, recorded at attach time and when the leader sees them change.
	Version string `json:"version"`
	RunID   string `json:"run_id"`
	ReplID  string `json:"replid"`
}

// Credentials are what AUTH takes; an empty User means AUTH with the password only.
type Credentials struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password"`
}

// Node is one running codis: a RESP proxy and a Raft peer.
type Node struct {
	ID string `json:"id"`
	// Incarnation is made once per data directory: a wiped node is another node.
	Incarnation string `json:"incarnation"`
	// Addr, PeerAddr and HTTPAddr are the advertised host:port of the client
	// port, the peer port and the dashboard.
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"`
	Zone     string `json:"zone,omitempty"`
	Version  string `json:"version"`
	// Voter says whether the node counts for the quorum.
	Voter bool `json:"voter"`
	// JoinedAt is in Unix milliseconds, by the clock of the leader of that time.
	JoinedAt int64 `json:"joined_at"`
}

// Change is one line of the history: who changed what, when.
type Change struct {
	Epoch uint64 `json:"epoch"`
	// At is in Unix milliseconds, by the clock of the node that proposed it.
	At   int64  `json:"at"`
	Who  string `json:"who"`
	What string `json:"what"`
}
