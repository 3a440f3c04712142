package admin

import "context"

// Peer is what a node that wants to join must know before the handshake.
type Peer struct{ ClusterID, NodeID, PeerAddr string }

// Peer answers a joiner, which asks before it has any credentials.
func (o *Ops) Peer(ctx context.Context) (Peer, error) {
	cluster, node, addr := o.cfg.Store.PeerInfo()
	return Peer{ClusterID: cluster, NodeID: node, PeerAddr: addr}, nil
}
