package raftstore

import (
	"context"
	"encoding/json"
	"fmt"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// Two processes with copies of one directory, a virtual machine that was cloned or a
// disk that was restored elsewhere, would hold one node's votes and lease twice. A
// lock keeps them off one directory; against copies there is this:
//   - a process that starts looks whether somebody answers as this node where the
//     table says that it is, and does not start then;
//   - the leader takes renewals of one process only: the one that was started last,
//     of those the one that was heard first (ledger.hear). The other one stops.
//
// Either way both are told. Until then a copy may have voted: a directory must not be
// copied and started.

// lookForTwin looks for a process that runs as this node already.
func (s *Store) lookForTwin(ctx context.Context) error {
	known, member := s.State().Nodes[s.identity.NodeID]
	if !member || known.Incarnation != s.identity.Incarnation {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HeartbeatTimeout)
	defer cancel()
	self := peer.Identity{ID: s.identity.NodeID, Incarnation: s.identity.Incarnation}
	// This node's own port is not open yet: whoever answers is somebody else, even if
	// that address leads back to this machine.
	c, err := peer.Visit(ctx, s.peerConfig(), s.identity.ClusterID, known.PeerAddr, self)
	if err != nil {
		return nil // most likely, nobody is there
	}
	defer c.Close()
	hello := greeting{Run: s.run, sighting: sighting{Starts: s.identity.Starts, Node: topology.Node{
		ID: self.ID, Incarnation: self.Incarnation, Addr: s.cfg.ClientAdvertise, PeerAddr: s.cfg.PeerAddr,
	}}}
	if text, err := json.Marshal(hello); err == nil {
		// So that it tells its operator too. Whether it does, changes nothing here.
		_, _ = peer.Call(ctx, c, "ANNOUNCE", string(text))
	}
	return fmt.Errorf("%w: node %s runs at %s (peers at %s); stop it first, or delete %s and join as a new node",
		ErrTwin, self.ID, known.Addr, known.PeerAddr, s.cfg.Dir)
}

// meetTwin tells about a process that greets as this node.
func (s *Store) meetTwin(g greeting) {
	if g.Node.ID == s.self.ID && g.Node.Incarnation == s.self.Incarnation && g.Run != "" && g.Run != s.run {
		s.log.Error("another process was started with a copy of this node's directory; it was refused", "id", s.self.ID,
			"its_address", g.Node.Addr, "its_peer_address", g.Node.PeerAddr)
	}
}

// refusedAsTwin stops this process: the leader takes another one for this node.
func (s *Store) refusedAsTwin(why error) {
	s.fail(fmt.Errorf("%w: the leader knows a later, or an earlier process of node %s: stop one of the two; if %s was restored from a copy, "+
		"delete it and join as a new node: %w", ErrTwin, s.self.ID, s.cfg.Dir, why))
}
