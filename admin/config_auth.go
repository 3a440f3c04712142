package admin

import (
	"cmp"
	"context"
	"sync"

	"codis/raftstore/topology"
)

// checkBackendAuth looks at what a change of the cluster's own credentials would
// do to the groups that have none of their own. Other settings pass.
func (o *Ops) checkBackendAuth(ctx context.Context, name, value string) error {
	state := o.cfg.Store.State()
	rotation := rotation{servers: o.cfg.Servers, old: credentials(state, nil)}
	rotation.new = rotation.old
	switch name {
	case "backend-user":
		rotation.new.User = value
	case "backend-password":
		rotation.new.Password = value
	default:
		return nil
	}
	if rotation.old == rotation.new || rotation.old.Password == "" && rotation.new.Password == "" {
		return nil // A user without a password stands for no credentials at all.
	}
	ids := sortedKeys(state.Groups)
	refused := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		if g := state.Groups[id]; g.Auth == nil {
			wg.Go(func() { refused[i] = rotation.check(ctx, g) })
		}
	}
	wg.Wait()
	return cmp.Or(refused...)
}

// rotation is a change of credentials.
type rotation struct {
	servers  Servers
	old, new topology.Credentials
}

// check refuses credentials that no server of a group takes while one takes the
// old ones. A group that can't be used as things are has nothing to lose.
func (r rotation) check(ctx context.Context, g topology.Group) error {
	for _, srv := range g.Servers {
		if _, err := r.servers.Inspect(ctx, Target{Addr: srv.Addr, Auth: r.new}); err == nil {
			return nil
		}
	}
	for _, srv := range g.Servers {
		if _, err := r.servers.Inspect(ctx, Target{Addr: srv.Addr, Auth: r.old}); err == nil {
			return refuse(CodeServer, "change it at the servers first; where a user and its password change together, CODIS.GROUP AUTH gid user password each group first",
				"group %d would be out of reach, since only the present credentials are taken there", g.ID)
		}
	}
	return nil
}
