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
	health Health
	track  track

	conn    *resp.Client
	fresh   bool // conn has not told run id and version yet
	backoff time.Duration
}

// run probes until ctx ends. Ticks keep their phase; a random start spreads the
// probes of many servers, and of many nodes at one server, over the interval.
func (w *watch) run(ctx context.Context) {
	defer w.hangUp()
	cfg := w.prober.cfg
	timer := time.NewTimer(rand.N(cfg.Interval))
	defer timer.Stop()
	state := StateUnknown
	for {
		select {
		case <-ctx.Done():
			return
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
	cfg := w.prober.cfg
	if s != StateDown && s != StateDenied {
		w.backoff = cfg.Interval
		return max(cfg.Interval-spent, cfg.Interval/10)
	}
	// Up to a tenth less, so that many nodes do not dial a returning server at once.
	d := w.backoff - rand.N(w.backoff/10+1)
	w.backoff = min(2*w.backoff, cfg.MaxBackoff)
	return d
}

// probe is one round trip, with a dial before it when there is no connection.
func (w *watch) probe(ctx context.Context) observation {
	ctx, cancel := context.WithTimeout(ctx, w.prober.cfg.Timeout)
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
	cmds := [][]string{{"PING"}, {"INFO", "replication"}}
	if w.fresh {
		cmds = append(cmds, []string{"INFO", "server"})
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
	o.read(w.target.Addr, replies[0], replies[1])
	if w.fresh && replies[2].Err() == nil {
		info := resp.ParseInfo(replies[2].Text())
		o.runID, o.version = info["run_id"], info["redis_version"]
		w.fresh = false
	}
	if o.answer == StateDenied {
		w.hangUp()
	}
	return o
}

// dial connects and logs in. When that fails the observation is the outcome.
func (w *watch) dial(ctx context.Context) (observation, bool) {
	cfg := w.prober.cfg
	c, err := connect(ctx, resp.ClientOptions{
		Addr: w.target.Addr, User: w.target.Auth.User, Password: w.target.Auth.Password, Name: cfg.Name,
		DialTimeout: cfg.Timeout, Timeout: cfg.Timeout,
	})
	if err != nil {
		o := observation{at: time.Now()}
		o.answer, o.err = answerOf(w.target.Addr, err)
		return o, false
	}
	w.conn, w.fresh = c, true
	return observation{}, true
}

func (w *watch) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// read fills in what PING and INFO replication were answered.
func (o *observation) read(addr string, ping, info resp.Reply) {
	if err := info.Err(); err != nil {
		// INFO is answered while loading and without a master: what it refuses is us,
		// or everyone because of a script.
		o.answer, o.err = answerOf(addr, err)
		return
	}
	r := parseReplication(resp.ParseInfo(info.Text()))
	o.replication = &r
	o.answer = StateUp
	if err := ping.Err(); err != nil {
		// Only what stops other commands too counts: -MASTERDOWN is in LinkUp, and a
		// PING that is forbidden or renamed means nothing.
		if answer, reason := answerOf(addr, err); answer == StateLoading || answer == StateBusy {
			o.answer, o.err = answer, reason
		}
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
