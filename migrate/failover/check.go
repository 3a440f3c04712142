package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// check says why the candidate can't be promoted. Nobody of ours writes any more.
func (t *turning) check(ctx context.Context) error {
	if t.Kind == topology.TurnReplace {
		if t.before.Role != RoleMaster {
			return fmt.Errorf("server %s: it is a replica of %s; CODIS.GROUP PROMOTE is for replicas", t.To, t.before.MasterAddr)
		}
		return nil
	}
	if err := t.checkChoice(ctx); err != nil {
		return err
	}
	if !t.Force {
		if err := tooOld(t.g.ID, t.To, checkFences(ctx, t.candidate, t.s, t.g.ID)); err != nil {
			return err
		}
	}
	if t.Kind == topology.TurnSwitchover {
		return t.catchUp(ctx)
	}
	return nil
}

// checkChoice looks again: others may have more by now, or the candidate less.
func (t *turning) checkChoice(ctx context.Context) error {
	silence := time.Since(time.UnixMilli(t.At)) + t.s.Settings.Duration("down-after")
	r := ruleOf(t.s, t.g, t.run.c.cfg.Watcher.Snapshot()[t.From], max(silence, 0), t.run.c.cfg.faults)
	r.force = t.Force
	// Why the turn was begun is not known here; what the guard promotes is in the
	// middle of following the master.
	r.midSync = t.Kind == topology.TurnFailover
	if err := t.before.fit(r); err != nil {
		return fmt.Errorf("server %s can't be promoted: %w", t.To, err)
	}
	if t.Kind != topology.TurnFailover || t.Force {
		return nil
	}
	best, _ := choose(t.g, t.run.askMembers(ctx, t.s, t.g), r)
	if best.addr != "" && best.addr != t.To && best.common(r) > t.before.common(r) {
		return fmt.Errorf("%w: %s has more than %s", errAgain, best.addr, t.To)
	}
	return nil
}

// pauseFor is how long the old master of a switchover lets writes wait: ours do not
// come, but others may, and keys expire, which is a write too. It ends by itself.
const pauseFor = 2 * time.Second

// catchUpLimit bounds the wait for the candidate: clients wait too, and give up after
// hold-deadline, 2 s by default.
const catchUpLimit = time.Second

// catchUp waits until the candidate has all that the old master has. Its replication
// stream goes on while nobody writes (PING, expiry), but what was written before the
// hold is below the offset that it has now.
func (t *turning) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	var err error
	if t.old, err = dial(ctx, t.target(t.From)); err != nil {
		return err
	}
	_, err = t.old.Do(ctx, "CLIENT", "PAUSE", fmt.Sprint(pauseFor.Milliseconds()), "WRITE")
	t.paused = err == nil // before 6.2 there is no such thing
	master, err := askReplication(ctx, t.old)
	if err != nil {
		return explain(t.From, err)
	}
	if master.Role != RoleMaster {
		return fmt.Errorf("server %s: it is not a master any more", t.From)
	}
	if !t.before.shares(master.ReplID) {
		return fmt.Errorf("server %s does not have the history of %s", t.To, t.From)
	}
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for {
		now, err := askReplication(ctx, t.candidate)
		switch {
		case err != nil:
			return explain(t.To, err)
		case now.Role == RoleReplica && now.ReplID == master.ReplID && now.Offset >= master.Offset:
			t.before.Replication = now
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("server %s is %d bytes behind and does not catch up: %w", t.To, master.Offset-now.Offset, context.Cause(ctx))
		}
	}
}

// fork tells where the histories part, and what that means.
func (t *turning) fork(ctx context.Context, now Facts) (*topology.Fork, string) {
	common := now.Offset2
	if now.ReplID2 != t.from.ReplID {
		common = t.before.Offset // another history, by force
	}
	f := &topology.Fork{Addr: t.From, RunID: t.FromRunID, ReplID: t.from.ReplID, Offset: max(0, common), Epoch: t.Epoch, At: time.Now().UnixMilli()}
	switch t.Kind {
	case topology.TurnReplace:
		return nil, fmt.Sprintf("it has %d keys; all that it lacks of what %s had is lost", t.keys, t.From)
	case topology.TurnSwitchover:
		if t.old == nil {
			return nil, "" // another leader had begun it, and waited
		}
		if master, err := askReplication(ctx, t.old); err == nil && master.ReplID == t.from.ReplID && master.Offset <= f.Offset {
			return nil, ""
		}
		return f, ""
	}
	last := t.run.c.cfg.Watcher.Snapshot()[t.From]
	run, ok := last.Run(t.FromRunID)
	switch {
	case now.ReplID2 != t.from.ReplID:
		return f, "it has another history than the old master, so what is lost can't be told"
	case !ok || run.ReplID != t.from.ReplID:
		return f, fmt.Sprintf("it has the writes up to offset %d; how far the old master was is not known", f.Offset)
	}
	f.Seen = max(0, run.Offset)
	if f.Seen <= f.Offset {
		return f, fmt.Sprintf("it has the writes up to offset %d, all that the old master was seen to have", f.Offset)
	}
	return f, fmt.Sprintf("it has the writes up to offset %d; the old master was seen at %d: at least %d bytes of acknowledged writes are lost", f.Offset, f.Seen, f.Seen-f.Offset)
}

// lost is what a fork says of what is lost.
func (t *turning) lost(f *topology.Fork) int64 {
	switch {
	case f == nil && t.Kind == topology.TurnSwitchover:
		return 0
	case f == nil || f.Seen == 0:
		return -1
	}
	return max(0, f.Seen-f.Offset)
}

// epochAt reads the group's key.
func (t *turning) epochAt(ctx context.Context, c *resp.Client) (uint64, error) {
	r, err := c.Do(ctx, "GET", fence.GroupKey)
	if se := (*resp.ServerError)(nil); err != nil && !errors.As(err, &se) {
		return 0, explain(c.Addr(), err)
	}
	epoch, err := readEpoch(r)
	if err != nil {
		return 0, explain(c.Addr(), err)
	}
	return epoch, nil
}

// after is what can wait until clients are served again.
func (t *turning) after(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*t.run.c.cfg.StepTimeout)
	defer cancel()
	if t.Kind == topology.TurnSwitchover && t.old != nil {
		// At once: while nothing else is in its stream it goes on where it is, later it
		// would have to copy everything.
		err := t.run.order(ctx, t.old, t.target(t.To), t.Epoch)
		t.resume()
		if err != nil {
			t.run.c.log.Warn("the old master is not a replica yet", "group", t.g.ID, "server", t.From, "error", err)
		}
	}
	// Kept over a restart where the server has a configuration file.
	_, _ = t.candidate.Do(ctx, "CONFIG", "REWRITE")
	var addrs []string
	for _, server := range t.g.Servers {
		addrs = append(addrs, server.Addr)
	}
	t.run.c.cfg.Watcher.Look(addrs...)
}
