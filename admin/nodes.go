package admin

import (
	"context"
	"fmt"
	"slices"

	"codis/raftstore/topology"
)

// Node is a node as it is shown.
type Node struct {
	topology.Node
	// Role is leader, voter or nonvoter.
	Role string
	// Self says that this is the node that answers.
	Self bool
	// Lease is what the leader knows of the node, nil when it was not to be had.
	Lease *NodeLease
	// Up says that the lease was renewed in time; it means nothing without Lease.
	Up bool
	// Figures is what the node said of itself, nil when that is not known here.
	*Figures
}

// NodesQuery says how to look.
type NodesQuery struct {
	// Local asks nobody else: a node that takes another one for the leader might be
	// asked by it in turn.
	Local bool
}

// NodeList is all nodes, by ID.
type NodeList []Node

// Nodes lists all nodes by ID. What only the leader knows it is asked for.
func (o *Ops) Nodes(ctx context.Context, q NodesQuery) (NodeList, error) {
	state, status := o.cfg.Store.State(), o.cfg.Store.Status()
	nodes := o.known(ctx, status, q)
	limit := state.Settings.Duration("lease")
	list := make(NodeList, 0, len(state.Nodes))
	for _, id := range sortedKeys(state.Nodes) {
		n := Node{Node: state.Nodes[id], Role: "nonvoter", Self: id == status.ID, Lease: nodes[id].lease, Figures: nodes[id].figures}
		n.Up = n.Lease != nil && n.Lease.Age <= limit
		switch {
		case id == status.LeaderID:
			n.Role = "leader"
		case n.Voter || slices.Contains(status.Voters, id):
			n.Role = "voter"
		}
		list = append(list, n)
	}
	return list, nil
}

// NodeRemove names the node to be removed. Force removes it although it runs.
type NodeRemove struct {
	ID    string
	Force bool
}

// NodeRemove takes a node out of the cluster for good.
func (o *Ops) NodeRemove(ctx context.Context, _ Caller, r NodeRemove) (Done, error) {
	if err := o.knownNode(r.ID); err != nil {
		return Done{}, err
	}
	if err := o.cfg.Store.RemoveNode(ctx, r.ID, r.Force); err != nil {
		return Done{}, fmt.Errorf("remove node %s: %w", r.ID, err)
	}
	return Done{Notes: []string{fmt.Sprintf("node %s is no longer a member; stop it if it still runs. To come back it needs an empty directory and --join", r.ID)}}, nil
}

// NodeTransfer hands leadership to a node; ID is empty for any.
type NodeTransfer struct{ ID string }

// NodeTransfer hands leadership to another voter.
func (o *Ops) NodeTransfer(ctx context.Context, _ Caller, r NodeTransfer) (Done, error) {
	if err := o.knownNode(r.ID); err != nil {
		return Done{}, err
	}
	if r.ID == o.cfg.Store.Status().LeaderID {
		return Done{Notes: []string{fmt.Sprintf("node %s is the leader already", r.ID)}}, nil
	}
	if err := o.cfg.Store.TransferLeadership(ctx, r.ID); err != nil {
		return Done{}, fmt.Errorf("transfer leadership to node %s: %w", r.ID, err)
	}
	return Done{}, nil
}

// knownNode refuses an ID that no node has.
func (o *Ops) knownNode(id string) error {
	if _, ok := o.cfg.Store.State().Nodes[id]; !ok {
		return refuse(topology.CodeNoNode, "CODIS.NODES lists them", "there is no node %s", quote([]byte(id)))
	}
	return nil
}
