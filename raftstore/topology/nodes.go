package topology

import "fmt"

// MaxVoters is how many nodes count for the quorum; further nodes only learn.
const MaxVoters = 5

// ClusterInit is the first command of a cluster: its ID and its first node.
type ClusterInit struct {
	ClusterID string `json:"cluster_id"`
	Node      Node   `json:"node"`
	// Format is what the founder knows, and the cluster goes by; 0 is the oldest one,
	// from when a founder did not say.
	Format Format `json:"format,omitempty"`
}

func (b ClusterInit) word() string { return "cluster-init" }

func (b ClusterInit) describe(*State) string {
	return fmt.Sprintf("cluster %s started by node %s", b.ClusterID, b.Node.ID)
}

func (b ClusterInit) apply(s *State, c Command, _ uint64) *Error {
	if s.ClusterID != "" {
		return refuse(CodeExists, "the cluster has the ID %s already", s.ClusterID)
	}
	if b.ClusterID == "" {
		return refuse(CodeBadArg, "the cluster ID is empty")
	}
	if err := checkWords(word{"cluster ID", b.ClusterID}); err != nil {
		return err
	}
	if err := b.Node.check(); err != nil {
		return err
	}
	node := b.Node
	node.Voter, node.JoinedAt = true, c.At
	s.ClusterID = b.ClusterID
	s.Format = max(oldestFormat, b.Format)
	s.Nodes[node.ID] = node
	return nil
}

// NodeJoin adds a node. It starts without a vote. Joining twice with the same
// incarnation is fine: the second time brings the addresses up to date.
type NodeJoin struct {
	Node Node `json:"node"`
}

func (b NodeJoin) word() string { return "node-join" }

func (b NodeJoin) describe(*State) string {
	return fmt.Sprintf("node %s joined at %s", b.Node.ID, b.Node.Addr)
}

func (b NodeJoin) apply(s *State, c Command, index uint64) *Error {
	if err := b.Node.check(); err != nil {
		return err
	}
	if old, ok := s.Nodes[b.Node.ID]; ok {
		if old.Incarnation != b.Node.Incarnation {
			return refuse(CodeExists, "node ID %s is taken by the node at %s", old.ID, old.Addr).
				hint("choose another ID, or run CODIS.NODE REMOVE %s if that node is gone for good", old.ID)
		}
		return NodeAnnounce(b).apply(s, c, index)
	}
	node := b.Node
	node.Voter, node.JoinedAt = false, c.At
	s.Nodes[node.ID] = node
	return nil
}

// NodeAnnounce brings a node's addresses, zone and version up to date.
type NodeAnnounce struct {
	Node Node `json:"node"`
}

func (b NodeAnnounce) word() string { return "node-announce" }

func (b NodeAnnounce) describe(*State) string {
	return fmt.Sprintf("node %s is at %s, peers at %s, version %s", b.Node.ID, b.Node.Addr, b.Node.PeerAddr, b.Node.Version)
}

func (b NodeAnnounce) apply(s *State, _ Command, _ uint64) *Error {
	if err := b.Node.check(); err != nil {
		return err
	}
	old, ok := s.Nodes[b.Node.ID]
	if !ok {
		return noNode(b.Node.ID)
	}
	if old.Incarnation != b.Node.Incarnation {
		return refuse(CodeExists, "node ID %s belongs to another data directory, at %s", old.ID, old.Addr)
	}
	node := b.Node
	node.Voter, node.JoinedAt = old.Voter, old.JoinedAt
	s.Nodes[node.ID] = node
	return nil
}

// NodeRemove takes a node out of the cluster for good.
type NodeRemove struct {
	ID string `json:"id"`
}

func (b NodeRemove) word() string { return "node-remove" }

func (b NodeRemove) describe(*State) string { return "node " + b.ID + " removed" }

func (b NodeRemove) apply(s *State, _ Command, _ uint64) *Error {
	node, ok := s.Nodes[b.ID]
	if !ok {
		return noNode(b.ID)
	}
	if node.Voter && s.Voters() == 1 {
		return refuse(CodeBusy, "node %s is the last voter", b.ID).hint("a cluster can't go on without it; let another node join first")
	}
	delete(s.Nodes, b.ID)
	return nil
}

// NodeSetVoter records that a node counts for the quorum, or no longer does. It
// follows Raft's own configuration, which is what really decides.
type NodeSetVoter struct {
	ID    string `json:"id"`
	Voter bool   `json:"voter"`
	// Reason is for the history; empty where there is nothing to say.
	Reason string `json:"reason,omitempty"`
}

func (b NodeSetVoter) word() string { return "node-set-voter" }

func (b NodeSetVoter) since() Format {
	if b.Reason != "" {
		return 3
	}
	return oldestFormat
}

func (b NodeSetVoter) describe(*State) string {
	if b.Voter {
		return "node " + b.ID + " became a voter"
	}
	if b.Reason != "" {
		return "node " + b.ID + " is no longer a voter: " + b.Reason
	}
	return "node " + b.ID + " is no longer a voter"
}

func (b NodeSetVoter) apply(s *State, _ Command, _ uint64) *Error {
	node, ok := s.Nodes[b.ID]
	switch {
	case !ok:
		return noNode(b.ID)
	case node.Voter == b.Voter:
		return nil
	case b.Voter && s.Voters() == MaxVoters:
		return refuse(CodeBusy, "there are %d voters already", MaxVoters)
	case !b.Voter && s.Voters() == 1:
		return refuse(CodeBusy, "node %s is the last voter", b.ID)
	}
	node.Voter = b.Voter
	s.Nodes[b.ID] = node
	return nil
}

// Voters returns how many nodes count for the quorum.
func (s *State) Voters() int {
	count := 0
	for _, node := range s.Nodes {
		if node.Voter {
			count++
		}
	}
	return count
}

func noNode(id string) *Error {
	return refuse(CodeNoNode, "there is no node %q", clip(id)).hint("CODIS.NODES lists them")
}

// CheckNode says why a node can't be part of a state.
func CheckNode(n Node) error {
	if err := n.check(); err != nil {
		return err
	}
	return nil
}

func (n Node) check() *Error {
	if err := CheckNodeID(n.ID); err != nil {
		return asRefusal(err)
	}
	if n.Incarnation == "" {
		return refuse(CodeBadArg, "node %s has no incarnation", n.ID)
	}
	for _, addr := range []string{n.Addr, n.PeerAddr} {
		if err := CheckAddr(addr); err != nil {
			return asRefusal(err)
		}
	}
	// A node may run without an HTTP listener.
	if n.HTTPAddr != "" {
		if err := CheckAddr(n.HTTPAddr); err != nil {
			return asRefusal(err)
		}
	}
	return checkWords(word{"incarnation", n.Incarnation}, word{"zone", n.Zone}, word{"version", n.Version})
}
