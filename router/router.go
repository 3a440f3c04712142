// Package router is the data plane: it accepts clients, reads their requests on
// event loops, sends each request to the redis-server whose group owns the slot
// of its keys, and gives the replies back in order. One loop runs per core and
// shares nothing with the others. The router knows the cluster only as the
// immutable topology that it is given, answers CODIS.* through the Admin it is
// given, and leaves Raft, health probes and changes to others. main is its only
// caller.
package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/password"
)

const (
	// tickInterval is how often a loop looks at timeouts.
	tickInterval = 100 * time.Millisecond
	// trimTicks is how many ticks pass between two trims of the buffer pools.
	trimTicks = 50
	// figuresTicks is how many ticks pass between two samples for Figures.
	figuresTicks = 10
)

// ErrStopped is returned by calls on a router that has been stopped.
var ErrStopped = errors.New("the router has been stopped")

// Admin answers CODIS.* commands. Its methods are called on goroutines of the
// router, many at a time, may block until ctx ends, and return one whole reply.
type Admin interface {
	ServeRESP(ctx context.Context, caller string, args [][]byte) []byte
	// ServeReadOnly refuses what changes the cluster: the client is not the operator.
	ServeReadOnly(ctx context.Context, caller string, args [][]byte) []byte
}

// Config is what a router needs to know of its node.
type Config struct {
	// NodeID names the node to servers (CLIENT SETNAME codis:<id>@<token>) and in INFO.
	NodeID string
	// Addr is the host:port to listen on; port 0 takes a free one.
	Addr string
	// Listener is used instead of listening on Addr when it is not nil: the caller
	// has made sure of the address already. The router closes it.
	Listener net.Listener
	// Unix is the path of a Unix socket to listen on as well; empty for none.
	Unix string
	// Host and Zone say where the node runs, for reads from the nearest replica.
	// Host is compared with the hosts of the servers' addresses.
	Host, Zone string
	// Password is what clients must give to AUTH; empty for none.
	Password string
	// AdminPassword is the password of the user admin, who alone may change the cluster;
	// empty: every client may that gets in.
	AdminPassword string
	// Version of this binary, for INFO.
	Version string
	// Loops is the number of event loops; 0 takes half of the cores, at least one.
	Loops int
	// Clock is the node's time in nanoseconds, which leases are told in. It should
	// count the time that the machine is suspended. nil takes a monotonic clock.
	Clock func() int64
	// LeaseUntil is until when, by Clock, the node may serve (SAFETY L1); read once a
	// round of events, it must not block. nil is a lease without end.
	LeaseUntil func() int64
	// Acked is called when all requests that older tables than that of epoch have
	// led to a hold or a move are done (SAFETY L3); it must not block. nil ignores it.
	Acked func(epoch uint64)
	// Logger takes what operators should see; nil takes slog's default.
	Logger *slog.Logger

	faults faults
}

// Validate says what is wrong with the configuration; it changes nothing.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("client address %q: %w", c.Addr, err)
	}
	if c.Loops < 0 {
		return fmt.Errorf("loops: %d is negative", c.Loops)
	}
	return nil
}

// Router serves the client ports of one node.
type Router struct {
	cfg     Config
	admin   Admin
	log     *slog.Logger
	started time.Time
	loops   []*loop
	// table is what loops adopt; it is never nil.
	table atomic.Pointer[table]
	// clients counts connections, nextID numbers them.
	clients atomic.Int64
	nextID  atomic.Int64
	scripts scripts
	// files is how many clients there are descriptors for, warnedOf the maxclients
	// that was too many.
	files, warnedOf int
	// rejected counts those that were turned away.
	rejected atomic.Int64
	// buffered[i] is how many bytes loop i holds in buffers, as of its last tick.
	buffered []atomic.Int64
	// served[i] is what loop i has served, as of its last sample; see Figures.
	served   []atomic.Pointer[served]
	figures  figureLog
	slowLog  slowLog
	draining atomic.Bool
	failures password.Failures
	// hadLease says that this process had a lease once.
	hadLease atomic.Bool
	// token tells this process's connections from those of earlier ones.
	token string

	ackMu sync.Mutex
	// drainedEpochs[i] is the epoch up to which loop i has drained, acked the least
	// of them that was told.
	drainedEpochs []uint64
	acked         uint64

	mu        sync.Mutex
	state     *topology.State
	holds     holdLog
	health    map[string]Health
	stopped   bool
	listeners []net.Listener

	// faults are the rules that a test has turned off.
	faults faults

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	// accepting counts the acceptors, which end first.
	accepting sync.WaitGroup
	// running counts the loops' goroutines, which end last.
	running      sync.WaitGroup
	startedLoops bool
}

// New makes a router; Start runs it.
func New(cfg Config, admin Admin) (*Router, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Loops == 0 {
		cfg.Loops = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Router{
		cfg: cfg, faults: cfg.faults, admin: admin, log: cfg.Logger.With("component", "router"),
		started: time.Now(), state: new(topology.State),
		buffered: make([]atomic.Int64, cfg.Loops), files: clientFiles(), served: make([]atomic.Pointer[served], cfg.Loops),
	}
	if r.cfg.Clock == nil {
		r.cfg.Clock = func() int64 { return int64(time.Since(r.started)) }
	}
	if r.cfg.LeaseUntil == nil {
		r.cfg.LeaseUntil = func() int64 { return math.MaxInt64 }
	}
	if r.cfg.Acked == nil {
		r.cfg.Acked = func(uint64) {}
	}
	r.token = strconv.FormatUint(rand.Uint64(), 36)
	r.drainedEpochs = make([]uint64, cfg.Loops)
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.table.Store(newTable(r.state, nil, r.here()))
	for i := range cfg.Loops {
		l, err := newLoop(r, i)
		if err != nil {
			return nil, fmt.Errorf("event loop: %w", err)
		}
		r.loops = append(r.loops, l)
	}
	return r, nil
}

// connName is what servers know this process's connections by (CLIENT SETNAME).
func (r *Router) connName() string {
	return fence.Owner{Node: r.cfg.NodeID, Token: r.token}.Name()
}

func (r *Router) here() place { return place{host: r.cfg.Host, zone: r.cfg.Zone} }

// Start opens the listeners and runs the loops. Errors name the flag that set
// the address in question.
func (r *Router) Start(ctx context.Context) error {
	r.startedLoops = true
	for _, l := range r.loops {
		r.running.Add(1)
		go r.run(l)
	}
	var lc net.ListenConfig
	ln := r.cfg.Listener
	if ln == nil {
		var err error
		if ln, err = lc.Listen(ctx, "tcp", r.cfg.Addr); err != nil {
			r.abandon()
			return fmt.Errorf("listen for clients on %s (--addr): %w", r.cfg.Addr, err)
		}
	}
	r.listeners = append(r.listeners, ln)
	if r.cfg.Unix != "" {
		if err := r.listenUnix(ctx, lc); err != nil {
			r.abandon()
			return err
		}
	}
	for _, ln := range r.listeners {
		r.accepting.Add(1)
		r.spawn(func(ctx context.Context) {
			defer r.accepting.Done()
			r.accept(ctx, ln)
		})
	}
	r.spawn(r.tick)
	return nil
}

// listenUnix removes a socket file that a killed process left behind, but not
// one that somebody still answers on.
func (r *Router) listenUnix(ctx context.Context, lc net.ListenConfig) error {
	ln, err := lc.Listen(ctx, "unix", r.cfg.Unix)
	if err != nil {
		conn, dialErr := net.DialTimeout("unix", r.cfg.Unix, time.Second)
		switch {
		case dialErr == nil:
			_ = conn.Close()
			return fmt.Errorf("listen for clients on %s (--unix): another process listens there", r.cfg.Unix)
		case !errors.Is(dialErr, syscall.ECONNREFUSED): // perhaps somebody who is busy
			return fmt.Errorf("listen for clients on %s (--unix): %w", r.cfg.Unix, err)
		}
		if info, statErr := os.Stat(r.cfg.Unix); statErr != nil || info.Mode()&os.ModeSocket == 0 {
			return fmt.Errorf("listen for clients on %s (--unix): %w", r.cfg.Unix, err)
		}
		if err := os.Remove(r.cfg.Unix); err != nil {
			return fmt.Errorf("remove the dead socket %s (--unix): %w", r.cfg.Unix, err)
		}
		if ln, err = lc.Listen(ctx, "unix", r.cfg.Unix); err != nil {
			return fmt.Errorf("listen for clients on %s (--unix): %w", r.cfg.Unix, err)
		}
	}
	r.listeners = append(r.listeners, ln)
	return nil
}

// abandon gives up a start half-way.
func (r *Router) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Stop(ctx)
}

// Addr is the address that clients connect to, with the real port. It is empty
// before Start.
func (r *Router) Addr() string {
	if len(r.listeners) == 0 {
		return ""
	}
	return r.listeners[0].Addr().String()
}

// SetState gives the router a newer topology; an older one is ignored.
func (r *Router) SetState(s *topology.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Epoch < r.state.Epoch {
		return
	}
	r.state = s
	r.checkFiles(s)
	r.holds.see(time.Now(), s)
	r.publishLocked()
}

// SetHealth says which servers can be read from, by address.
func (r *Router) SetHealth(health map[string]Health) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.health = health
	r.publishLocked()
}

func (r *Router) publishLocked() {
	t := newTable(r.state, r.health, r.here())
	r.table.Store(t)
	for _, l := range r.loops {
		l.post(func() { l.adopt(t) })
	}
}

// Ready says whether the node serves, and if not, why.
func (r *Router) Ready() (ok bool, reason string) {
	switch {
	case r.draining.Load():
		return false, "the node is shutting down"
	case r.Addr() == "":
		return false, "the node is starting"
	case r.cfg.Clock() >= r.cfg.LeaseUntil() && (r.table.Load().limits.quorumLoss == lossStop || !r.hadLease.Load()):
		return false, "the node has no lease: it can't reach the leader of its cluster"
	case r.table.Load().epoch == 0:
		return false, "the node has no slot table yet: it has not joined a cluster"
	case len(r.table.Load().owners) == 0:
		return false, "no slot has a group yet: see CODIS.GROUP ADD and CODIS.ASSIGN"
	}
	return true, ""
}

// run is the goroutine of one loop. A loop that fails can't be replaced: its
// clients are closed, and the node says so and turns unready.
func (r *Router) run(l *loop) {
	defer r.running.Done()
	l.adopt(r.table.Load())
	if err := l.poll.Run(); err != nil {
		r.log.Error("an event loop has failed, restart the node", "loop", l.index, "error", err)
		r.draining.Store(true)
	}
}

// spawn runs f on a goroutine that Stop waits for; its context ends with Stop.
func (r *Router) spawn(f func(ctx context.Context)) {
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		f(r.ctx)
	}()
}

// eachLoop runs f once in every loop, one loop after the other, so that f may
// gather into its caller's variables.
func (r *Router) eachLoop(ctx context.Context, f func(l *loop)) error {
	for _, l := range r.loops {
		done := make(chan struct{})
		l.post(func() {
			f(l)
			close(done)
		})
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ctx.Done():
			return ErrStopped
		}
	}
	return nil
}

// tick makes the loops look at timeouts.
func (r *Router) tick(ctx context.Context) {
	for ticks := 1; ; ticks++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(tickInterval):
		}
		now := time.Now()
		for _, l := range r.loops {
			l.post(func() { l.tick(now) })
		}
		if ticks%figuresTicks == figuresTicks/2 { // the loops tell at 0, and are not to be met half-way
			r.sampleFigures(now)
		}
	}
}
