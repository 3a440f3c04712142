package admin

import (
	"context"
	"time"

	"codis/raftstore/topology"
)

// Store is the replicated state as the operations need it. Every method may be
// called by any goroutine, and calls may overlap.
type Store interface {
	// State returns the local node's table, never nil, immutable. It does not block.
	State() *topology.State
	// Status tells how the local node stands in the Raft group. It does not block.
	Status() Status
	// IsLeader says whether the local node leads. It does not block.
	IsLeader() bool
	// Propose commits a command and returns once the local node has applied it.
	// ErrNoLeader says that none could be found in time; the command may have been
	// on its way.
	Propose(ctx context.Context, c topology.Command) (topology.Outcome, error)
	// Subscribe returns a channel that gets a value after State has changed, and what
	// ends the subscription. It does not block.
	Subscribe() (changed <-chan struct{}, end func())
	// WaitEpoch blocks until the local table is at epoch or later.
	WaitEpoch(ctx context.Context, epoch uint64) error
	// ForwardAdmin runs args on the leader and returns its raw RESP reply. It may
	// wait for a leader, and gives ErrNoLeader when none was found, so that nothing
	// was sent. It sends once and never again, since that may have had its effect.
	ForwardAdmin(ctx context.Context, caller string, args [][]byte) ([]byte, error)
	// RemoveNode takes a node out of the Raft group and the table; leader only.
	RemoveNode(ctx context.Context, id string, force bool) error
	// TransferLeadership hands leadership to a node, "" for any; leader only.
	TransferLeadership(ctx context.Context, id string) error
	// PeerInfo is what a node that wants to join must know of this one.
	PeerInfo() (clusterID, nodeID, peerAddr string)
}

// Status is how one node stands in the Raft group.
type Status struct {
	// ID is the local node's.
	ID string
	// Role is leader, follower, candidate or learner.
	Role string
	// LeaderID and LeaderAddr (its client address) are empty while there is none.
	LeaderID, LeaderAddr            string
	Term, CommitIndex, AppliedIndex uint64
	// Voters and Nonvoters are node IDs in the Raft configuration.
	Voters, Nonvoters []string
	// LastContact is how long ago this node heard from the leader; 0 on the
	// leader, negative when it never did.
	LastContact time.Duration
	// DiskError is why this node's disk refuses the log of the table; nil when all is
	// well.
	DiskError error
	// Joined says that the node is a member and has the table.
	Joined bool
	// Removed says that the node was taken out of the cluster.
	Removed bool
	// Unreachable are the nodes that do not answer the leader. Only the leader
	// knows; on other nodes it is empty.
	Unreachable []string
	// Leases is nil where no leases are kept, as in tests.
	Leases *Leases
}

// Leases is what a node knows of leases.
type Leases struct {
	// Left is how long this node may serve unless its lease is renewed, 0 when it has
	// none.
	Left time.Duration
	// Nodes is by ID, and nil on a node that does not lead.
	Nodes map[string]NodeLease
}

// NodeLease is what the leader knows of a node.
type NodeLease struct {
	// Age is how long ago the node was heard.
	Age time.Duration
	// Acked is the epoch of the table that the node serves by, 0 when not known yet.
	Acked uint64
	// Left is how long a lease of the node may live, 0 when it has none.
	Left time.Duration
}
