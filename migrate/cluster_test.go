package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// memStore is the replicated state of one process: real commands, applied by the
// real Apply, and a barrier over nodes that acknowledge by hand.
type memStore struct {
	tb testing.TB

	mu      sync.Mutex
	state   *topology.State
	subs    map[chan struct{}]bool
	acked   map[string]uint64
	barrier func(epoch uint64) []topology.Node // who is silent; nil: nobody
	lost    func() bool                        // whether the answer to a proposal gets lost
}

func newMemStore(tb testing.TB) *memStore {
	s := &memStore{tb: tb, state: topology.NewState(), subs: map[chan struct{}]bool{}, acked: map[string]uint64{}}
	s.must(topology.ClusterInit{ClusterID: "test", Format: topology.StateFormat, Node: topology.Node{
		ID: "n1", Incarnation: "i1", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2", HTTPAddr: "127.0.0.1:3", Version: "1", Voter: true,
	}})
	return s
}

func (s *memStore) State() *topology.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *memStore) Subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[ch] = true
	return ch, func() { s.mu.Lock(); delete(s.subs, ch); s.mu.Unlock() }
}

func (s *memStore) notifyLocked() {
	for ch := range s.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (s *memStore) Propose(ctx context.Context, c topology.Command) (topology.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return topology.Outcome{}, err
	}
	data, err := c.Encode()
	if err != nil {
		return topology.Outcome{}, err
	}
	if c, err = topology.DecodeCommand(data); err != nil {
		return topology.Outcome{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, outcome := topology.Apply(s.state, s.state.Epoch+1, c)
	if err := next.CheckInvariants(); err != nil {
		s.tb.Errorf("after %T: %v", c.Body, err)
	}
	s.state = next
	s.notifyLocked()
	if s.lost != nil && s.lost() {
		return topology.Outcome{}, errors.New("leadership lost, outcome unknown")
	}
	return outcome, nil
}

func (s *memStore) must(body topology.Body) uint64 {
	s.tb.Helper()
	outcome, err := s.Propose(context.Background(), topology.Command{Body: body})
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		s.tb.Fatalf("%T: %v", body, err)
	}
	return outcome.Epoch
}

// ack is a node's word that it works by the table of an epoch.
func (s *memStore) ack(node string, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[node] = max(s.acked[node], epoch)
	s.notifyLocked()
}

func (s *memStore) Barrier(ctx context.Context, epoch uint64) ([]topology.Node, error) {
	changed, stop := s.Subscribe()
	defer stop()
	for {
		s.mu.Lock()
		behind := ""
		for node, acked := range s.acked {
			if acked < epoch {
				behind = node
			}
		}
		silent := s.barrier
		s.mu.Unlock()
		if behind == "" {
			if silent != nil {
				return silent(epoch), nil
			}
			return nil, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("node %s has not acknowledged: %w", behind, ctx.Err())
		}
	}
}

// cluster is two groups of real servers and a store.
type cluster struct {
	tb      testing.TB
	store   *memStore
	servers map[int][]*resptest.Server // by group, the master first
}

type layout struct {
	groups, replicas int
	args             []string
}

func newCluster(tb testing.TB, l layout) *cluster {
	tb.Helper()
	c := &cluster{tb: tb, store: newMemStore(tb), servers: map[int][]*resptest.Server{}}
	for id := 1; id <= l.groups; id++ {
		master := resptest.StartRedis(tb, append([]string{"--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes"}, l.args...)...)
		c.servers[id] = []*resptest.Server{master}
		for range l.replicas {
			c.servers[id] = append(c.servers[id], resptest.StartRedis(tb, "--enable-debug-command", "yes", "--replicaof", "127.0.0.1", fmt.Sprint(master.Port)))
		}
		body := topology.GroupAdd{ID: id}
		for _, server := range c.servers[id] {
			body.Servers = append(body.Servers, topology.Server{Addr: server.Addr})
		}
		c.store.must(body)
	}
	for id, servers := range c.servers {
		waitFor(tb, fmt.Sprintf("replicas of group %d", id), func() bool {
			r, err := servers[0].Client(tb).Do(tb.Context(), "WAIT", fmt.Sprint(len(servers)-1), "100")
			return err == nil && r.Int >= int64(len(servers)-1)
		})
	}
	return c
}

func (c *cluster) master(group int) *resptest.Server { return c.servers[group][0] }

// assign gives all slots to a group.
func (c *cluster) assign(group int) {
	c.tb.Helper()
	c.store.must(topology.SlotsAssign{Ranges: []topology.SlotRange{{Start: 0, End: topology.SlotCount - 1, Group: group}}})
}

// migrate makes a job and returns its ID.
func (c *cluster) migrate(options topology.JobOptions, moves ...topology.SlotMove) uint64 {
	c.tb.Helper()
	return c.store.must(topology.JobCreate{Kind: topology.JobMigrate, Moves: moves, Options: options})
}

// controller is a leader at work.
type controller struct {
	*Controller
	cancel context.CancelFunc
	done   chan struct{}
}

func (c *cluster) lead(change ...func(*Config)) *controller {
	c.tb.Helper()
	cfg := DefaultConfig()
	cfg.Store, cfg.Name, cfg.ReportEvery, cfg.Backoff, cfg.MaxBackoff = c.store, "n1", 200*time.Millisecond, 20*time.Millisecond, 200*time.Millisecond
	cfg.SetupWindow = 500 * time.Millisecond
	if testing.Verbose() && os.Getenv("MIGRATE_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	for _, f := range change {
		f(&cfg)
	}
	ctl, err := New(cfg)
	if err != nil {
		c.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &controller{ctl, cancel, make(chan struct{})}
	go func() { // ended by stop
		defer close(l.done)
		ctl.Run(ctx)
	}()
	c.tb.Cleanup(l.stop)
	return l
}

// leadMutant leads with one rule switched off.
func (c *cluster) leadMutant(m mutant) *controller {
	return c.lead(func(cfg *Config) { cfg.mutant = m })
}

// stop deposes the leader.
func (l *controller) stop() {
	l.cancel()
	<-l.done
}

func (c *cluster) job(id uint64) topology.Job { return c.store.State().Jobs[id] }

// waitDone waits until a job is at its end.
func (c *cluster) waitDone(id uint64, limit time.Duration) {
	c.tb.Helper()
	deadline := time.Now().Add(limit)
	for !c.job(id).State.Finished() {
		if time.Now().After(deadline) {
			j := c.job(id)
			c.tb.Fatalf("job %d is %s after %v: %q, batches %+v", id, j.State, limit, j.Reason, j.Batches)
		}
		time.Sleep(5 * time.Millisecond) // until the controller is there
	}
}

func waitFor(tb testing.TB, what string, there func() bool) {
	tb.Helper()
	for range 2000 {
		if there() {
			return
		}
		time.Sleep(5 * time.Millisecond) // it tells nobody
	}
	tb.Fatalf("no %s", what)
}
