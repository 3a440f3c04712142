package admin

import (
	"context"
	"fmt"
	"slices"

	"codis/raftstore/topology"
)

// GroupAdd describes a new group. Servers has the master first. Auth is nil when
// the cluster's own credentials for redis-servers apply.
type GroupAdd struct {
	ID      int
	Servers []string
	Auth    *topology.Credentials
	// Force lets replicas lose their data or their present master.
	Force bool
}

// GroupAdd makes a group of servers that it has checked; replicas that are
// empty masters yet are made to follow the master first. No slot is assigned.
func (o *Ops) GroupAdd(ctx context.Context, who Caller, r GroupAdd) (Done, error) {
	state := o.cfg.Store.State()
	if _, ok := state.Groups[r.ID]; ok {
		return Done{}, refuse(topology.CodeExists, fmt.Sprintf("CODIS.GROUP ATTACH %d addr adds a server to it", r.ID), "group %d exists already", r.ID)
	}
	for i, addr := range r.Servers {
		if slices.Contains(r.Servers[:i], addr) {
			return Done{}, badArg("server %s is listed twice", addr)
		}
	}
	a := o.newAttacher(state, r.Auth, r.Force)
	if err := a.master(ctx, r.Servers[0]); err != nil {
		return Done{}, err
	}
	for _, addr := range r.Servers[1:] {
		if err := a.replica(ctx, addr); err != nil {
			return Done{}, err
		}
	}
	if err := a.follow(ctx); err != nil {
		return Done{}, err
	}
	if err := o.propose(ctx, who, topology.GroupAdd{ID: r.ID, Servers: a.servers(), Auth: r.Auth}); err != nil {
		return Done{}, err
	}
	a.awaitCopies(ctx)
	done := Done{Notes: a.notes}
	o.noteFunctions(ctx, &done, r.ID)
	o.noteForeign(ctx, &done, r.ID)
	return done, nil
}
