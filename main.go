// Command codis is one node of a Codis cluster, a RESP proxy and a Raft peer in
// one process, and the tool that talks to such nodes. This file is the wiring:
// flags to config, config to node, node until a signal, then the end in the
// reverse order of the start. It is the only place where the concrete types of
// raftstore, router, migrate and admin meet, and the only one that exits or
// listens to signals.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	urfave "github.com/urfave/cli/v2"

	"codis/admin"
	"codis/admin/cli"
	"codis/admin/config"
	"codis/admin/demo"
	"codis/admin/recovery"
	"codis/migrate"
	"codis/migrate/failover"
	"codis/migrate/keyspace"
	"codis/raftstore"
	"codis/raftstore/topology"
	"codis/router"
)

// version is set by the linker; see versionText.
var version string

// closeTimeout bounds the graceful end of a node, handOverTimeout the part of it
// in which another node takes over leadership.
const (
	closeTimeout    = 20 * time.Second
	handOverTimeout = 2 * time.Second
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// errUsage is returned when the command line can't be right.
var errUsage = errors.New("wrong usage")

// run is the whole program but for signals and exit.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	err := newApp(out, errOut).RunContext(ctx, args)
	for _, usage := range []error{errUsage, config.ErrInvalid, demo.ErrInvalid, recovery.ErrUsage} {
		if errors.Is(err, usage) {
			err = &cli.Error{Command: "codis", Code: "USAGE", Err: err}
		}
	}
	return cli.Report(errOut, err)
}

func newApp(out, errOut io.Writer) *urfave.App {
	badFlag := func(c *urfave.Context, err error, _ bool) error {
		return fmt.Errorf("%w: %w; see %s --help", errUsage, err, c.Command.HelpName)
	}
	app := &urfave.App{
		Name:      "codis",
		Usage:     "a Redis proxy cluster that keeps its own slot table",
		Writer:    out,
		ErrWriter: errOut,
		// The version has a command of its own.
		HideVersion: true,
		// Exit codes are run's.
		ExitErrHandler: func(*urfave.Context, error) {},
		OnUsageError:   badFlag,
		Action: func(c *urfave.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("%w: there is no command %q; see codis --help", errUsage, c.Args().First())
			}
			return urfave.ShowAppHelp(c)
		},
	}
	for _, c := range []*urfave.Command{config.Command(serve), demo.Command(), recoverCommand(), versionCommand()} {
		c.OnUsageError = badFlag
		app.Commands = append(app.Commands, c)
	}
	app.Commands = append(app.Commands, cli.Commands()...)
	return app
}

// serve runs a node until ctx ends.
func serve(ctx context.Context, cfg config.Config, c *urfave.Context) error {
	log := cfg.Logger(c.App.ErrWriter)
	node, err := Start(ctx, cfg, log)
	if err != nil {
		return err
	}
	leaveProcessors(node.Config.Loops)
	log.Info("serving", "id", node.store.Status().ID, "addr", node.Config.Addr, "peer-addr", node.Config.PeerAddr,
		"http-addr", node.Config.HTTPAddr, "version", versionText())
	select {
	case <-ctx.Done():
	case <-node.store.Failed():
		err = node.store.Err()
	}
	log.Info("stopping")
	closing, cancel := context.WithTimeout(context.Background(), closeTimeout+node.drainDelay())
	defer cancel()
	err = errors.Join(err, node.Close(closing))
	log.Info("stopped")
	return err
}

func versionCommand() *urfave.Command {
	return &urfave.Command{
		Name:  "version",
		Usage: "print the version",
		Action: func(c *urfave.Context) error {
			_, err := fmt.Fprintf(c.App.Writer, "codis %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// versionText is what the linker was told, else what the build recorded.
func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	text := "devel"
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			text += "-" + s.Value[:12]
		}
	}
	return text
}

// Node is one running codis.
type Node struct {
	// Config has the addresses that the node really listens on.
	Config config.Config

	log     *slog.Logger
	metrics *prometheus.Registry
	store   *raftstore.Store
	router  *router.Router
	prober  *failover.Prober
	mover   *migrate.Controller
	turner  *failover.Controller
	serving atomic.Pointer[router.Router] // set once router runs
	api     lateHandler
	closing sync.Once
	closed  error
	stops   []stopStep
}

// stopStep undoes one step of the start.
type stopStep struct {
	name string
	do   func(context.Context) error
}

func (n *Node) onStop(name string, do func(context.Context) error) {
	n.stops = append(n.stops, stopStep{name: name, do: do})
}

// Start runs a node; it returns once the node answers clients, which may be
// before it has found its cluster. Close must be called unless it fails.
func Start(ctx context.Context, cfg config.Config, log *slog.Logger) (node *Node, err error) {
	cfg, err = cfg.Complete()
	if err != nil {
		return nil, err
	}
	p, err := config.Reserve(ctx, &cfg, log)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	n := &Node{Config: cfg, log: log, metrics: prometheus.NewRegistry()}
	defer func() {
		if err != nil {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = n.Close(closing) // the first error counts
		}
	}()
	for _, step := range []func(context.Context, *config.Ports) error{n.startHTTP, n.startStore, n.startProber, n.startMover, n.startFailover, n.startRouter} {
		if err := step(ctx, p); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// leaveProcessors gives the runtime a processor for each event loop beside those for
// all else, unless the environment says how many there are. A loop that comes back
// from waiting for events needs one, and as many busy goroutines as there are cores,
// such as a move's, would let it wait until one of them rests.
func leaveProcessors(loops int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + loops)
	}
}

// drainDelay is how long load balancers are given to notice the end of the node.
func (n *Node) drainDelay() time.Duration { return n.store.State().Settings.Duration("drain-delay") }

// Close ends the node: it stops being ready, hands leadership over, lets what is
// in flight end, and closes. It returns when all of it has ended; the second call
// returns what the first one did.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() {
		var errs []error
		for i := len(n.stops) - 1; i >= 0; i-- {
			s := n.stops[i]
			if err := s.do(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", s.name, err))
			}
		}
		n.closed = errors.Join(errs...)
	})
	return n.closed
}

// ready says whether the node has the table and serves, and if not, why.
func (n *Node) ready() (bool, string) {
	r := n.serving.Load()
	if r == nil {
		return false, "the node is starting"
	}
	return r.Ready()
}

// startStore opens the node's part of the replicated state.
func (n *Node) startStore(ctx context.Context, p *config.Ports) error {
	c := raftstore.DefaultConfig()
	c.ID, c.Dir, c.Zone, c.Version = n.Config.ID, n.Config.Dir, n.Config.Zone, versionText()
	c.PeerAddr, c.PeerAdvertise = n.Config.PeerAddr, n.Config.AdvertisePeerAddr
	c.ClientAdvertise, c.HTTPAdvertise = n.Config.AdvertiseAddr, n.Config.AdvertiseHTTPAddr
	c.Secret, c.ClientPassword, c.Join = n.Config.Secret, n.Config.Password, n.Config.Join
	c.Logger, c.Report = n.log, n.report
	p.Peer.Close() // raftstore listens from here on
	store, err := raftstore.Open(ctx, c)
	if err != nil {
		return err
	}
	n.store = store
	n.metrics.MustRegister(store.Collector())
	n.onStop("the replicated state", store.Close)
	return nil
}

// startProber watches the redis-servers of the table.
func (n *Node) startProber(context.Context, *config.Ports) error {
	c := failover.DefaultProberConfig()
	c.Name = "codis:" + n.store.Status().ID + ":probe"
	c.Logger = n.log
	prober, err := failover.NewProber(c)
	if err != nil {
		return err
	}
	n.prober = prober
	n.metrics.MustRegister(failover.NewCollector(prober, n.store.State))
	n.onStop("the probes", func(context.Context) error {
		prober.Close()
		return nil
	})
	return nil
}

// startMover makes what moves slots while this node leads, see startFailover.
func (n *Node) startMover(context.Context, *config.Ports) error {
	c := migrate.DefaultConfig()
	c.Store, c.Name, c.Logger = n.store, n.store.Status().ID, n.log
	mover, err := migrate.New(c)
	if err != nil {
		return err
	}
	n.mover = mover
	n.metrics.MustRegister(mover.Collector())
	return nil
}

// startRouter serves clients, with the table as it is and as it will be.
func (n *Node) startRouter(ctx context.Context, p *config.Ports) error {
	a := admin.DefaultConfig()
	a.Store, a.Servers, a.Health = stateForAdmin{n.store}, serversForAdmin{n.store}, n.healthForAdmin
	a.Figures, a.Reports = n.figures, n.reports
	a.Turner = turnerForAdmin{n.turner, n.prober}
	a.Mover, a.Keyspace, a.Ack = moverForAdmin{n.mover}, keysForAdmin{}, n.store.Acked
	a.PeerSecret, a.Logger = n.Config.Secret != "", n.log
	ops, err := admin.New(a)
	if err != nil {
		return err
	}
	n.store.SetAdminHandler(ops.ServeForwarded)
	if err := n.startAPI(ops); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(n.Config.AdvertiseAddr)
	if err != nil {
		return err
	}
	r, err := router.New(router.Config{
		NodeID: n.store.Status().ID, Addr: n.Config.Addr, Unix: n.Config.Unix, Host: host, Zone: n.Config.Zone,
		Password: n.Config.Password, AdminPassword: n.Config.AdminPassword, Version: versionText(), Loops: n.Config.Loops, Logger: n.log, Listener: p.Client,
		Clock: raftstore.Boottime, LeaseUntil: n.store.LeaseUntil, Acked: ops.Acked,
	}, ops)
	if err != nil {
		return err
	}
	n.router = r
	p.Client = nil // it is the router's now
	n.onStop("the router", r.Stop)
	if err := r.Start(ctx); err != nil {
		return err
	}
	n.metrics.MustRegister(r.Collector())
	n.startFollowing()
	n.onStop("leadership", n.handOver)
	n.onStop("readiness", func(ctx context.Context) error {
		r.Drain(ctx)
		return nil
	})
	n.serving.Store(r)
	return nil
}

// startFollowing keeps the router and the prober at the state of the table.
func (n *Node) startFollowing() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	// Both are subscribed to before they are first read, so no change is missed.
	changed, endChanged := n.store.Subscribe()
	seen, endSeen := n.prober.Subscribe()
	n.adopt()
	go func() { // ends with ctx; onStop waits
		defer close(done)
		defer endChanged()
		defer endSeen()
		for {
			select {
			case <-changed:
				n.adopt()
			case <-seen:
				n.router.SetHealth(healthForRouter(n.store.State(), n.prober.Snapshot()))
			case <-ctx.Done():
				return
			}
		}
	}()
	n.onStop("following the table", func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

func (n *Node) adopt() {
	state := n.store.State()
	n.router.SetState(state)
	n.prober.SetDownAfter(state.Settings.Duration("down-after"))
	n.prober.SetServers(failover.Targets(state))
	n.router.SetHealth(healthForRouter(state, n.prober.Snapshot()))
}

// handOver gives leadership to another voter, if there is one, before clients
// are turned away: the others then go on at once instead of after a timeout.
func (n *Node) handOver(ctx context.Context) error {
	status := n.store.Status()
	reachable := func(id string) bool { return id != status.ID && !slices.Contains(status.Unreachable, id) }
	if !n.store.IsLeader() || !slices.ContainsFunc(status.Voters, reachable) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	// The store tries again when it closes, and tells of a failure.
	_ = n.store.TransferLeadership(ctx, "")
	return nil
}

// healthForRouter says which servers can be read from. A replica counts only
// for the master that the table names.
func healthForRouter(s *topology.State, seen map[string]failover.Health) map[string]router.Health {
	health := make(map[string]router.Health, len(seen))
	for _, g := range s.Groups {
		for _, server := range g.Servers {
			h, ok := seen[server.Addr]
			if !ok {
				continue
			}
			usable := h.State == failover.StateUp
			if server.Addr != g.Master {
				usable = h.FreshReplica(g.Master, math.MaxInt64)
			}
			health[server.Addr] = router.Health{Usable: usable, LagBytes: h.LagBytes}
		}
	}
	return health
}

// stateForAdmin is raftstore's Store in the words of admin.
type stateForAdmin struct{ *raftstore.Store }

func (s stateForAdmin) Status() admin.Status {
	st := s.Store.Status()
	return admin.Status{
		ID: st.ID, Role: string(st.Role), LeaderID: st.LeaderID, LeaderAddr: st.LeaderAddr,
		Term: st.Term, CommitIndex: st.CommitIndex, AppliedIndex: st.AppliedIndex,
		Voters: st.Voters, Nonvoters: st.Nonvoters, LastContact: st.LastContact,
		DiskError: st.DiskError, Joined: st.Joined, Removed: st.Removed, Unreachable: st.Unreachable, Leases: leasesForAdmin(st),
	}
}

func (s stateForAdmin) Propose(ctx context.Context, c topology.Command) (topology.Outcome, error) {
	outcome, err := s.Store.Propose(ctx, c)
	return outcome, inAdminWords(err)
}

func (s stateForAdmin) ForwardAdmin(ctx context.Context, caller string, args [][]byte) ([]byte, error) {
	reply, err := s.Store.ForwardAdmin(ctx, caller, args)
	return reply, inAdminWords(err)
}

func inAdminWords(err error) error {
	if errors.Is(err, raftstore.ErrNoLeader) {
		return fmt.Errorf("%w: %w", admin.ErrNoLeader, err)
	}
	return err
}

// moverForAdmin is migrate's Controller in the words of admin.
type moverForAdmin struct{ *migrate.Controller }

func (m moverForAdmin) Preflight(ctx context.Context, moves []topology.SlotMove) ([]admin.Check, error) {
	report, err := m.Controller.Preflight(ctx, moves)
	checks := make([]admin.Check, len(report))
	for i, c := range report {
		checks[i] = admin.Check{From: c.From, To: c.To, Name: c.Name, Result: admin.CheckResult(c.Result), Text: c.Text}
	}
	return checks, err
}

// keysForAdmin is migrate/keyspace in the words of admin.
type keysForAdmin struct{}

func (keysForAdmin) Measure(ctx context.Context, s admin.Survey) (admin.Load, error) {
	load, err := keyspace.Measure(ctx, keyspace.Survey{
		Target: keyspace.Target(s.Target), Owns: s.Owns, Memory: s.Memory, MaxKeys: s.MaxKeys,
	})
	return admin.Load(load), err
}

func (keysForAdmin) Inspect(ctx context.Context, q admin.Question) (admin.Findings, error) {
	f, err := keyspace.Inspect(ctx, keyspace.Question{
		Target: keyspace.Target(q.Target), Over: q.Over,
		Place: func(slot int) keyspace.Place { return keyspace.Place(q.Place(slot)) },
	})
	found := admin.Findings{
		Keys: f.Keys, Foreign: admin.KeyCount(f.Foreign), Unserved: admin.KeyCount(f.Unserved), Unknown: admin.KeyCount(f.Unknown),
	}
	for _, r := range f.LeftOver {
		found.LeftOver = append(found.LeftOver, admin.Reserved(r))
	}
	return found, err
}

func (keysForAdmin) DropReserved(ctx context.Context, t admin.Target, list []admin.Reserved) (int64, error) {
	reserved := make([]keyspace.Reserved, len(list))
	for i, r := range list {
		reserved[i] = keyspace.Reserved(r)
	}
	return keyspace.DropReserved(ctx, keyspace.Target(t), reserved)
}

func (keysForAdmin) DeleteForeign(ctx context.Context, t admin.Target, g admin.Guard) (int64, error) {
	return keyspace.DeleteForeign(ctx, keyspace.Target(t), guardForKeys{g})
}

// guardForKeys is admin's Guard in the words of migrate/keyspace.
type guardForKeys struct{ admin.Guard }

func (g guardForKeys) Enter() (keyspace.Permit, error) {
	p, err := g.Guard.Enter()
	return keyspace.Permit(p), err
}

// leasesForAdmin is what raftstore knows of leases in the words of admin.
func leasesForAdmin(st raftstore.Status) *admin.Leases {
	l := &admin.Leases{Left: st.LeaseLeft}
	if st.Nodes != nil {
		l.Nodes = make(map[string]admin.NodeLease, len(st.Nodes))
	}
	for id, n := range st.Nodes {
		l.Nodes[id] = admin.NodeLease{Age: n.Age, Acked: n.Acked, Left: n.Left}
	}
	return l
}
