package raftstore

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/tidwall/redcon"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// AdminHandler runs an admin command that another node has forwarded, and returns
// the raw RESP reply. It is called from one goroutine a connection, may block, and
// must not forward again.
type AdminHandler func(ctx context.Context, caller string, args [][]byte) []byte

// Store is one node's part of the replicated state.
type Store struct {
	cfg Config
	log *slog.Logger
	// raftLines keeps Raft's own complaints from filling the log.
	raftLines *repeats
	disk      *disk
	port      *peer.Port
	book      *book
	table     *table
	fsm       *fsm
	self      topology.Node // as this node wants to be known; Voter and JoinedAt unset
	run       string        // names this process; see twin.go

	raft      *raft.Raft
	transport *transport
	logs      *logStore
	stopRaft  func() raft.Future // the first call shuts Raft down, all return the same
	rpc       *redcon.Server

	admin         atomic.Pointer[AdminHandler]
	work          atomic.Pointer[func(context.Context)] // see SetLeaderWork
	leaderChanged broadcast
	nudge         chan struct{} // one slot: the leader's loop has something to do

	lease            lease                  // this node's
	leases           atomic.Pointer[leases] // everybody's, while this node leads; nil else
	ackNow, renewNow chan struct{}          // one slot each: sendAcks, keepLease have something to do

	commits commitTimes
	leaders atomic.Uint64 // how often this node has learned of a leader

	seen    atomic.Bool // this node was in the published table once
	removed atomic.Bool

	failOnce sync.Once
	failed   chan struct{}
	failure  error // written before failed is closed

	ctx       context.Context // ends when Close begins, or with a failure
	cancel    context.CancelCauseFunc
	wg        sync.WaitGroup
	closeOnce sync.Once
	closed    chan struct{}

	// mu guards what follows.
	mu          sync.Mutex
	closing     bool // no goroutine is started any more
	identity    identity
	unreachable map[string]struct{} // of the leader: nodes whose heartbeats fail
}

// State returns the table as this node knows it. It is never nil, never older
// than one that was returned before, and not to be modified.
func (s *Store) State() *topology.State { return s.table.state.Load() }

// Subscribe returns a channel of one slot that gets a value when State has
// changed, and a function that ends the subscription.
func (s *Store) Subscribe() (<-chan struct{}, func()) { return s.table.subscribe() }

// WaitEpoch returns when State is of that epoch or a later one.
func (s *Store) WaitEpoch(ctx context.Context, epoch uint64) error {
	return s.wait(ctx, func() bool { return s.State().Epoch >= epoch })
}

// waitApplied returns when this node's FSM has applied a log entry.
func (s *Store) waitApplied(ctx context.Context, index uint64) error {
	return s.wait(ctx, func() bool { return s.table.applied.Load() >= index })
}

// wait also ends when the store closes or fails: nothing will be applied then.
func (s *Store) wait(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	return s.table.wait(ctx, done)
}

// IsLeader says whether this node leads, as far as it knows.
func (s *Store) IsLeader() bool { return s.raft.State() == raft.Leader }

// SetAdminHandler sets what the leader runs for an admin command that another node
// has forwarded.
func (s *Store) SetAdminHandler(handler func(ctx context.Context, caller string, args [][]byte) []byte) {
	h := AdminHandler(handler)
	s.admin.Store(&h)
}

// PeerInfo is what CODIS.PEER answers to a node that wants to join. The cluster ID
// is empty while this node is not a member itself.
func (s *Store) PeerInfo() (clusterID, nodeID, peerAddr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity.Phase != phaseMember {
		return "", s.self.ID, s.self.PeerAddr
	}
	return s.identity.ClusterID, s.self.ID, s.self.PeerAddr
}

// Failed is closed when the node can't go on: an entry of the log is unknown, the
// cluster has refused it, or it was removed. Err says why. The last table is
// still served; the process should stop.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err returns why the store has failed, or nil.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// fail ends this node's part in the cluster: Raft stops, so that it disturbs
// nobody, and the last table stays.
func (s *Store) fail(err error) {
	s.failOnce.Do(func() {
		s.failure = err
		s.cancel(err) // first: whoever hears of the failure finds the store stopped
		close(s.failed)
		s.lease.end()
		s.log.Error("this node has stopped taking part in the cluster", "error", err)
		future := s.stopRaft()
		// Waited for, because that also closes the transport: peers are refused then,
		// instead of waiting for answers.
		s.spawn(func() { _ = future.Error() })
	})
}

// whyStopped is the error of everything that is asked of a store that has stopped.
func (s *Store) whyStopped() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if s.removed.Load() {
		return ErrRemoved
	}
	return nil
}

func (s *Store) setPhase(p phase) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.identity.Phase == p {
		return nil
	}
	next := s.identity
	next.Phase = p
	if err := s.disk.setIdentity(next); err != nil {
		return err
	}
	s.identity = next
	return nil
}

func (s *Store) phase() phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity.Phase
}

// isSelf says whether a node of the table is this one, and not another directory
// under the same ID.
func (s *Store) isSelf(n topology.Node) bool {
	return n.ID == s.self.ID && n.Incarnation == s.self.Incarnation
}

// spawn starts a goroutine that Close waits for; false when it is too late.
func (s *Store) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.wg.Go(f)
	return true
}

// watch is a goroutine: it looks at each new table for what concerns this node
// itself, and at the FSM's health.
func (s *Store) watch() {
	changed, stop := s.Subscribe()
	defer stop()
	for {
		var again <-chan time.Time
		if s.lookForSelf() {
			again = time.After(s.cfg.RetryMin)
		}
		select {
		case <-changed:
			s.wake()
		case <-again:
		case <-s.fsm.failed:
			s.fail(s.fsm.err())
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// lookForSelf notices when this node has become a member, and when it is one no
// longer. A table without it means nothing before that: a joiner replays tables
// from before it joined. It reports whether to look again soon: a node that was
// removed from the table still has its vote, and maybe leads, until Raft's
// configuration has followed; without that vote there may be no majority for it.
func (s *Store) lookForSelf() (again bool) {
	state := s.State()
	if s.isSelf(state.Nodes[s.self.ID]) {
		if !s.seen.Swap(true) {
			s.log.Info("this node is in the table", "cluster", state.ClusterID, "epoch", state.Epoch)
		}
		if err := s.setPhase(phaseMember); err != nil {
			s.log.Error("can't record that this node is a member", "error", err)
		}
		return false
	}
	if !s.seen.Load() {
		return false
	}
	if !s.removed.Swap(true) {
		s.log.Warn("this node was removed from the cluster")
	}
	if !s.gone(s.self.ID) {
		return true
	}
	s.leaveForGood()
	return false
}

// gone says whether Raft's committed configuration is without a node. Not the latest
// one: a leader that removes itself must not stop before the others have it.
func (s *Store) gone(id string) bool {
	servers := s.fsm.knownServers()
	return len(servers) > 0 && !slices.Contains(servers, id)
}

// leaveForGood is what a node does once neither the table nor Raft has it.
func (s *Store) leaveForGood() {
	s.removed.Store(true)
	if err := s.setPhase(phaseRemoved); err != nil {
		s.log.Error("can't record that this node was removed", "error", err)
	}
	s.fail(fmt.Errorf("%w: stop it; to let it join again, delete %s and start it with a join address", ErrRemoved, s.cfg.Dir))
}

// leftBehind is what a node does when a member tells it that their cluster was
// recovered without it. It must not go on: together with others of the kind it would
// be a second cluster over the same servers.
func (s *Store) leftBehind(why error) {
	if err := s.setPhase(phaseRemoved); err != nil {
		s.log.Error("can't record that the cluster was recovered without this node", "error", err)
	}
	s.fail(fmt.Errorf("%w: stop it; to let it join again, delete %s and start it with a join address: %w", ErrLeftBehind, s.cfg.Dir, why))
}

// wake tells the leader's loop to look now.
func (s *Store) wake() {
	poke(s.nudge)
}
