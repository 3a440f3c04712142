package failover

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// memory is a Store of one node: the real Apply without a log.
type memory struct {
	tb      testing.TB
	mu      sync.Mutex // guards what follows
	state   *topology.State
	changed map[chan struct{}]bool
	// barrier, when set, is asked by Barrier; confirm by Confirm.
	barrier func(epoch uint64) ([]topology.Node, error)
	confirm func() error
}

func newMemory(tb testing.TB) *memory {
	m := &memory{tb: tb, state: topology.NewState(), changed: map[chan struct{}]bool{}}
	m.must(topology.ClusterInit{ClusterID: "c", Format: topology.StateFormat, Node: topology.Node{ID: "n1", Incarnation: "i", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2"}})
	return m
}

func (m *memory) State() *topology.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *memory) Subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed[ch] = true
	return ch, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.changed, ch)
	}
}

func (m *memory) Propose(ctx context.Context, c topology.Command) (topology.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return topology.Outcome{}, err
	}
	next, outcome := topology.Apply(m.state, m.state.Epoch+1, c)
	if err := next.CheckInvariants(); err != nil {
		m.tb.Errorf("after %+v: %v", c.Body, err)
	}
	m.state = next
	for ch := range m.changed {
		notify(ch)
	}
	return outcome, nil
}

func (m *memory) Barrier(_ context.Context, epoch uint64) ([]topology.Node, error) {
	m.mu.Lock()
	ask := m.barrier
	m.mu.Unlock()
	if ask == nil {
		return nil, nil
	}
	return ask(epoch)
}

func (m *memory) Confirm(context.Context) error {
	m.mu.Lock()
	ask := m.confirm
	m.mu.Unlock()
	if ask == nil {
		return nil
	}
	return ask()
}

func (m *memory) must(body topology.Body) {
	m.tb.Helper()
	outcome, err := m.Propose(context.Background(), topology.Command{Who: "test", Body: body})
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		m.tb.Fatalf("%+v: %v", body, err)
	}
}

func (m *memory) group() topology.Group { return m.State().Groups[1] }

func (m *memory) history() string {
	var out strings.Builder
	for _, line := range m.State().History {
		fmt.Fprintf(&out, "%s: %s\n", line.Who, line.What)
	}
	return out.String()
}

// cluster is a group of real servers, the first of them its master, and a controller
// that is the only voter.
type cluster struct {
	*memory
	prober  *Prober
	servers map[string]*resptest.Server
	first   *resptest.Server
	control *Controller
	stop    func()
}

// clusterSpec says what a cluster is to be like.
type clusterSpec struct {
	replicas int
	// args are for all servers, each for one of them, by its number.
	args []string
	each map[int][]string
	auth *topology.Credentials
	// settings in turn: name and value.
	settings []string
	config   func(*Config)
	// asleep: the controller does not run yet.
	asleep bool
}

// newCluster starts servers, records them, and runs a controller.
func newCluster(tb testing.TB, spec clusterSpec) *cluster {
	tb.Helper()
	c := &cluster{memory: newMemory(tb), servers: map[string]*resptest.Server{}}
	all := []*resptest.Server{startRedis(tb, append(spec.args, spec.each[0]...)...)}
	for i := range spec.replicas {
		r := startRedis(tb, append(spec.args, spec.each[i+1]...)...)
		mustDo(tb, r, "REPLICAOF", "127.0.0.1", portOf(all[0]))
		all = append(all, r)
	}
	c.first = all[0]
	add := topology.GroupAdd{ID: 1, Auth: spec.auth}
	for i, server := range all {
		t := Target{Addr: server.Addr}
		if spec.auth != nil {
			t.Auth = *spec.auth
		}
		c.servers[server.Addr] = server
		waitFor(tb, "a link", func() bool { f, err := Inspect(tb.Context(), t); return err == nil && (i == 0 || f.LinkUp) })
		f := mustInspect(tb, t)
		add.Servers = append(add.Servers, topology.Server{Addr: server.Addr, Version: f.Version, RunID: f.RunID, ReplID: f.ReplID})
	}
	master := mustInspect(tb, TargetFor(&topology.State{Settings: topology.Settings{}, Groups: map[int]topology.Group{1: {Auth: spec.auth}}}, 1, all[0].Addr))
	for i := range add.Servers {
		add.Servers[i].ReplID = master.ReplID // the first replica makes the master begin another history
	}
	for i := 0; i+1 < len(spec.settings); i += 2 {
		c.must(topology.SettingSet{Name: spec.settings[i], Value: spec.settings[i+1]})
	}
	c.must(add)
	c.must(topology.SlotsAssign{Ranges: []topology.SlotRange{{Start: 0, End: 1023, Group: 1}}})
	c.prober = newProber(tb, quick(), Targets(c.State())...)
	cfg := DefaultConfig()
	cfg.Store, cfg.Watcher, cfg.Name = c.memory, c.prober, "n1"
	cfg.Poll = func() Poll {
		return Poll{Voters: 1, Votes: []Vote{{Node: "n1", Down: Silent(c.prober.Snapshot(), time.Now(), 0)}}}
	}
	cfg.Tick, cfg.CareEvery, cfg.MaxBackoff = 10*time.Millisecond, 100*time.Millisecond, 500*time.Millisecond
	if spec.config != nil {
		spec.config(&cfg)
	}
	control, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	c.control = control
	changed, unsubscribe := c.Subscribe()
	ctx, cancel := context.WithCancel(context.Background())
	var follow sync.WaitGroup
	follow.Go(func() { // the prober watches what the table has
		for {
			select {
			case <-changed:
				c.prober.SetServers(Targets(c.State()))
			case <-ctx.Done():
				return
			}
		}
	})
	tb.Cleanup(func() { cancel(); follow.Wait(); unsubscribe() })
	c.stop = func() {}
	tb.Cleanup(func() { c.stop() })
	for _, server := range all {
		waitHealth(tb, c.prober, server.Addr, "a first look", func(h Health) bool { return h.State == StateUp && h.RunID != "" })
	}
	if !spec.asleep {
		c.wake()
	}
	return c
}

// wake runs the controller; its stop ends it.
func (c *cluster) wake() {
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { c.control.Run(ctx) })
	waitFor(c.tb, "the controller", func() bool { _, err := c.control.leading(); return err == nil })
	var once sync.Once
	c.stop = func() { once.Do(func() { cancel(); run.Wait() }) }
}

// others are the servers of the group that are not its master.
func (c *cluster) others() []*resptest.Server {
	var list []*resptest.Server
	g := c.group()
	for _, s := range g.Servers {
		if s.Addr != g.Master {
			list = append(list, c.servers[s.Addr])
		}
	}
	return list
}

func (c *cluster) target(addr string) Target { return TargetFor(c.State(), 1, addr) }

// wait waits until the state is as wanted.
func (c *cluster) wait(what string, want func(g topology.Group) bool) topology.Group {
	c.tb.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		g := c.group()
		if want(g) {
			return g
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("timed out waiting for %s; group %+v, turn %+v, alarms %v, history:\n%s", what, g, g.Turn, c.control.Alarms(), c.history())
		}
		time.Sleep(5 * time.Millisecond) // a poll of the state
	}
}

// waitAlarm waits for an alarm of a code.
func (c *cluster) waitAlarm(code string) Alarm {
	c.tb.Helper()
	var found Alarm
	c.wait("alarm "+code, func(topology.Group) bool {
		for _, a := range c.control.Alarms() {
			if a.Code == code {
				found = a
				return true
			}
		}
		return false
	})
	return found
}

// waitFollows waits until a server follows the group's master, in step.
func (c *cluster) waitFollows(addr string) {
	c.tb.Helper()
	c.wait(addr+" to follow the master", func(g topology.Group) bool {
		replica, err := Inspect(c.tb.Context(), c.target(addr))
		if err != nil || replica.Role != RoleReplica || !replica.LinkUp {
			return false
		}
		master, err := Inspect(c.tb.Context(), c.target(g.Master))
		return err == nil && master.ReplID == replica.ReplID
	})
}

// caughtUp waits until all replicas have what the master has. WAIT speaks for writes
// of its own connection.
func (c *cluster) caughtUp() {
	c.tb.Helper()
	at, want := c.servers[c.group().Master].Client(c.tb), fmt.Sprint(len(c.others()))
	for _, args := range [][]string{{"SET", "caught-up", "x"}, {"DEL", "caught-up"}, {"WAIT", want, "10000"}} {
		if got, err := at.Do(c.tb.Context(), args...); err != nil || args[0] == "WAIT" && got.Text() != want {
			c.tb.Fatalf("%s: %s replicas have caught up, %v", args[0], got.Text(), err)
		}
	}
}
