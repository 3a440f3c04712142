package admin

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// GroupAttach names a server that is to become a replica of a group.
type GroupAttach struct {
	ID   int
	Addr string
	// Force lets the server lose its data or its present master.
	Force bool
}

// GroupAttach adds a replica that it has checked; an empty
// master is made to follow the group's master first.
func (o *Ops) GroupAttach(ctx context.Context, who Caller, r GroupAttach) (Done, error) {
	state := o.cfg.Store.State()
	g, err := groupOf(state, r.ID)
	if err != nil {
		return Done{}, err
	}
	for _, srv := range g.Servers {
		if srv.Addr == r.Addr {
			return Done{}, refuse(topology.CodeExists, "", "server %s is in group %d already", r.Addr, r.ID)
		}
	}
	a := o.newAttacher(state, g.Auth, r.Force)
	if err := a.oldMaster(ctx, g.Master); err != nil {
		return Done{}, err
	}
	if err := a.replica(ctx, r.Addr); err != nil {
		return Done{}, err
	}
	if err := a.follow(ctx); err != nil {
		return Done{}, err
	}
	if err := o.attach(ctx, who, g, a.servers()[0]); err != nil {
		return Done{}, err
	}
	a.awaitCopies(ctx)
	return Done{Notes: a.notes}, nil
}

// attach records a server that was checked against the master of before. Another
// replication ID is no other master: it changes with the first replica.
func (o *Ops) attach(ctx context.Context, who Caller, before topology.Group, server topology.Server) error {
	return o.changeGroup(ctx, who, before.ID, func(_ *topology.State, g topology.Group) (topology.Body, error) {
		if !sameMaster(before, g) {
			return nil, refuse(topology.CodeStale, "look again and repeat the command", "the master of group %d has changed", g.ID)
		}
		return topology.ServerAttach{Group: g.ID, Server: server}, nil
	})
}

// sameMaster says whether a group still has the master process that it had.
func sameMaster(before, now topology.Group) bool {
	runID := func(g topology.Group) string {
		for _, srv := range g.Servers {
			if srv.Addr == g.Master {
				return srv.RunID
			}
		}
		return ""
	}
	return now.Turn == nil && now.Turned == before.Turned && now.Master == before.Master && runID(now) == runID(before)
}

// attacher checks servers before they join a group. All are looked at before
// the first is changed, so that a refusal leaves every server as it was.
type attacher struct {
	ops   *Ops
	state *topology.State
	auth  topology.Credentials
	force bool
	lead  Facts
	// joining are the servers that will be recorded, in order; follow marks
	// those that must be made replicas first.
	joining []joining
	notes   []string
}

type joining struct {
	facts  Facts
	follow bool
	// copying: it copies its master's data, and is a replica only when it has it all.
	copying bool
}

func (o *Ops) newAttacher(s *topology.State, own *topology.Credentials, force bool) *attacher {
	return &attacher{ops: o, state: s, auth: credentials(s, own), force: force}
}

// credentials are a group's own, or else the cluster's.
func credentials(s *topology.State, own *topology.Credentials) topology.Credentials {
	if own != nil {
		return *own
	}
	return topology.Credentials{User: s.Settings.Text("backend-user"), Password: s.Settings.Text("backend-password")}
}

// oldMaster looks at the master that the group has.
func (a *attacher) oldMaster(ctx context.Context, addr string) error {
	facts, err := a.ops.cfg.Servers.Inspect(ctx, Target{Addr: addr, Auth: a.auth})
	if err != nil {
		return serverError(err, "the group's master can't be asked")
	}
	a.lead = facts
	return nil
}

// master checks the server that is to be a new group's master.
func (a *attacher) master(ctx context.Context, addr string) error {
	facts, verdict, err := a.check(ctx, addr, nil)
	if err != nil {
		return err
	}
	a.lead = facts
	a.add(facts, verdict)
	return nil
}

// replica checks a server that is to be a replica of the master.
func (a *attacher) replica(ctx context.Context, addr string) error {
	facts, verdict, err := a.check(ctx, addr, &a.lead)
	if err != nil {
		return err
	}
	a.add(facts, verdict)
	return nil
}

func (a *attacher) add(facts Facts, v Verdict) {
	a.joining = append(a.joining, joining{facts: facts, follow: v.Follow, copying: v.Copying})
	a.notes = append(a.notes, v.Notes...)
}

// check asks a server and judges it; master is nil for a master.
func (a *attacher) check(ctx context.Context, addr string, master *Facts) (Facts, Verdict, error) {
	if id, _, ok := a.state.FindServer(addr); ok {
		return Facts{}, Verdict{}, refuse(topology.CodeExists, fmt.Sprintf("CODIS.GROUP DETACH %d %s takes it out", id, addr), "server %s is in group %d already", addr, id)
	}
	facts, err := a.ops.cfg.Servers.Inspect(ctx, Target{Addr: addr, Auth: a.auth})
	if err != nil {
		return Facts{}, Verdict{}, serverError(err, "")
	}
	if id, other, ok := sameServer(a.state, facts.RunID); ok {
		return Facts{}, Verdict{}, refuse(topology.CodeExists, "CODIS.GROUPS lists them", "server %s is in group %d already, as %s", addr, id, other)
	}
	for _, j := range a.joining {
		if facts.RunID != "" && j.facts.RunID == facts.RunID {
			return Facts{}, Verdict{}, badArg("%s and %s are the same server", j.facts.Addr, addr)
		}
	}
	verdict, err := a.ops.cfg.Servers.Check(Attach{Server: facts, Master: master, Force: a.force})
	if err != nil {
		return Facts{}, Verdict{}, serverError(err, "")
	}
	return facts, verdict, nil
}

// A change answers in time whatever servers do: these parts of what it has are for
// making replicas, and for waiting until they have their master's data.
const (
	followShare = 0.7
	copyShare   = 0.9
)

// share is a context that ends at a part of the time that ctx has left.
func share(ctx context.Context, part float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(part*float64(time.Until(deadline))))
}

// follow makes replicas of the servers that need it, all at once: a master copies
// its data to them together, and waits a few seconds for more before it starts. It
// does not wait for the ends of the copies, see awaitCopies.
func (a *attacher) follow(ctx context.Context) error {
	ctx, cancel := share(ctx, followShare)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(a.joining))
	for i := range a.joining {
		if a.joining[i].follow {
			wg.Go(func() { errs[i] = a.followOne(ctx, &a.joining[i]) })
		}
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// followOne makes one server a replica and asks it again, since a replica takes
// over the replication ID of its master, at the end of its copy.
func (a *attacher) followOne(ctx context.Context, j *joining) error {
	l := a.link(*j)
	progress, err := a.ops.cfg.Servers.Follow(ctx, l)
	if err != nil {
		return serverError(err, fmt.Sprintf("make %s a replica of %s", j.facts.Addr, a.lead.Addr))
	}
	if j.copying = !progress.Done; j.copying {
		return nil
	}
	again, err := a.ops.cfg.Servers.Inspect(ctx, l.Replica)
	if err != nil {
		return serverError(err, "")
	}
	j.facts = again
	return nil
}

func (a *attacher) link(j joining) Link {
	return Link{Replica: Target{Addr: j.facts.Addr, Auth: a.auth}, Master: Target{Addr: a.lead.Addr, Auth: a.auth}}
}

// awaitCopies waits for the ends of copies as long as there is time, and notes those
// that go on. The servers are in the table by now, where their progress is shown.
func (a *attacher) awaitCopies(ctx context.Context) {
	ctx, cancel := share(ctx, copyShare)
	defer cancel()
	var wg sync.WaitGroup
	notes := make([]string, len(a.joining))
	for i, j := range a.joining {
		if !j.copying {
			continue
		}
		wg.Go(func() {
			if progress, err := a.ops.cfg.Servers.AwaitCopy(ctx, a.link(j)); err != nil {
				notes[i] = fmt.Sprintf("%s goes on copying the data of %s (%s): CODIS.GROUPS shows how far it is, CODIS.HISTORY when it is in sync",
					j.facts.Addr, a.lead.Addr, progress)
			}
		})
	}
	wg.Wait()
	a.notes = append(a.notes, slices.DeleteFunc(notes, func(note string) bool { return note == "" })...)
}

// servers is what the table records.
func (a *attacher) servers() []topology.Server {
	list := make([]topology.Server, len(a.joining))
	for i, j := range a.joining {
		list[i] = topology.Server{Addr: j.facts.Addr, Version: j.facts.Version, RunID: j.facts.RunID, ReplID: j.facts.ReplID}
		if j.copying {
			// What is recorded of a replica has been in step with its master.
			list[i].RunID, list[i].ReplID = "", ""
		}
	}
	return list
}

// sameServer finds a process in the table by its run ID: one redis-server can be
// reached under several addresses.
func sameServer(s *topology.State, runID string) (group int, addr string, ok bool) {
	if runID == "" {
		return 0, "", false
	}
	for _, id := range sortedKeys(s.Groups) {
		for _, srv := range s.Groups[id].Servers {
			if srv.RunID == runID {
				return id, srv.Addr, true
			}
		}
	}
	return 0, "", false
}

// groupOf returns a group, or the error that there is none.
func groupOf(s *topology.State, id int) (topology.Group, error) {
	g, ok := s.Groups[id]
	if !ok {
		return g, refuse(topology.CodeNoGroup, "CODIS.GROUPS lists them", "there is no group %d", id)
	}
	return g, nil
}
