package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// Result is what became of a turn.
type Result struct {
	// Err is why the turn was given up; nil when it is done.
	Err error
	// Pause is how long the group's slots were on hold.
	Pause time.Duration
	// Note is what a person should know, such as what is lost; may be empty.
	Note string
	// LostBytes of acknowledged writes are lost at least, as far as is known before the
	// old master comes back; -1 when that is not known.
	LostBytes int64
}

// turn goes on with the turn of a group, to its end: this leader has begun it, or
// one before it has. Every step may have been done already.
func (r *run) turn(ctx context.Context, group int) error {
	s := r.c.store.State()
	g, ok := s.Groups[group]
	if !ok || g.Turn == nil {
		return errAgain
	}
	t := &turning{run: r, s: s, g: g, Turn: *g.Turn, began: time.Now()}
	if age := time.Since(time.UnixMilli(t.At)); age > 0 {
		t.began = t.began.Add(-age)
	}
	t.from = g.Servers[indexOf(g, t.From)]
	defer t.close()
	limit, cancel := context.WithTimeout(ctx, barrierLimit(s)+3*r.c.cfg.StepTimeout)
	defer cancel()
	result := Result{}
	done, err := t.change(limit)
	if err == nil {
		result = Result{Pause: time.Since(t.began), Note: done.Note, LostBytes: t.lost(done.Fork)}
		done.PauseMS = result.Pause.Milliseconds()
		r.remember(t.Epoch, result) // who waits for it may wake up at the commit
		_, err = r.c.propose(ctx, topology.Command{Who: t.Who, Body: done})
		if err != nil {
			return fmt.Errorf("%s: end turn %d: %w", t.describe(), t.Epoch, err)
		}
		result.Pause = time.Since(t.began)
		r.c.log.Info("a group has another master", "group", group, "epoch", t.Epoch, "kind", string(t.Kind), "from", t.From, "to", t.To,
			"held", result.Pause.Round(time.Millisecond), "note", done.Note)
		r.remember(t.Epoch, result)
		t.after(ctx)
		return nil
	}
	if ctx.Err() != nil || t.obeyed {
		return err // the next leader goes on, or this one: if the candidate is gone by then, the turn is given up
	}
	r.remember(t.Epoch, Result{Err: err})
	if _, abandoned := r.c.propose(ctx, topology.Command{Who: t.Who, Body: topology.TurnAbandon{Group: group, Epoch: t.Epoch, Reason: err.Error()}}); abandoned != nil {
		return fmt.Errorf("%s: %w; it could not be given up: %w", t.describe(), err, abandoned)
	}
	return fmt.Errorf("%s: %w", t.describe(), err)
}

// remember keeps a turn's result for who waits for it.
func (r *run) remember(epoch uint64, result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.results) >= 64 {
		clear(r.results)
	}
	r.results[epoch] = result
}

// barrierLimit is enough for a barrier that has to wait for a node's lease to end.
func barrierLimit(s *topology.State) time.Duration {
	return 2*s.Settings.Duration("lease") + time.Second
}

// turning is a turn at work.
type turning struct {
	run *run
	s   *topology.State
	g   topology.Group
	topology.Turn
	from  topology.Server // the old master, as recorded
	began time.Time

	silent    []string // nodes without a lease
	candidate *resp.Client
	old       *resp.Client // of a switchover
	paused    bool
	obeyed    bool   // the candidate has been promoted by this turn
	before    member // the candidate before its promotion
	keys      int64  // that it had then
}

func (t *turning) describe() string {
	return fmt.Sprintf("%s of group %d from %s to %s", t.Kind, t.g.ID, t.From, t.To)
}

func (t *turning) close() {
	if t.candidate != nil {
		t.candidate.Close()
	}
	t.resume()
	if t.old != nil {
		t.old.Close()
	}
}

// resume ends the pause of the old master, which would end by itself too.
func (t *turning) resume() {
	if t.paused {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _ = t.old.Do(ctx, "CLIENT", "UNPAUSE")
		t.paused = false
	}
}

func (t *turning) target(addr string) Target { return TargetFor(t.s, t.g.ID, addr) }

// change makes the candidate the master. What it returns is to be committed.
func (t *turning) change(ctx context.Context) (topology.TurnDone, error) {
	none := topology.TurnDone{}
	silent, err := t.run.c.store.Barrier(ctx, t.Epoch)
	if err != nil {
		return none, fmt.Errorf("wait for all nodes: %w", err)
	}
	for _, node := range silent {
		t.silent = append(t.silent, node.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*t.run.c.cfg.StepTimeout)
	defer cancel()
	if t.candidate, err = dial(ctx, t.target(t.To)); err != nil {
		return none, err
	}
	if err := t.hangUpCandidate(ctx); err != nil {
		return none, err
	}
	if err := t.hangUpAll(ctx); err != nil {
		return none, err
	}
	if there, err := t.isDone(ctx); err != nil {
		return none, err
	} else if !there {
		if err := t.check(ctx); err != nil {
			return none, err
		}
		if f := t.run.c.cfg.faults.beforeOrder; f != nil {
			f()
		}
		err := order{epoch: t.Epoch, faults: t.run.c.cfg.faults}.run(ctx, t.candidate)
		if err != nil {
			// It may have been obeyed: this turn is not given up unless it was not.
			if t.candidate.Close(); errors.Is(err, errFenced) || errors.Is(err, errUnsent) || !t.hasObeyed(ctx) {
				return none, fmt.Errorf("promote: %w", err)
			}
		}
	}
	t.obeyed = true
	return t.outcome(ctx)
}

// hangUpCandidate ends all connections of nodes at the candidate. They are idle, since
// every node has drained; but it may have been the master before, and what a node, or
// a process of it that is gone, sent then and gave up may still be on its way there.
func (t *turning) hangUpCandidate(ctx context.Context) error {
	if t.run.c.cfg.faults.keepConnections {
		return nil
	}
	_, err := t.candidate.EndNamed(ctx, func(name string) bool { _, ours := fence.ParseOwner(name); return ours })
	if err != nil {
		return fmt.Errorf("end connections of nodes: %w", explain(t.To, err))
	}
	return nil
}

// hangUpAll ends connections of silent nodes at all other servers that count from now on.
// At those that do not answer there is nothing to be done, and nothing that they do
// counts before they have been asked again.
func (t *turning) hangUpAll(ctx context.Context) error {
	if len(t.silent) == 0 {
		return nil
	}
	ended := 0
	for _, server := range t.g.Servers {
		if server.Addr == t.To || server.Addr == t.From && t.Kind.Abandons() {
			continue
		}
		c, err := dial(ctx, t.target(server.Addr))
		if err == nil {
			var n int
			n, err = endConnections(ctx, c, t.silent)
			ended += n
			c.Close()
		}
		if err != nil && server.Addr == t.From {
			return err
		}
	}
	t.run.c.log.Warn("connections of silent nodes ended", "group", t.g.ID, "nodes", t.silent, "connections", ended)
	return nil
}

// isDone says whether this turn has promoted the candidate already.
func (t *turning) isDone(ctx context.Context) (bool, error) {
	f, err := ask(ctx, t.candidate, t.To)
	if err != nil {
		return false, err
	}
	t.before, t.keys = memberFrom(f, nil), f.TotalKeys()
	if f.Role != RoleMaster {
		return false, nil
	}
	there, err := t.epochAt(ctx, t.candidate)
	return there == t.Epoch, err
}

// hasObeyed looks on a new connection whether the candidate has been promoted.
func (t *turning) hasObeyed(ctx context.Context) bool {
	c, err := dial(ctx, t.target(t.To))
	if err != nil {
		return false
	}
	t.candidate = c
	there, err := t.epochAt(ctx, c)
	return err == nil && there == t.Epoch
}

// isWhatItWas says whether the promoted candidate has the group's history, and as much
// of it as when it was looked at: it may have copied another process just then.
func (t *turning) isWhatItWas(now Facts) bool {
	return now.ReplID2 == t.from.ReplID && (now.ReplID == t.before.ReplID || now.Offset2 >= t.before.Offset)
}

// outcome looks at the promoted candidate.
func (t *turning) outcome(ctx context.Context) (topology.TurnDone, error) {
	f, err := ask(ctx, t.candidate, t.To)
	if err != nil {
		return topology.TurnDone{}, fmt.Errorf("look at the promoted server: %w", err)
	}
	if f.Role != RoleMaster {
		return topology.TurnDone{}, fmt.Errorf("server %s: it was promoted, but says that it is a replica of %s", t.To, f.MasterAddr)
	}
	if t.Kind != topology.TurnReplace && !t.Force && !t.isWhatItWas(f) {
		t.obeyed = false // it must not be tried again: the turn is given up
		return topology.TurnDone{}, fmt.Errorf("server %s: it has lost data while it was promoted: it was at offset %d of %s, and was promoted at %d of %s",
			t.To, t.before.Offset, short(t.before.ReplID), f.Offset2, short(f.ReplID2))
	}
	done := topology.TurnDone{Group: t.g.ID, Epoch: t.Epoch,
		Server: topology.Server{Addr: t.To, Version: f.Version, RunID: f.RunID, ReplID: f.ReplID}}
	done.Fork, done.Note = t.fork(ctx, f)
	if t.Kind == topology.TurnReplace || t.Force {
		done.Note += t.functions(ctx)
	}
	return done, nil
}

// functions gives a master that is not of the old one's history the function libraries
// that the other groups have: as long as the group is on hold, clients load none. That
// it could not is no reason to go without a master.
func (t *turning) functions(ctx context.Context) string {
	seen := t.run.c.cfg.Watcher.Snapshot()
	sources := slices.DeleteFunc(functionSources(t.s, t.g.ID), func(source functionSource) bool { return !seen[source.master.Addr].State.Alive() })
	given, err := giveFunctions(ctx, t.target(t.To), sources)
	switch text := given.String(); {
	case err != nil:
		return fmt.Sprintf("; function libraries of other groups could not be loaded (%v): repeat FUNCTION LOAD REPLACE", err)
	case text != "":
		return "; " + text
	}
	return ""
}
