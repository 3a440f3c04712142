package admin

import (
	"context"
	"strings"

	"codis/raftstore/topology"
)

// GroupDel names a group that owns no slot.
type GroupDel struct{ ID int }

// GroupDel removes a group. Its servers are left as they are.
func (o *Ops) GroupDel(ctx context.Context, who Caller, r GroupDel) (Done, error) {
	return Done{}, o.propose(ctx, who, topology.GroupDel{ID: r.ID})
}

// GroupDetach names a replica. Force lets a group with slots lose its last one.
type GroupDetach struct {
	ID    int
	Addr  string
	Force bool
}

// GroupDetach takes a replica out of its group. The server is left as it is.
func (o *Ops) GroupDetach(ctx context.Context, who Caller, r GroupDetach) (Done, error) {
	err := o.changeGroup(ctx, who, r.ID, func(state *topology.State, g topology.Group) (topology.Body, error) {
		holder, _, known := state.FindServer(r.Addr)
		last := known && holder == r.ID && r.Addr != g.Master && len(g.Servers) == 2
		if last && !r.Force && slotsPerGroup(state)[r.ID] > 0 {
			return nil, refuse(topology.CodeBusy, "attach another one first, or say FORCE",
				"server %s is the only replica of group %d, whose data would have no copy", r.Addr, r.ID)
		}
		return topology.ServerDetach{Group: r.ID, Addr: r.Addr, Force: r.Force}, nil
	})
	if err != nil {
		return Done{}, err
	}
	done := Done{}
	done.notef("server %s was left as it is, a replica that goes on following its master", r.Addr)
	return done, nil
}

// GroupAuth sets a group's credentials; Auth is nil for the cluster's own.
type GroupAuth struct {
	ID   int
	Auth *topology.Credentials
}

// GroupAuth sets what AUTH takes at a group's servers. It refuses credentials
// that none of them takes, since they would stop the whole group at once.
func (o *Ops) GroupAuth(ctx context.Context, who Caller, r GroupAuth) (Done, error) {
	done := Done{}
	err := o.changeGroup(ctx, who, r.ID, func(state *topology.State, g topology.Group) (topology.Body, error) {
		done = Done{}
		var failed []string
		for _, srv := range g.Servers {
			if _, err := o.cfg.Servers.Inspect(ctx, Target{Addr: srv.Addr, Auth: credentials(state, r.Auth)}); err != nil {
				failed = append(failed, err.Error())
				done.notef("warning: not usable with these credentials: %v", err)
			}
		}
		if len(failed) == len(g.Servers) {
			return nil, refuse(CodeServer, "", "no server of group %d can be used with these credentials: %s", r.ID, strings.Join(failed, "; "))
		}
		return topology.GroupAuth{Group: r.ID, Auth: r.Auth}, nil
	})
	if err != nil {
		return Done{}, err
	}
	return done, nil
}

// GroupZone says where a server runs; an empty Zone forgets it.
type GroupZone struct {
	ID         int
	Addr, Zone string
}

// GroupZone records where a server runs, for reads from the nearest replica.
func (o *Ops) GroupZone(ctx context.Context, who Caller, r GroupZone) (Done, error) {
	return Done{}, o.changeGroup(ctx, who, r.ID, func(_ *topology.State, g topology.Group) (topology.Body, error) {
		for _, srv := range g.Servers {
			if srv.Addr == r.Addr {
				srv.Zone = r.Zone // the rest as it is recorded now
				return topology.ServerUpdate{Group: r.ID, Server: srv}, nil
			}
		}
		return nil, refuse(topology.CodeNoServer, "CODIS.GROUPS lists them", "group %d has no server %s", r.ID, r.Addr)
	})
}
