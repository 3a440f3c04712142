package failover

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"codis/router/resp"
)

// watch is the Prober's view of one server. run owns conn and backoff; health
// and track belong to the Prober's mutex.
type watch struct {
	prober *Prober
	target Target
	cancel context.CancelFunc
	look   chan struct{} // one-slot: probe now
	health Health
	track  track

	conn    *resp.Client
	fresh   bool // conn has not told run id and version yet
	probes  int  // on conn
	backoff time.Duration
}

// run probes until ctx ends. Ticks keep their phase; a random start spreads the
// probes of many servers, and of many nodes at one server, over the interval.
func (w *watch) run(ctx context.Context) {
	defer w.hangUp()
	interval, _ := w.prober.pace()
	timer := time.NewTimer(rand.N(interval))
	defer timer.Stop()
	state := StateUnknown
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.look:
		case <-timer.C:
		}
		start := time.Now()
		o := w.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		h := w.prober.report(w, o)
		if h.State != state {
			w.log(ctx, h, state)
			state = h.State
		}
		timer.Reset(w.pause(h.State, time.Since(start)))
	}
}

// log tells a change of state. Only what a person may have to act on, and its
// end, is told at level Info: a replica that its master refuses goes from up to
// syncing and back for as long as it is refused, a slow server to suspect.
func (w *watch) log(ctx context.Context, h Health, was State) {
	level := slog.LevelDebug
	for _, s := range []State{h.State, was} {
		if s == StateDown || s == StateDenied {
			level = slog.LevelInfo
		}
	}
	w.prober.log.Log(ctx, level, "server state", "addr", h.Addr, "state", h.State.String(), "was", was.String(), "role", h.Role.String(), "error", h.Err)
}

// pause is the time to the next probe: the rest of the interval, or the dial
// back-off for a server that is down or denies us.
func (w *watch) pause(s State, spent time.Duration) time.Duration {
	interval, _ := w.prober.pace()
	if s != StateDown && s != StateDenied {
		w.backoff = interval
		return max(interval-spent, interval/10)
	}
	// Up to a tenth less, so that many nodes do not dial a returning server at once.
	d := w.backoff - rand.N(w.backoff/10+1)
	w.backoff = min(2*w.backoff, w.prober.cfg.MaxBackoff)
	return d
}

// probe is one round trip, with a dial before it when there is no connection.
func (w *watch) probe(ctx context.Context) observation {
	_, timeout := w.prober.pace()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	kept := w.conn != nil
	o := w.try(ctx)
	if kept && w.conn == nil && ctx.Err() == nil {
		// A connection that was closed between probes (timeout setting, CLIENT
		// KILL, a restart that went fast) says little: a new one says more.
		o = w.try(ctx)
	}
	return o
}

func (w *watch) try(ctx context.Context) observation {
	if w.conn == nil {
		if o, ok := w.dial(ctx); !ok {
			return o
		}
	}
	q := w.questions()
	cmds := make([][]string, len(q))
	for i := range q {
		cmds[i] = q[i].args
	}
	sent := time.Now()
	replies, err := w.conn.Pipeline(ctx, cmds...)
	o := observation{at: time.Now()}
	o.rtt = o.at.Sub(sent)
	if err != nil || len(replies) != len(cmds) {
		// After a timeout the late reply would be taken for the next one's: the
		// connection can't be used again.
		w.hangUp()
		o.err = explain(w.target.Addr, err)
		return o
	}
	for i, r := range replies {
		q[i].read(&o, w.target.Addr, r)
	}
	w.probes++
	w.fresh = w.fresh && o.runID == ""
	if o.answer == StateDenied {
		w.hangUp()
	}
	return o
}

// dial connects and logs in. When that fails the observation is the outcome.
func (w *watch) dial(ctx context.Context) (observation, bool) {
	cfg := w.prober.cfg
	_, timeout := w.prober.pace()
	c, err := connect(ctx, resp.ClientOptions{
		Addr: w.target.Addr, User: w.target.Auth.User, Password: w.target.Auth.Password, Name: cfg.Name,
		DialTimeout: timeout, Timeout: timeout,
	})
	if err != nil {
		o := observation{at: time.Now()}
		o.answer, o.err = answerOf(w.target.Addr, err)
		return o, false
	}
	w.conn, w.fresh, w.probes = c, true, 0
	return observation{}, true
}

func (w *watch) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// answerOf is the state that an error speaks of; StateUnknown when it is not the
// server's answer but the lack of one.
func answerOf(addr string, err error) (State, error) {
	reason := explain(addr, err)
	if se := (*resp.ServerError)(nil); !errors.As(err, &se) {
		return StateUnknown, reason
	}
	switch {
	case errors.Is(reason, ErrLoading):
		return StateLoading, reason
	case errors.Is(reason, ErrBusy):
		return StateBusy, reason
	default:
		return StateDenied, reason
	}
}
