package failover

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// Store is the replicated state. Its methods are called by several goroutines at
// a time.
type Store interface {
	// State is never nil and never modified. While Run runs it is at least as new
	// as the first entry of this leader's term.
	State() *topology.State
	// Subscribe returns a one-slot channel that is filled when the state has
	// changed, and a function that ends the subscription. It does not block.
	Subscribe() (<-chan struct{}, func())
	// Propose blocks until the command is applied here or has failed.
	Propose(ctx context.Context, c topology.Command) (topology.Outcome, error)
	// Barrier blocks until every node has adopted the state of that epoch and
	// drained what it did by an older one, or has no lease any more: these are
	// returned, and what they have sent may still be in a server's buffers.
	Barrier(ctx context.Context, epoch uint64) (silent []topology.Node, err error)
	// Confirm blocks until an entry of this leader that was written after the call is
	// committed: nobody else led when it was called.
	Confirm(ctx context.Context) error
}

// Watcher is what this node sees of the servers: a Prober. Its methods are called
// by several goroutines at a time and do not block.
type Watcher interface {
	Snapshot() map[string]Health
	Subscribe() (<-chan struct{}, func())
	// Look has servers probed at once.
	Look(addrs ...string)
}

// Config is what a Controller needs.
type Config struct {
	Store   Store
	Watcher Watcher
	// Poll returns the votes of now. It is called each Tick, and may not block.
	Poll func() Poll
	// Name is this node's ID.
	Name string
	// Logger may be nil.
	Logger *slog.Logger
	// Tick is how often everything is looked at when nothing has changed.
	Tick time.Duration
	// StepTimeout bounds one exchange with a server while clients may be waiting.
	StepTimeout time.Duration
	// Backoff is the wait after a first failure; it doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// CareEvery is the shortest time between two changes of one server's role that
	// nobody asked for.
	CareEvery time.Duration
	// faults are for tests.
	faults faults
}

// DefaultConfig has everything but Store, Watcher, Poll and Name.
func DefaultConfig() Config {
	return Config{
		Tick: 100 * time.Millisecond, StepTimeout: 2 * time.Second,
		Backoff: 200 * time.Millisecond, MaxBackoff: 10 * time.Second, CareEvery: 10 * time.Second,
	}
}

// Validate says what is wrong with a Config, all of it.
func (c Config) Validate() error {
	var errs []error
	for what, missing := range map[string]bool{"store": c.Store == nil, "watcher": c.Watcher == nil, "poll": c.Poll == nil, "name": c.Name == ""} {
		if missing {
			errs = append(errs, errors.New("no "+what))
		}
	}
	for name, d := range map[string]time.Duration{
		"Tick": c.Tick, "StepTimeout": c.StepTimeout, "Backoff": c.Backoff, "MaxBackoff": c.MaxBackoff, "CareEvery": c.CareEvery,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %s", name, d))
		}
	}
	return errors.Join(errs...)
}

// Alarm is something about a group that a person should look at.
type Alarm struct {
	Group int
	// Code is a stable word for programs; Text does not name the group.
	Code, Text string
}

// Controller gives groups another master where theirs is gone, where a person asks
// for it, and keeps the servers in the roles that the table gives them. It decides in
// pure functions (decide) and acts elsewhere; it keeps nothing that the next leader
// would need.
type Controller struct {
	cfg   Config
	store Store
	log   *slog.Logger

	mu     sync.Mutex // guards what follows
	run    *run       // nil while this node does not lead
	alarms []Alarm
}

// New returns a Controller that does nothing before Run.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("failover: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Controller{cfg: cfg, store: cfg.Store, log: cfg.Logger.With("component", "failover")}, nil
}

// Run works until ctx ends, and returns when all that it has begun has ended. It is
// to run on the leader only, and is harmless where it runs on a node that does not
// know yet that it is not.
func (c *Controller) Run(ctx context.Context) {
	r := newRun(c)
	c.mu.Lock()
	c.run = r
	c.mu.Unlock()
	defer func() {
		r.workers.Wait()
		c.mu.Lock()
		c.run, c.alarms = nil, nil
		c.mu.Unlock()
	}()
	changed, endChanged := c.store.Subscribe()
	defer endChanged()
	seen, endSeen := c.cfg.Watcher.Subscribe()
	defer endSeen()
	ticker := time.NewTicker(c.cfg.Tick)
	defer ticker.Stop()
	for {
		r.start(ctx)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-seen:
		case <-r.nudge:
		case <-ticker.C:
		}
	}
}

// Alarms returns what a person should look at; nothing on a node that does not lead.
func (c *Controller) Alarms() []Alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alarms
}

// propose asks for a change and returns its epoch; a refusal is an error.
func (c *Controller) propose(ctx context.Context, command topology.Command) (uint64, error) {
	if command.Who == "" {
		command.Who = "leader " + c.cfg.Name
	}
	command.At = time.Now().UnixMilli()
	outcome, err := c.store.Propose(ctx, command)
	if err == nil {
		err = outcome.Err()
	}
	return outcome.Epoch, err
}

// note writes a line of the history. It is told in the log when that fails.
func (c *Controller) note(ctx context.Context, group int, text string) {
	c.log.Warn("group", "group", group, "note", text)
	if _, err := c.propose(ctx, topology.Command{Body: topology.GroupNote{Group: group, Text: text}}); err != nil && ctx.Err() == nil {
		c.log.Warn("a line of the history was not written", "group", group, "error", err)
	}
}
