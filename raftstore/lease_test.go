package raftstore

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// errCut is what a connection through a link that is cut answers.
var errCut = errors.New("the link is cut")

// links says which nodes a test has cut off from all others.
type links struct {
	mu  sync.Mutex
	cut map[string]bool // guarded by mu
}

func (l *links) set(id string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[id] = cut
}

func (l *links) up(a, b string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.cut[a] && !l.cut[b]
}

type cuttableConn struct {
	net.Conn
	up func() bool
}

func (c cuttableConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.up() {
		c.Conn.Close()
		return 0, errCut
	}
	return n, err
}

func (c cuttableConn) Write(p []byte) (int, error) {
	if !c.up() {
		c.Conn.Close()
		return 0, errCut
	}
	return c.Conn.Write(p)
}

// leased is a cluster whose nodes have leases.
type leased struct {
	tb      testing.TB
	nodes   []*node
	links   *links
	routers map[string]*router
}

// router is what raftstore sees of a router: it adopts tables. It goes through
// restarts of its node.
type router struct {
	limit atomic.Uint64 // the last epoch that it adopts
	stop  context.CancelFunc
	done  chan struct{}
}

// steady has times that are long enough for a change of the leader to be the test's
// doing.
func steady(cfg *Config) {
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaseTimeout = time.Second, time.Second, time.Second
}

// newLeased starts nodes with a short lease. change sees each node's configuration.
func newLeased(tb testing.TB, size int, lease time.Duration, change func(*Config)) *leased {
	tb.Helper()
	c := &leased{tb: tb, links: &links{cut: map[string]bool{}}, routers: map[string]*router{}}
	c.nodes = newClusterWith(tb, size, func(cfg *Config) {
		id := cfg.ID
		cfg.seams.wrap = func(to string, conn net.Conn) net.Conn {
			return cuttableConn{conn, func() bool { return c.links.up(id, to) }}
		}
		steady(cfg)
		if change != nil {
			change(cfg)
		}
	})
	// Before there is a router nobody gets a lease, so none has the longer one from
	// before.
	changes := []topology.Body{
		topology.SettingSet{Name: "lease-renew", Value: (lease / 10).String()}, topology.SettingSet{Name: "lease", Value: lease.String()},
	}
	if lease > leaseTimesOf(c.nodes[0].State()).length {
		slices.Reverse(changes)
	}
	for _, change := range changes {
		mustPropose(tb, c.nodes[0], change)
	}
	for _, n := range c.nodes {
		c.route(n)
	}
	for _, n := range c.nodes {
		c.waitLease(n)
	}
	return c
}

// route starts a node's router.
func (c *leased) route(n *node) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &router{stop: cancel, done: make(chan struct{})}
	r.limit.Store(^uint64(0))
	c.routers[n.cfg.ID] = r
	store := n.Store
	changed, end := store.Subscribe()
	go func() {
		defer close(r.done)
		defer end()
		tick := time.NewTicker(5 * time.Millisecond) // limit may have changed
		defer tick.Stop()
		for {
			if epoch := store.State().Epoch; epoch <= r.limit.Load() {
				store.Acked(epoch)
			}
			select {
			case <-changed:
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	c.tb.Cleanup(func() { cancel(); <-r.done })
}

func (c *leased) waitLease(n *node) {
	c.tb.Helper()
	waitFor(c.tb, "a lease of "+n.cfg.ID, func() bool { return n.LeaseUntil() > Boottime() })
}

// hold makes a new epoch.
func (c *leased) hold(through *node) uint64 {
	c.tb.Helper()
	return mustPropose(c.tb, through, setting(int(through.State().Epoch%1000)+1)).Epoch
}

// barrier must go on, and returns the IDs of the silent ones.
func barrier(tb testing.TB, leader *node, epoch uint64) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	silent, err := leader.Barrier(ctx, epoch)
	if err != nil {
		tb.Fatal(err)
	}
	var ids []string
	for _, n := range silent {
		ids = append(ids, n.ID)
	}
	return strings.Join(ids, " ")
}

func TestBoottime(t *testing.T) {
	before, began := Boottime(), time.Now()
	time.Sleep(20 * time.Millisecond) // it is a clock that is tested
	if got, want := Boottime()-before, int64(time.Since(began)); before <= 0 || got < int64(20*time.Millisecond) || got > want+int64(time.Second) {
		t.Errorf("Boottime went on by %d ns, Go's clock by %d", got, want)
	}
}

func TestL1EveryNodeGetsALease(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, time.Second, nil)
	leader := leaderOf(t, c.nodes)
	for _, n := range c.nodes {
		first := n.RenewedAt()
		waitFor(t, "renewals", func() bool { return n.RenewedAt() > first })
		if left := time.Duration(n.LeaseUntil() - n.RenewedAt()); left != 900*time.Millisecond {
			t.Errorf("the lease of %s lasts %s from the sending, want 900ms", n.cfg.ID, left)
		}
		status := n.Status()
		if status.LeaseLeft <= 0 || status.LeaseLeft > 900*time.Millisecond {
			t.Errorf("%s has %s left", n.cfg.ID, status.LeaseLeft)
		}
		if n != leader && status.Nodes != nil {
			t.Errorf("%s, which does not lead, knows of %v", n.cfg.ID, status.Nodes)
		}
		seen, ok := leader.Status().Nodes[n.cfg.ID]
		if !ok || seen.Acked == 0 || seen.Left <= 0 || seen.Age > patience || seen.Need == 0 {
			t.Errorf("the leader knows of %s: %+v", n.cfg.ID, seen)
		}
	}
	for _, n := range others(c.nodes, leader) {
		if _, err := n.Barrier(t.Context(), 1); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a barrier at %s: %v", n.cfg.ID, err)
		}
	}
}

// TestL1NoLeaseWithoutATable: a router that has not adopted the leader's table does
// not serve.
func TestL1NoLeaseWithoutATable(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	waitFor(t, "the ledger", func() bool { return n.leases.Load() != nil })
	n.Acked(n.leases.Load().ledger.floor - 1)
	waitFor(t, "the acknowledgement", func() bool { return n.Status().Nodes["n1"].Acked > 0 })
	if _, err := n.leases.Load().renew(t.Context(), n.renewal()); !errors.Is(err, errBehind) || n.LeaseUntil() != 0 {
		t.Errorf("error %v, lease until %d", err, n.LeaseUntil())
	}
	n.Acked(n.State().Epoch)
	waitFor(t, "a lease", func() bool { return n.LeaseUntil() > Boottime() })
	n.Acked(1) // lower ones change nothing
	if got := n.lease.acked.Load(); got != n.State().Epoch {
		t.Errorf("acknowledged %d", got)
	}
}

// TestL1GrantedAfterAnEntry: a renewal is granted after an entry that was written
// after it arrived, and not by one that is on its way already.
func TestL1GrantedAfterAnEntry(t *testing.T) {
	t.Parallel()
	entries, let := make(chan struct{}), make(chan struct{})
	gate := func(ctx context.Context) error {
		select {
		case entries <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-let:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n := newNode(t, "n1")
	n.cfg.seams.beforeEntry = gate
	n.open()
	waitFor(t, "the ledger", func() bool { return n.leases.Load() != nil })
	book := n.leases.Load()
	r := n.renewal()
	r.Acked = n.State().Epoch
	ask := func() chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := book.renew(context.Background(), r)
			answer <- err
		}()
		return answer
	}
	first := ask()
	<-entries // that of the first renewal, not written yet, but closed to others
	second := ask()
	select {
	case err := <-first:
		t.Fatalf("granted before the entry: %v", err)
	case <-time.After(3 * renewalWindow): // nothing may happen
	}
	let <- struct{}{}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	<-entries
	select {
	case err := <-second:
		t.Fatalf("granted by an entry from before it arrived: %v", err)
	default:
	}
	let <- struct{}{}
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	// Those of one window share an entry.
	var answers []chan error
	for range 20 {
		answers = append(answers, ask())
	}
	written := 0
	for len(answers) > 0 {
		select {
		case <-entries:
			written++
			let <- struct{}{}
		case err := <-answers[0]:
			if err != nil {
				t.Error(err)
			}
			answers = answers[1:]
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	}
	if written > 10 {
		t.Errorf("%d entries for 20 renewals at once", written)
	}
}

// TestL1RunsFromTheSending, with its mutant.
func TestL1RunsFromTheSending(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]bool{"as it is": false, "mutant": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var answered atomic.Int64
			n := newNode(t, "n1")
			n.cfg.seams.faults.fromAnswer = mutant
			n.cfg.seams.beforeAnswer = func(renewal) {
				if answered.CompareAndSwap(0, Boottime()) {
					time.Sleep(50 * time.Millisecond) // a slow answer
				}
			}
			n.open()
			waitFor(t, "a table", func() bool { return n.State().Epoch > 0 })
			n.Acked(n.State().Epoch)
			waitFor(t, "a lease", func() bool { return n.LeaseUntil() > 0 })
			if caught := n.RenewedAt() >= answered.Load(); caught != mutant {
				t.Errorf("renewed at %d, granted at %d", n.RenewedAt(), answered.Load())
			}
		})
	}
}

// TestL1DeposedLeaderGrantsNothing: not even one that does not know it yet, as its
// book does not.
func TestL1DeposedLeaderGrantsNothing(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, 2*time.Second, nil)
	leader := leaderOf(t, c.nodes)
	book, next := leader.leases.Load(), others(c.nodes, leader)[0]
	if _, err := book.renew(t.Context(), next.renewal()); err != nil {
		t.Fatal(err)
	}
	if err := leader.TransferLeadership(t.Context(), next.cfg.ID); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		if _, err := book.renew(t.Context(), n.renewal()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("renewal of %s: %v", n.cfg.ID, err)
		}
	}
	// A later term of the same leader does not make the old book good again.
	waitFor(t, "leases from the next leader", func() bool { return next.leases.Load() != nil })
	if err := next.TransferLeadership(t.Context(), leader.cfg.ID); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a new book", func() bool { b := leader.leases.Load(); return b != nil && b != book })
	if _, err := book.renew(t.Context(), next.renewal()); !errors.Is(err, ErrNotLeader) {
		t.Errorf("renewal out of the old book: %v", err)
	}
	if _, err := book.barrier(t.Context(), leader.State().Epoch); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a barrier out of the old book: %v", err)
	}
}

// TestL1CutOffNodeLosesItsLease in time, and has it back soon after the link is.
func TestL1CutOffNodeLosesItsLease(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, time.Second, nil)
	for _, victim := range []*node{others(c.nodes, leaderOf(t, c.nodes))[0], leaderOf(t, c.nodes)} {
		c.links.set(victim.cfg.ID, true)
		cut := Boottime()
		waitFor(t, "the end of the lease", func() bool { return victim.LeaseUntil() <= Boottime() })
		if until := victim.LeaseUntil(); until > cut+int64(900*time.Millisecond) {
			t.Errorf("%s: the lease lived for %s after the cut", victim.cfg.ID, time.Duration(until-cut))
		}
		if left := victim.Status().LeaseLeft; left != 0 {
			t.Errorf("%s has %s left", victim.cfg.ID, left)
		}
		for _, n := range others(c.nodes, victim) {
			c.waitLease(n)
		}
		c.links.set(victim.cfg.ID, false)
		c.waitLease(victim)
	}
}

// TestL1NoLeaseAfterTheEnd: neither a closed store nor a removed one has a lease.
func TestL1NoLeaseAfterTheEnd(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, time.Second, nil)
	leader := leaderOf(t, c.nodes)
	removed, closed := others(c.nodes, leader)[0], others(c.nodes, leader)[1]
	if err := leader.RemoveNode(t.Context(), removed.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the removed node to stop", func() bool { return removed.Err() != nil })
	if until := removed.LeaseUntil(); until != 0 {
		t.Errorf("the removed node has a lease for %s", time.Duration(until-Boottime()))
	}
	store := closed.Store
	closed.close()
	if until := store.LeaseUntil(); until != 0 {
		t.Errorf("the closed node has a lease for %s", time.Duration(until-Boottime()))
	}
}
