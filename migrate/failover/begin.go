package failover

import (
	"context"
	"fmt"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// begin begins a turn that nobody asked for, and goes through with it. The servers
// are asked once more: what the Prober knows may be a second old.
func (r *run) begin(ctx context.Context, a action) error {
	s := r.c.store.State()
	g, ok := s.Groups[a.group]
	if !ok || g.Epoch != a.epoch {
		return errAgain
	}
	to := a.addr
	if a.kind == topology.TurnFailover {
		master := r.c.cfg.Watcher.Snapshot()[g.Master]
		rule := ruleOf(s, g, master, master.Silence(time.Now()), r.c.cfg.faults)
		rule.midSync = a.guard
		best, ok := choose(g, r.askMembers(ctx, s, g), rule)
		if !ok {
			return fmt.Errorf("no replica can be promoted: %s", best)
		}
		to = best.addr
		// Before anybody is made to wait for what can't be.
		if err := r.checkFencesAt(ctx, s, g, to); err != nil {
			return err
		}
	}
	from := g.Servers[indexOf(g, g.Master)]
	_, err := r.c.propose(ctx, topology.Command{ExpectGroupEpoch: g.Epoch, Body: topology.TurnBegin{
		Group: g.ID, Kind: a.kind, From: from.Addr, FromRunID: from.RunID, To: to, Reason: a.reason,
	}})
	if err != nil {
		return stale(err)
	}
	return r.turn(ctx, g.ID)
}

func (r *run) checkFencesAt(ctx context.Context, s *topology.State, g topology.Group, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, r.c.cfg.StepTimeout)
	defer cancel()
	c, err := dial(ctx, TargetFor(s, g.ID, addr))
	if err != nil {
		return err
	}
	defer c.Close()
	return tooOld(g.ID, addr, checkFences(ctx, c, s, g.ID))
}

// tooOld explains what checkFences has found; err may be nil.
func tooOld(group int, addr string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("server %s is older than the move of slots that is under way: %w; CODIS.GROUP PROMOTE %d %s FORCE takes it all the same", addr, err, group, addr)
}

// askMembers asks all servers of a group but its master, at once.
func (r *run) askMembers(ctx context.Context, s *topology.State, g topology.Group) []member {
	ctx, cancel := context.WithTimeout(ctx, r.c.cfg.StepTimeout)
	defer cancel()
	members := make([]member, len(g.Servers))
	var all sync.WaitGroup
	for i, server := range g.Servers {
		if server.Addr == g.Master {
			members[i] = member{addr: server.Addr}
			continue
		}
		all.Go(func() { members[i] = askMember(ctx, TargetFor(s, g.ID, server.Addr)) })
	}
	all.Wait()
	return members
}

// askMember asks one server what it is.
func askMember(ctx context.Context, t Target) member {
	c, err := dial(ctx, t)
	if err != nil {
		return member{addr: t.Addr, err: err}
	}
	defer c.Close()
	f, err := ask(ctx, c, t.Addr)
	return memberFrom(f, err)
}

// memberFrom is a member by what it said itself.
func memberFrom(f Facts, err error) member {
	return member{addr: f.Addr, err: err, loading: f.Loading, runID: f.RunID, Replication: f.Replication}
}
