package admin

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// fakeCluster is the replicated state of several nodes in one process: the real
// topology.Apply without Raft, which is tested in raftstore.
type fakeCluster struct {
	mu     sync.Mutex
	state  *topology.State
	index  uint64
	leader string // "" for none
	// changed are the subscriptions.
	changed map[chan struct{}]bool
	nodes   map[string]*fakeStore
}

// fakeStore is the Store of one node.
type fakeStore struct {
	*fakeCluster
	id    string
	ops   *Ops
	mover *fakeMover
	keys  *fakeKeyspace
	// left is what is left of the lease, less than 0 for a node that knows of none.
	left time.Duration
	// acked are the acknowledgements that were passed on.
	acked []uint64
	// waited is the last epoch that WaitEpoch was asked for, forwards how often
	// a command was passed on, and proposeErr what Propose fails with.
	waited     uint64
	forwards   int
	forwardErr error
	proposeErr error
	// proposing is called before each proposal, nil for nothing.
	proposing func()
}

// newFakeCluster starts nodes n1 (the leader), n2 and n3 over servers.
func newFakeCluster(tb testing.TB, servers *fakeServers) *fakeCluster {
	tb.Helper()
	c := &fakeCluster{state: topology.NewState(), leader: "n1", nodes: map[string]*fakeStore{}, changed: map[chan struct{}]bool{}}
	keys := &fakeKeyspace{byAddr: map[string]*fakeKeys{}}
	for i := range 3 {
		id := fmt.Sprintf("n%d", i+1)
		n := topology.Node{ID: id, Incarnation: "inc-" + id, Addr: fmt.Sprintf("127.0.0.1:%d", 19000+i),
			PeerAddr: fmt.Sprintf("127.0.0.1:%d", 29000+i), HTTPAddr: fmt.Sprintf("127.0.0.1:%d", 39000+i), Version: "1.0.0"}
		c.mustApply(tb, topology.NodeJoin{Node: n}, topology.ClusterInit{ClusterID: "c0ffee", Node: n, Format: topology.StateFormat}, i == 0)
		if i > 0 {
			c.mustApply(tb, topology.NodeSetVoter{ID: id, Voter: true}, nil, false)
		}
		store := &fakeStore{fakeCluster: c, id: id, left: 4 * time.Second}
		cfg := DefaultConfig()
		cfg.Store, cfg.Servers, cfg.PeerSecret = store, servers, true
		cfg.Health = servers.health
		store.mover, store.keys = &fakeMover{}, keys
		cfg.Mover, cfg.Keyspace = store.mover, store.keys
		cfg.Ack = func(epoch uint64) { store.acked = append(store.acked, epoch) }
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
		ops, err := New(cfg)
		if err != nil {
			tb.Fatal(err)
		}
		store.ops = ops
		c.nodes[id] = store
	}
	return c
}

// mustApply applies body, or first instead of it for the first node.
func (c *fakeCluster) mustApply(tb testing.TB, body, first topology.Body, isFirst bool) {
	tb.Helper()
	if isFirst {
		body = first
	}
	if err := c.apply(topology.Command{Who: "test", Body: body}).Err(); err != nil {
		tb.Fatal(err)
	}
}

func (c *fakeCluster) apply(cmd topology.Command) topology.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	cmd.RequestID = fmt.Sprintf("r%d", c.index)
	cmd.At = 1_700_000_000_000 + int64(c.index)*1000
	next, out := topology.Apply(c.state, c.index, cmd)
	if err := next.CheckInvariants(); err != nil {
		panic(err)
	}
	c.state = next
	for changed := range c.changed {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	return out
}

func (s *fakeStore) State() *topology.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *fakeStore) Subscribe() (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := make(chan struct{}, 1)
	s.changed[changed] = true
	return changed, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.changed, changed)
	}
}

func (s *fakeStore) IsLeader() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leader == s.id
}

func (s *fakeStore) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{}
	st.ID, st.Role, st.LeaderID, st.Joined = s.id, "follower", s.leader, true
	if s.leader == s.id {
		st.Role = "leader"
	}
	if s.leader != "" {
		st.LeaderAddr = s.state.Nodes[s.leader].Addr
	}
	st.Leases = s.leases()
	st.Term, st.CommitIndex, st.AppliedIndex = 2, s.index, s.index
	for id, n := range s.state.Nodes {
		if n.Voter {
			st.Voters = append(st.Voters, id)
		} else {
			st.Nonvoters = append(st.Nonvoters, id)
		}
	}
	return st
}

func (s *fakeStore) Propose(ctx context.Context, c topology.Command) (topology.Outcome, error) {
	if s.proposeErr != nil {
		return topology.Outcome{}, s.proposeErr
	}
	if s.proposing != nil {
		s.proposing()
	}
	return s.apply(c), nil
}

func (s *fakeStore) WaitEpoch(ctx context.Context, epoch uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited = epoch
	return nil
}

func (s *fakeStore) ForwardAdmin(ctx context.Context, caller string, args [][]byte) ([]byte, error) {
	s.mu.Lock()
	leader := s.nodes[s.leader]
	s.forwards++
	err := s.forwardErr
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if leader == nil {
		return nil, fmt.Errorf("forward: %w", ErrNoLeader)
	}
	return leader.ops.ServeForwarded(ctx, caller, args), nil
}

func (s *fakeStore) RemoveNode(ctx context.Context, id string, force bool) error {
	if id == s.leader && !force {
		return fmt.Errorf("it is the leader")
	}
	return s.apply(topology.Command{Body: topology.NodeRemove{ID: id}}).Err()
}

func (s *fakeStore) TransferLeadership(ctx context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader = id
	return nil
}

func (s *fakeStore) PeerInfo() (string, string, string) {
	return s.State().ClusterID, s.id, s.State().Nodes[s.id].PeerAddr
}

// fakeServer is one redis-server.
type fakeServer struct {
	password string
	runID    string
	// follows is the master's address, "" for a master.
	follows string
	keys    []string
	// refuse is what Inspect says when it is not nil.
	refuse error
	state  ServerHealth
}

// fakeServers stands for migrate/failover.
type fakeServers struct {
	mu   sync.Mutex
	list map[string]*fakeServer
	// copying are the replicas whose copies have no end.
	copying map[string]Copy
	// functions is what GiveFunctions says of a group, functionsErr why it failed.
	functions    map[int]string
	functionsErr error
	// following is called when a server is made a replica, nil for nothing.
	following func()
}

func newFakeServers() *fakeServers {
	s := &fakeServers{list: map[string]*fakeServer{}}
	for port := 7000; port < 7006; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		s.list[addr] = &fakeServer{runID: fmt.Sprintf("run%d", port), state: ServerHealth{State: "up", LinkUp: true}}
	}
	return s
}

func (s *fakeServers) Inspect(ctx context.Context, t Target) (Facts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	srv := s.list[t.Addr]
	switch {
	case srv == nil:
		return Facts{}, fmt.Errorf("server %s: connection refused; is it running?", t.Addr)
	case srv.refuse != nil:
		return Facts{}, fmt.Errorf("server %s: %w", t.Addr, srv.refuse)
	case srv.password != t.Auth.Password:
		return Facts{}, fmt.Errorf("server %s: wrong password", t.Addr)
	}
	replid := srv.runID + "-repl"
	if srv.follows != "" {
		replid = s.list[srv.follows].runID + "-repl"
	}
	return Facts{Addr: t.Addr, Version: "7.0.15", RunID: srv.runID, ReplID: replid, Raw: srv}, nil
}

func (s *fakeServers) Check(a Attach) (Verdict, error) {
	srv := a.Server.Raw.(*fakeServer)
	switch {
	case a.Master == nil && srv.follows != "":
		return Verdict{}, fmt.Errorf("server %s: it is a replica of %s", a.Server.Addr, srv.follows)
	case a.Master == nil || srv.follows == a.Master.Addr:
		return Verdict{}, nil
	case len(srv.keys) > 0 && !a.Force:
		return Verdict{}, fmt.Errorf("server %s: it holds %d keys; say FORCE", a.Server.Addr, len(srv.keys))
	}
	return Verdict{Follow: true, Notes: []string{a.Server.Addr + " is made a replica of " + a.Master.Addr}}, nil
}

func (s *fakeServers) Follow(ctx context.Context, l Link) (Copy, error) {
	if s.following != nil {
		s.following()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[l.Replica.Addr].follows = l.Master.Addr
	if c, ok := s.copying[l.Replica.Addr]; ok {
		return c, nil
	}
	return Copy{Done: true}, nil
}

// AwaitCopy waits for what copies for ever until there is no more time.
func (s *fakeServers) AwaitCopy(ctx context.Context, l Link) (Copy, error) {
	<-ctx.Done()
	return s.copying[l.Replica.Addr], ctx.Err()
}

func (s *fakeServers) GiveFunctions(ctx context.Context, state *topology.State, group int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.functions[group], s.functionsErr
}

func (s *fakeServers) CountForeign(ctx context.Context, c Count) (Foreign, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var f Foreign
	for _, key := range s.list[c.Target.Addr].keys {
		if !c.Owns(topology.SlotOf([]byte(key))) {
			f.Keys++
			f.Example = fmt.Sprintf("%q", key)
		}
	}
	return f, nil
}

func (s *fakeServers) health() map[string]ServerHealth {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]ServerHealth{}
	for addr, srv := range s.list {
		h := srv.state
		h.Role = "master"
		if srv.follows != "" {
			h.Role = "replica"
		}
		all[addr] = h
	}
	return all
}
