// Package migrate is what the leader does to move slots from one group of stock
// redis-servers to another while clients go on: it takes the jobs of the
// replicated state through their steps, copies keys, and shows how far it got.
// It keeps nothing of its own: a new leader reads the state and goes on.
//
// The steps of a move, and what each stands against, are in DESIGN.md. What
// clients do to a key that has not moved yet is the router's part; both speak
// migrate/fence. It imports only leaves and migrate/failover; main gives it the
// replicated state as a Store and runs it while this node leads.
package migrate

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
}

// Config is what a Controller needs.
type Config struct {
	Store Store
	// Name is this node's ID; connections are called codis-mover:<Name>.
	Name string
	// Logger may be nil.
	Logger *slog.Logger
	// Databases is how many databases clients may select.
	Databases int
	// ReportEvery is how often progress is put into the replicated state.
	ReportEvery time.Duration
	// Backoff is the wait after a step's first failure; it doubles up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// DialTimeout bounds the making of a connection, CallTimeout the answer to one
	// batch: a single value may be of 512 MB.
	DialTimeout, CallTimeout time.Duration
	// SetupWindow is how long, by a server's own clock, fences may be set after the
	// hold that they belong to was asked for.
	SetupWindow time.Duration

	// mutant and keptCursor are set by tests alone.
	mutant     mutant
	keptCursor string
}

// DefaultConfig has everything but Store and Name.
func DefaultConfig() Config {
	return Config{
		Databases: 16, ReportEvery: 3 * time.Second, Backoff: 200 * time.Millisecond, MaxBackoff: 15 * time.Second,
		DialTimeout: 3 * time.Second, CallTimeout: 60 * time.Second, SetupWindow: 2 * time.Second,
	}
}

// Validate says what is wrong with a Config, all of it.
func (c Config) Validate() error {
	var errs []error
	if c.Store == nil {
		errs = append(errs, errors.New("no store"))
	}
	if c.Name == "" {
		errs = append(errs, errors.New("no name"))
	}
	if c.Databases < 1 {
		errs = append(errs, fmt.Errorf("%d databases", c.Databases))
	}
	for name, d := range map[string]time.Duration{
		"ReportEvery": c.ReportEvery, "Backoff": c.Backoff, "MaxBackoff": c.MaxBackoff,
		"DialTimeout": c.DialTimeout, "CallTimeout": c.CallTimeout, "SetupWindow": c.SetupWindow,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %s", name, d))
		}
	}
	return errors.Join(errs...)
}

// Controller moves slots while this node leads.
type Controller struct {
	cfg   Config
	store Store
	log   *slog.Logger

	moved moved

	mu    sync.Mutex
	tally map[uint64]*tally // by job
}

// New returns a Controller that does nothing before Run.
func New(cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Controller{
		cfg: cfg, store: cfg.Store, log: cfg.Logger.With("component", "migrate"), tally: map[uint64]*tally{},
	}, nil
}

// Run works on what the state says until ctx ends, and returns when all that it
// has begun has ended. It is to run on the leader only, and is harmless where it
// runs on a node that does not know yet that it is not.
func (c *Controller) Run(ctx context.Context) {
	r := &run{
		c: c, started: time.Now(), tasks: map[taskKey]bool{}, retry: map[taskKey]retry{},
		seen: map[uint64]time.Time{}, moved: map[uint64]bool{}, unsure: map[uint64]bool{}, fresh: map[uint64]bool{}, inBatch: map[uint64]float64{},
		clean: map[foreignKey]bool{}, perSlot: map[int]float64{}, nudge: make(chan struct{}, 1),
	}
	c.mu.Lock()
	c.tally = map[uint64]*tally{}
	c.mu.Unlock()
	changed, unsubscribe := c.store.Subscribe()
	defer unsubscribe()
	defer r.workers.Wait()
	r.workers.Go(func() { r.report(ctx) })
	ticker := time.NewTicker(100 * time.Millisecond) // retries come due
	defer ticker.Stop()
	for {
		r.start(ctx)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-r.nudge:
		case <-ticker.C:
		}
	}
}

// propose asks for a change and returns its epoch; a refusal is an error.
func (c *Controller) propose(ctx context.Context, body topology.Body) (uint64, error) {
	outcome, err := c.store.Propose(ctx, topology.Command{Who: "mover of " + c.cfg.Name, Body: body, At: time.Now().UnixMilli()})
	if err == nil {
		err = outcome.Err()
	}
	return outcome.Epoch, err
}
