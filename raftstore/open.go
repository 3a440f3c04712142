package raftstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

const (
	snapshotsKept = 2
	maxPending    = 128 // connections to the peer port that have not proven themselves
)

// Open starts this node's part of the cluster. An empty directory without Join
// begins a cluster of its own; with Join it asks to become a member; a directory
// that is a member goes on from where it was. It returns once the node runs: a
// refusal that comes at once is an error of Open, one that comes later fails the
// store (see Failed); whether the node is a member yet, Status tells.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("raftstore: %w", err)
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger.With("component", "raftstore"), commits: newCommitTimes(),
		nudge: make(chan struct{}, 1), ackNow: make(chan struct{}, 1), renewNow: make(chan struct{}, 1), failed: make(chan struct{}), closed: make(chan struct{}),
		run: rand.Text(), unreachable: map[string]struct{}{}, raftLines: &repeats{last: map[string]time.Time{}},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	if err := s.open(ctx); err != nil {
		s.stop(ctx)
		return nil, fmt.Errorf("raftstore: %w", err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	if s.disk, err = openDisk(s.cfg.Dir, s.cfg.LockTimeout); err != nil {
		return err
	}
	if s.logs, err = openLogs(s.cfg); err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(s.cfg.Dir, snapshotsKept, s.newRaftLogger())
	if err != nil {
		return fmt.Errorf("open snapshots of %s: %w", s.cfg.Dir, err)
	}
	hasLog, err := raft.HasExistingState(s.logs, s.logs, snapshots)
	if err != nil {
		return fmt.Errorf("look at the log of %s: %w", s.cfg.Dir, err)
	}
	if err := s.identify(hasLog); err != nil {
		return err
	}
	if s.phase() == phaseMember {
		if err := s.checkJoin(ctx); err != nil {
			return err
		}
	}
	if err := s.openTable(); err != nil {
		return err
	}
	if err := s.lookForTwin(ctx); err != nil {
		return err
	}
	if err := s.openPort(); err != nil {
		return err
	}
	if err := s.startRaft(snapshots, hasLog); err != nil {
		return err
	}
	s.startRPC()
	for _, loop := range []func(){s.watch, s.followLeadership, s.observe, s.announce, s.keepLease, s.sendAcks} {
		s.spawn(loop)
	}
	if s.phase() == phaseJoining {
		return s.beginJoin(ctx)
	}
	return nil
}

// identify finds out who this directory is, or makes a new node of it.
func (s *Store) identify(hasLog bool) error {
	id, err := s.disk.identity()
	if err != nil {
		return err
	}
	if id != nil && id.Phase == phaseJoining && s.cfg.ID != "" && s.cfg.ID != id.NodeID && !hasLog {
		s.log.Warn("an earlier attempt to join under another ID was not finished; if that node is in CODIS.NODES, remove it",
			"earlier", id.NodeID, "id", s.cfg.ID)
		id = nil
	}
	if id == nil {
		if hasLog {
			return fmt.Errorf("%w: %s has a log but no identity", ErrDirectory, s.cfg.Dir)
		}
		id = s.newIdentity()
	}
	id.Starts++
	s.identity = *id
	switch {
	case s.cfg.ID != "" && s.cfg.ID != id.NodeID:
		return fmt.Errorf("%w: %s belongs to node %s, not to %s", ErrDirectory, s.cfg.Dir, id.NodeID, s.cfg.ID)
	case id.Phase == phaseRemoved:
		return fmt.Errorf("%w: %s belongs to node %s of cluster %s; delete it and start with a join address, to join again",
			ErrRemoved, s.cfg.Dir, id.NodeID, id.ClusterID)
	case id.Recovering != "":
		return fmt.Errorf("%w: a recovery of %s was cut short; run codis recover --dir %s again", ErrDirectory, s.cfg.Dir, s.cfg.Dir)
	case id.Phase == phaseJoining && len(s.cfg.Join) == 0:
		return fmt.Errorf("%w: %s belongs to node %s, which has not finished joining; give the join address again",
			ErrDirectory, s.cfg.Dir, id.NodeID)
	case id.Phase == phaseBootstrapping && len(s.cfg.Join) > 0:
		return fmt.Errorf("%w: %s belongs to node %s, which began a cluster of its own; delete it to join another one",
			ErrDirectory, s.cfg.Dir, id.NodeID)
	}
	return s.disk.setIdentity(*id)
}

func (s *Store) newIdentity() *identity {
	id := &identity{NodeID: s.cfg.ID, Incarnation: rand.Text(), Phase: phaseJoining}
	if id.NodeID == "" {
		id.NodeID = "n-" + strings.ToLower(rand.Text()[:8])
	}
	if len(s.cfg.Join) == 0 {
		id.ClusterID, id.Phase = strings.ToLower(rand.Text()), phaseBootstrapping
	}
	return id
}

// openTable loads the last table, which is served until Raft has caught up.
func (s *Store) openTable() error {
	state, _, err := s.disk.table()
	if err != nil {
		return err
	}
	if state == nil {
		state = topology.NewState()
	}
	s.table = newTable(state)
	s.book = newBook(s.table)
	s.fsm = newFSM(s.disk, s.table, s.log)
	s.fsm.now = s.now
	if node, ok := state.Nodes[s.identity.NodeID]; ok && node.Incarnation == s.identity.Incarnation {
		s.seen.Store(true)
	}
	return nil
}

func (s *Store) peerConfig() peer.Config {
	return peer.Config{
		Addr: s.cfg.PeerAddr, Secret: []byte(s.cfg.Secret),
		Self:             peer.Identity{ID: s.identity.NodeID, Incarnation: s.identity.Incarnation},
		HandshakeTimeout: s.cfg.PeerTimeout, MaxPending: maxPending, Logger: s.log,
	}
}

func (s *Store) openPort() error {
	port, err := peer.Listen(s.peerConfig())
	if err != nil {
		return err
	}
	s.port = port
	if s.identity.ClusterID != "" {
		port.SetCluster(s.identity.ClusterID)
	}
	s.self = topology.Node{
		ID: s.identity.NodeID, Incarnation: s.identity.Incarnation,
		Addr: s.cfg.ClientAdvertise, PeerAddr: s.cfg.PeerAdvertise, HTTPAddr: s.cfg.HTTPAdvertise,
		Zone: s.cfg.Zone, Version: s.cfg.Version,
	}
	if s.self.PeerAddr == "" {
		s.self.PeerAddr = port.Addr()
	}
	if host, _, err := net.SplitHostPort(s.self.PeerAddr); err == nil && net.ParseIP(host).IsUnspecified() {
		s.log.Warn("the advertised peer address can't be reached from other machines", "address", s.self.PeerAddr)
	}
	return topology.CheckNode(s.self)
}

func (s *Store) startRaft(snapshots raft.SnapshotStore, hasLog bool) error {
	cache, err := raft.NewLogCache(int(s.cfg.TrailingLogs), s.logs)
	if err != nil {
		return err
	}
	s.transport = s.newTransport()
	if s.raft, err = raft.NewRaft(s.raftConfig(), s.fsm, cache, s.logs, snapshots, s.transport); err != nil {
		return errors.Join(fmt.Errorf("start raft in %s: %w", s.cfg.Dir, err), s.transport.Close())
	}
	s.stopRaft = sync.OnceValue(s.raft.Shutdown)
	if s.phase() == phaseBootstrapping && !hasLog {
		first := raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(s.self.ID), Address: raft.ServerAddress(s.self.ID)}
		if err := s.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{first}}).Error(); err != nil {
			return fmt.Errorf("bootstrap in %s: %w", s.cfg.Dir, err)
		}
		s.log.Warn("this directory is new, and no join address was given: this node begins a new cluster; if it should be a member of one, stop it, and look at its directory or give a join address",
			"directory", s.cfg.Dir, "cluster", s.identity.ClusterID, "id", s.self.ID)
	}
	return s.hurryElection()
}

func (s *Store) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.self.ID)
	c.HeartbeatTimeout, c.ElectionTimeout = s.cfg.HeartbeatTimeout, s.cfg.ElectionTimeout
	c.LeaderLeaseTimeout, c.CommitTimeout = s.cfg.LeaseTimeout, s.cfg.CommitTimeout
	c.SnapshotThreshold, c.SnapshotInterval, c.TrailingLogs = s.cfg.SnapshotThreshold, s.cfg.SnapshotInterval, s.cfg.TrailingLogs
	c.Logger = s.newRaftLogger()
	c.NoLegacyTelemetry = true
	// A removed node stops Raft itself, in fail, which Close can wait for.
	c.ShutdownOnRemove = false
	return c
}

// hurryElection makes a node that is the only voter leader at once. Nobody else
// can be the leader, so there is nobody to wait for.
func (s *Store) hurryElection() error {
	future := s.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return fmt.Errorf("raft configuration: %w", err)
	}
	for _, server := range future.Configuration().Servers {
		if (server.Suffrage == raft.Voter) != (server.ID == raft.ServerID(s.self.ID)) {
			return nil
		}
	}
	if len(future.Configuration().Servers) == 0 {
		return nil
	}
	me := raft.ServerID(s.self.ID)
	request := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(me), Addr: []byte(me),
	}}
	if err := s.transport.TimeoutNow(me, raft.ServerAddress(me), request, &raft.TimeoutNowResponse{}); err != nil {
		s.log.Debug("the election was not hurried", "error", err)
	}
	return nil
}
