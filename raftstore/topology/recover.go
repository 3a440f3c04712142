package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Recovery describes how a cluster goes on from what one node knows, after the
// majority of its voters was lost for good.
type Recovery struct {
	// NodeID is that node; it is the only member afterwards, and a voter.
	NodeID string
	// ClusterID is the new one: to the old members the cluster is another one.
	ClusterID string
	// Epoch is that of the state afterwards. No epoch that the lost nodes may have
	// used is as high: servers know epochs, and late commands of old leaders must not
	// pass for new ones.
	Epoch uint64
	// Who did it, and when, in Unix milliseconds.
	Who string
	At  int64
}

// Recover returns the state with which the cluster goes on. s is not modified.
func Recover(s *State, r Recovery) (*State, error) {
	node, ok := s.Nodes[r.NodeID]
	switch {
	case !ok:
		return nil, fmt.Errorf("node %s is not in its own table", r.NodeID)
	case r.Epoch <= s.Epoch:
		return nil, fmt.Errorf("epoch %d does not come after %d", r.Epoch, s.Epoch)
	}
	next := s.clone()
	next.ClusterID, next.Epoch = r.ClusterID, r.Epoch
	node.Voter = true
	next.Nodes = map[string]Node{node.ID: node}
	for id, g := range next.Groups {
		// The lost nodes may have turned it since: care's orders are fenced with this.
		g.Epoch = r.Epoch
		next.Groups[id] = g
	}
	left := slices.DeleteFunc(slices.Sorted(maps.Keys(s.Nodes)), func(id string) bool { return id == node.ID })
	what := fmt.Sprintf("cluster %s recovered as %s from node %s alone, with epoch %d; left behind: %s",
		s.ClusterID, r.ClusterID, node.ID, s.Epoch, orNone(strings.Join(left, " ")))
	next.History = appendBounded(next.History, Change{Epoch: r.Epoch, At: r.At, Who: clip(r.Who), What: clip(what)}, MaxHistory)
	return next, next.CheckInvariants()
}

func orNone(text string) string {
	if text == "" {
		return "no node"
	}
	return text
}
