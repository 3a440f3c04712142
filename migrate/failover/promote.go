package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// ErrNotLeading is returned when a turn is asked for at a node that does not lead.
var ErrNotLeading = errors.New("this node does not lead")

// Promote asks for another master of a group.
type Promote struct {
	Group int
	Addr  string
	// Force takes the replica as it is: the old master is given up, answering or not,
	// and what the replica lacks is lost.
	Force bool
	Who   string
}

// Promote makes a replica the master, and returns when it is, or with the reason why
// it is not. Unless forced, nothing is lost: the replica has all that was
// acknowledged before the old master stops. It is for the leader.
func (c *Controller) Promote(ctx context.Context, p Promote) (Result, error) {
	return c.unlessRecorded(p.Group, func() (Result, error) { return c.promote(ctx, p) })
}

// unlessRecorded does something about a group again when only what is recorded of its
// servers has changed meanwhile: a new master has a new history, and so have its
// replicas a moment later.
func (c *Controller) unlessRecorded(group int, do func() (Result, error)) (Result, error) {
	for {
		before := c.store.State().Groups[group]
		result, err := do()
		now := c.store.State().Groups[group]
		if !errors.Is(err, &topology.Error{Code: topology.CodeStale}) || now.Epoch == before.Epoch ||
			now.Turn != nil || now.Turned != before.Turned || now.Master != before.Master {
			return result, err
		}
	}
}

// leadingWith is the work under way on this leader, and the table, which has the group.
func (c *Controller) leadingWith(group int) (*run, *topology.State, error) {
	r, err := c.leading()
	if err != nil {
		return nil, nil, err
	}
	s := c.store.State()
	if _, ok := s.Groups[group]; !ok {
		return nil, nil, &topology.Error{Code: topology.CodeNoGroup, Message: fmt.Sprintf("there is no group %d", group), Hint: "CODIS.GROUPS lists them"}
	}
	return r, s, nil
}

func (c *Controller) promote(ctx context.Context, p Promote) (Result, error) {
	r, s, err := c.leadingWith(p.Group)
	if err != nil {
		return Result{}, err
	}
	g := s.Groups[p.Group]
	kind, reason := topology.TurnFailover, "asked for, by force"
	if !p.Force {
		kind, reason = topology.TurnSwitchover, "asked for"
		if err := r.ready(ctx, s, g, p.Addr); err != nil {
			return Result{}, err
		}
	}
	from := g.Servers[indexOf(g, g.Master)]
	return r.await(ctx, topology.Command{Who: p.Who, ExpectGroupEpoch: g.Epoch, Body: topology.TurnBegin{
		Group: g.ID, Kind: kind, From: from.Addr, FromRunID: from.RunID, To: p.Addr, Force: p.Force, Reason: reason,
	}})
}

// Replace asks for an empty or restored server in the place of a master that is gone.
type Replace struct {
	Group int
	Addr  string
	Who   string
}

// Replace makes a server that is a master, and was no replica of the group, the
// group's master. It may be a new process under the old address. What the old master
// had and this one has not is lost, and is wiped there when it comes back.
func (c *Controller) Replace(ctx context.Context, p Replace) (Result, error) {
	return c.unlessRecorded(p.Group, func() (Result, error) { return c.replace(ctx, p) })
}

func (c *Controller) replace(ctx context.Context, p Replace) (Result, error) {
	r, s, err := c.leadingWith(p.Group)
	if err != nil {
		return Result{}, err
	}
	g := s.Groups[p.Group]
	facts, err := Inspect(ctx, TargetFor(s, g.ID, p.Addr))
	if err != nil {
		return Result{}, err
	}
	if facts.Role != RoleMaster {
		return Result{}, &Error{Addr: p.Addr, Kind: ErrNotMaster, Text: "it is a replica of " + facts.MasterAddr,
			Hint: fmt.Sprintf("CODIS.GROUP PROMOTE %d %s FORCE is for replicas of the group; REPLICAOF NO ONE makes it a master", g.ID, p.Addr)}
	}
	from := g.Servers[indexOf(g, g.Master)]
	if facts.RunID == from.RunID {
		return Result{}, &topology.Error{Code: topology.CodeBusy, Message: fmt.Sprintf("server %s is the master of group %d, and answers", p.Addr, g.ID)}
	}
	return r.await(ctx, topology.Command{Who: p.Who, ExpectGroupEpoch: g.Epoch, Body: topology.TurnBegin{
		Group: g.ID, Kind: topology.TurnReplace, From: from.Addr, FromRunID: from.RunID, To: p.Addr, Reason: "asked for, by force",
		Server: &topology.Server{Addr: p.Addr, Version: facts.Version, RunID: facts.RunID, ReplID: facts.ReplID},
	}})
}

func (c *Controller) leading() (*run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return nil, ErrNotLeading
	}
	return c.run, nil
}

// readyFor is how long a replica may take to come near its master before a switchover
// begins, and nearly how near that has to be, in bytes.
const (
	readyFor = 10 * time.Second
	nearly   = 1 << 20
)

// ready waits until a switchover would be short: nodes that are silent have lost
// their leases, and the replica is near its master.
func (r *run) ready(ctx context.Context, s *topology.State, g topology.Group, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, barrierLimit(s)+readyFor)
	defer cancel()
	if indexOf(g, addr) < 0 {
		return &topology.Error{Code: topology.CodeNoServer, Message: fmt.Sprintf("group %d has no server %s", g.ID, addr), Hint: "CODIS.GROUPS lists them"}
	}
	for {
		master := askMember(ctx, TargetFor(s, g.ID, g.Master))
		if master.err != nil {
			return fmt.Errorf("the master can't be asked: %w; CODIS.GROUP PROMOTE %d %s FORCE gives it up, with what only it has", master.err, g.ID, addr)
		}
		candidate := askMember(ctx, TargetFor(s, g.ID, addr))
		rule := ruleOf(s, g, r.c.cfg.Watcher.Snapshot()[g.Master], 0, r.c.cfg.faults)
		rule.replID = master.ReplID
		unfit := candidate.fit(rule)
		behind := master.Offset - candidate.Offset
		switch {
		case addr == g.Master || unfit == nil && behind <= nearly:
			return r.withAll(ctx, s)
		case unfit != nil && !errors.As(unfit, new(notYet)):
			return fmt.Errorf("server %s can't be promoted: %w", addr, unfit)
		}
		select {
		case <-time.After(50 * time.Millisecond): // servers tell nobody
		case <-ctx.Done():
			if unfit != nil {
				return fmt.Errorf("server %s can't be promoted: %w", addr, unfit)
			}
			return fmt.Errorf("server %s is %d bytes behind its master and does not catch up; try again when there are less writes", addr, behind)
		}
	}
}

// withAll returns when every node follows the table, or has no lease.
func (r *run) withAll(ctx context.Context, s *topology.State) error {
	if _, err := r.c.store.Barrier(ctx, s.Epoch); err != nil {
		return fmt.Errorf("wait for all nodes: %w", err)
	}
	return nil
}

// await begins a turn and waits for its end; Run goes through with it.
func (r *run) await(ctx context.Context, begin topology.Command) (Result, error) {
	changed, unsubscribe := r.c.store.Subscribe()
	defer unsubscribe()
	group := begin.Body.(topology.TurnBegin).Group
	epoch, err := r.c.propose(ctx, begin)
	if err != nil {
		return Result{}, err
	}
	for {
		g, ok := r.c.store.State().Groups[group]
		if !ok || g.Turn == nil || g.Turn.Epoch != epoch {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Result{}, fmt.Errorf("turn %d of group %d goes on: %w", epoch, group, context.Cause(ctx))
		}
	}
	return r.resultOf(group, epoch)
}

func (r *run) resultOf(group int, epoch uint64) (Result, error) {
	g := r.c.store.State().Groups[group]
	r.mu.Lock()
	result, ok := r.results[epoch]
	r.mu.Unlock()
	if !ok { // written behind the commit, and not at all when another leader ended the turn
		result = Result{}
		if g.Turned != epoch {
			result.Err = errors.New("it was given up, see CODIS.HISTORY")
		}
	}
	if g.Turned == epoch {
		return result, nil
	}
	return Result{}, fmt.Errorf("the turn was given up, %s is still the master: %w", g.Master, result.Err)
}
