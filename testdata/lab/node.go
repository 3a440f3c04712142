package lab

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"codis/admin/demo"
	"codis/admin/demo/child"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// Node is one codis node, which can be killed and started again with the same
// ports and directory.
type Node struct {
	*child.Process
	ID string
	// Addr is for clients, PeerAddr for other nodes, HTTP for metrics.
	Addr, PeerAddr, HTTP string
	// Port is that of Addr.
	Port int

	lab  *Lab
	spec child.Spec
}

// NodeSpec says how to start a node.
type NodeSpec struct {
	ID string
	// Path is the program.
	Path string
	// AdvertisePeer gives the address that other nodes are told, from the one that
	// the node listens at; nil: that one.
	AdvertisePeer func(id, addr string) (string, error)
	// Join is the client address of a member; empty: found a cluster.
	Join string
	// More is added to the command line.
	More []string
}

// StartNode starts a node and waits until it answers PING.
func (l *Lab) StartNode(ctx context.Context, s NodeSpec) (*Node, error) {
	ports, err := FreePorts(3)
	if err != nil {
		return nil, err
	}
	n := &Node{ID: s.ID, lab: l, Port: ports[0], Addr: Address(ports[0]), PeerAddr: Address(ports[1]), HTTP: Address(ports[2])}
	args := []string{"start", "--id", s.ID, "--dir", filepath.Join(l.Dir, "node-"+s.ID),
		"--addr", n.Addr, "--peer-addr", n.PeerAddr, "--http-addr", n.HTTP}
	if s.AdvertisePeer != nil {
		advertise, err := s.AdvertisePeer(s.ID, n.PeerAddr)
		if err != nil {
			return nil, err
		}
		args = append(args, "--advertise-peer-addr", advertise)
	}
	if s.Join != "" {
		args = append(args, "--join", s.Join)
	}
	n.spec = child.Spec{Name: "node " + s.ID, Path: s.Path, Args: append(args, s.More...)}
	return n, n.Start(ctx)
}

// Start starts the process, again after a Kill, and waits until it answers.
func (n *Node) Start(ctx context.Context) (err error) {
	n.Process, err = n.lab.Launch(ctx, n.Addr, n.spec)
	return err
}

// Form makes groups, gives them all slots and waits until every node serves all of
// them. A node that has just founded its cluster may not know the cluster's ID yet,
// and refuses changes until it does.
func Form(ctx context.Context, nodes []string, groups []demo.Group) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := demo.Form(ctx, nodes[0], groups)
		var refusal *resp.ServerError
		switch {
		case err == nil:
			return errors.Join(demo.WaitVoters(ctx, nodes), demo.WaitServed(ctx, nodes))
		case !errors.As(err, &refusal) || refusal.Code != string(topology.CodeBadArg):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
