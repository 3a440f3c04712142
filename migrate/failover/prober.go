package failover

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// lagMaxIntervals is how many probe intervals the observations of a replica and
// its master may be apart for a lag to be told.
const lagMaxIntervals = 3

// Prober watches servers: one goroutine and one connection for each, and one
// goroutine that publishes what they see as immutable snapshots. Its methods may
// be called from any goroutine.
type Prober struct {
	cfg      ProberConfig
	log      *slog.Logger
	ctx      context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup
	snapshot atomic.Pointer[map[string]Health]
	// interval and timeout are those of cfg or shorter ones, in nanoseconds.
	interval, timeout atomic.Int64
	// changed is one-slot: there is something to publish.
	changed chan struct{}

	mu      sync.Mutex // guards what follows
	closed  bool
	watches map[string]*watch
	subs    map[chan struct{}]struct{}
}

// NewProber starts a prober that watches nothing yet. Close it.
func NewProber(cfg ProberConfig) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Prober{
		cfg: cfg, log: cfg.Logger,
		changed: make(chan struct{}, 1),
		watches: map[string]*watch{},
		subs:    map[chan struct{}]struct{}{},
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.interval.Store(int64(cfg.Interval))
	p.timeout.Store(int64(cfg.Timeout))
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.snapshot.Store(&map[string]Health{})
	p.wg.Go(p.publish)
	return p, nil
}

// SetServers says which servers to watch from now on, by address; of two with
// one address the last counts. Those that stay keep their connection and what is
// known of them, also under new credentials. It does not wait for probes.
func (p *Prober) SetServers(targets []Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	wanted := make(map[string]Target, len(targets))
	for _, t := range targets {
		wanted[t.Addr] = t
	}
	for addr, w := range p.watches {
		if t, ok := wanted[addr]; !ok || t != w.target {
			w.cancel()
			delete(p.watches, addr)
			if ok {
				p.startLocked(t, w.health, w.track)
			}
		}
	}
	for addr, t := range wanted {
		if _, ok := p.watches[addr]; !ok {
			p.startLocked(t, Health{Addr: addr, LagBytes: LagUnknown, Began: time.Now(), Load: Load{Keys: -1, Memory: -1}}, track{})
		}
	}
	notify(p.changed)
}

// SetDownAfter makes probes come often enough to find a server down in that time:
// three in it, of which two may have failed.
func (p *Prober) SetDownAfter(d time.Duration) {
	p.interval.Store(int64(min(p.cfg.Interval, d/3)))
	p.timeout.Store(int64(min(p.cfg.Timeout, d/3)))
}

// Look has servers probed at once, where nothing keeps their probes waiting.
func (p *Prober) Look(addrs ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, addr := range addrs {
		if w, ok := p.watches[addr]; ok {
			notify(w.look)
		}
	}
}

func (p *Prober) pace() (interval, timeout time.Duration) {
	return time.Duration(p.interval.Load()), time.Duration(p.timeout.Load())
}

func (p *Prober) startLocked(t Target, h Health, tr track) {
	w := &watch{prober: p, target: t, health: h, track: tr, backoff: p.cfg.Interval, look: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(p.ctx)
	w.cancel = cancel
	p.watches[t.Addr] = w
	p.wg.Go(func() { w.run(ctx) })
}

// Snapshot is what is known of each watched server, by address. It is never
// modified: don't modify it either.
func (p *Prober) Snapshot() map[string]Health { return *p.snapshot.Load() }

// Subscribe gives a channel that holds a value when there is a newer snapshot
// than the last one read, and a function that ends the subscription.
func (p *Prober) Subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subs[ch] = struct{}{}
	return ch, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subs, ch)
	}
}

// Close ends all probes and returns after the last goroutine. The last snapshot
// stays readable. Idempotent.
func (p *Prober) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.wg.Wait()
}

// report takes a probe's outcome and returns the health that it makes. What a
// replaced watch still has to say is dropped.
func (p *Prober) report(w *watch, o observation) Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watches[w.target.Addr] != w {
		return w.health
	}
	w.health = w.health.after(o, p.cfg.DownFailures)
	w.track = w.track.after(o)
	notify(p.changed)
	return w.health
}

// publish turns changes into snapshots, at most one each PublishEvery.
func (p *Prober) publish() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-pause.C:
		}
		select {
		case <-p.ctx.Done():
			return
		case <-p.changed:
		}
		p.publishOnce()
		pause.Reset(p.cfg.PublishEvery)
	}
}

func (p *Prober) publishOnce() {
	p.mu.Lock()
	healths := make(map[string]Health, len(p.watches))
	tracks := make(map[string]track, len(p.watches))
	for addr, w := range p.watches {
		healths[addr], tracks[addr] = w.health, w.track
	}
	subs := maps.Clone(p.subs)
	p.mu.Unlock()

	relate(healths, tracks, lagMaxIntervals*p.cfg.Interval)
	p.snapshot.Store(&healths)
	for ch := range subs {
		notify(ch)
	}
}

// notify fills a one-slot channel without ever waiting for its reader.
func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
