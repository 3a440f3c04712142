package raftstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// errUnknownNode is returned when there is no address of a node.
var errUnknownNode = errors.New("no address is known of node")

// errDiskStalled is what a leader's followers are told instead of heartbeats.
var errDiskStalled = errors.New("a write of the log hangs")

// dial connects to a node by ID, wherever it is. The incarnation is part of the
// name: messages for a node must never reach another data directory that has
// taken over its address, or its vote would count twice.
func (s *Store) dial(ctx context.Context, id string, kind peer.Kind) (net.Conn, error) {
	c, err := s.find(ctx, id, kind)
	if errors.Is(err, peer.ErrRecovered) {
		s.leftBehind(err)
	}
	if wrap := s.cfg.seams.wrap; wrap != nil && err == nil {
		c = wrap(id, c)
	}
	return c, err
}

func (s *Store) find(ctx context.Context, id string, kind peer.Kind) (net.Conn, error) {
	if id == s.self.ID {
		return s.port.Dial(ctx, s.port.Addr(), peer.Identity{ID: id, Incarnation: s.self.Incarnation}, kind)
	}
	records := s.book.find(id)
	if len(records) == 0 {
		return nil, fmt.Errorf("%w %s", errUnknownNode, id)
	}
	if len(records) == 1 {
		return s.dialNode(ctx, records[0], kind)
	}
	return s.dialFirst(ctx, records, kind)
}

func (s *Store) dialNode(ctx context.Context, node topology.Node, kind peer.Kind) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PeerTimeout)
	defer cancel()
	return s.port.Dial(ctx, node.PeerAddr, peer.Identity{ID: node.ID, Incarnation: node.Incarnation}, kind)
}

// dialFirst tries all addresses of a node at once and returns the first connection:
// one where nothing answers any more must not hold up heartbeats to the right one.
func (s *Store) dialFirst(ctx context.Context, records []topology.Node, kind peer.Kind) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make([]result, len(records))
	var dials sync.WaitGroup
	for i, node := range records {
		dials.Go(func() {
			conn, err := s.dialNode(ctx, node, kind)
			if results[i] = (result{conn, err}); err == nil {
				cancel() // the others give up
			}
		})
	}
	dials.Wait()
	var first net.Conn
	var errs []error
	for _, r := range results {
		switch {
		case r.err != nil:
			errs = append(errs, r.err)
		case first == nil:
			first = r.conn
		default:
			r.conn.Close()
		}
	}
	if first != nil {
		return first, nil
	}
	return nil, errors.Join(errs...)
}

// streamLayer gives Raft the connections of the peer port. To Raft a server's
// address is its ID, so that its configuration never goes stale when a node
// moves, and two servers never have the same address.
type streamLayer struct {
	net.Listener
	store *Store
}

// nodeAddr is a node's ID as an address.
type nodeAddr string

func (a nodeAddr) Network() string { return "codis" }
func (a nodeAddr) String() string  { return string(a) }

// Addr implements net.Listener.
func (l *streamLayer) Addr() net.Addr { return nodeAddr(l.store.self.ID) }

// Dial implements raft.StreamLayer.
func (l *streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.store.ctx, timeout)
	defer cancel()
	return l.store.dial(ctx, string(address), peer.KindRaft)
}

// transport is Raft's network transport, which falls silent while a write of the
// log hangs. A leader whose disk hangs is stuck in that write and can't step
// down, but its heartbeats are sent by other goroutines: without this they would
// keep the followers from electing a leader that works.
type transport struct {
	*raft.NetworkTransport
	stalled func() bool
}

func (s *Store) newTransport() *transport {
	return &transport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Logger:  s.newRaftLogger(),
			Stream:  &streamLayer{Listener: s.port.Raft(), store: s},
			MaxPool: 2,
			// No pipelining: all messages go through AppendEntries below. There is
			// nothing to gain at a few commands a second.
			MaxRPCsInFlight:         1,
			Timeout:                 s.cfg.PeerTimeout,
			MsgpackUseNewTimeFormat: true,
		}),
		stalled: s.logs.stalled,
	}
}

// AppendEntries implements raft.Transport.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if t.stalled() {
		return errDiskStalled
	}
	return t.NetworkTransport.AppendEntries(id, target, args, resp)
}
