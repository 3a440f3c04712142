package admin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"codis/raftstore/topology"
)

// Import is what CODIS.IMPORT makes of an empty cluster: the text of an Export, or
// of the configuration of a Codis 3 dashboard.
type Import struct {
	Export
	// Dry only looks whether it could be done.
	Dry bool
}

// Imported is what an import has done, or would do.
type Imported struct {
	Done
	// Dry says that nothing was done.
	Dry bool
}

// Import builds groups, slots and settings from text, on a cluster without groups.
// Every server is looked at before anything is changed. Nodes are not imported:
// they join.
func (o *Ops) Import(ctx context.Context, who Caller, r Import) (Imported, error) {
	state := o.cfg.Store.State()
	if len(state.Groups) > 0 {
		return Imported{}, refuse(topology.CodeBusy, "an import is for a new cluster; CODIS.GROUP DEL removes a group that has no slots",
			"the cluster has %d groups", len(state.Groups))
	}
	if err := r.check(); err != nil {
		return Imported{}, err
	}
	groups, err := o.inspectImport(ctx, state, r)
	if err != nil {
		return Imported{}, err
	}
	done := Imported{Dry: r.Dry}
	r.tell(&done.Done, groups)
	if r.Dry {
		return done, nil
	}
	if err := o.carryOut(ctx, who, r, groups); err != nil {
		return Imported{}, fmt.Errorf("%w (the import is not complete: see CODIS.HISTORY; to begin again, delete the groups that were made)", err)
	}
	o.noteFunctions(ctx, &done.Done, sortedKeys(o.cfg.Store.State().Groups)...)
	o.noteAllForeign(ctx, &done.Done)
	return done, nil
}

// tell notes what an import does, and what it leaves to people.
func (r Import) tell(done *Done, groups []*attacher) {
	servers, slots := 0, 0
	for i, g := range groups {
		servers += len(g.joining)
		for _, note := range g.notes {
			done.notef("group %d: %s", r.Groups[i].ID, note)
		}
	}
	for _, s := range r.Slots {
		slots += s.End - s.Start + 1
	}
	verb := "imported"
	if r.Dry {
		verb = "would import"
	}
	done.notef("%s %d groups with %d servers, %d slots, %d settings", verb, len(r.Groups), servers, slots, len(r.Settings))
	for _, secret := range r.SecretsLeftOut {
		if _, given := r.Settings[strings.TrimPrefix(secret, "setting ")]; !given && !r.hasPassword(secret) {
			done.notef("not in the text, to be set by hand: %s", secret)
		}
	}
}

// hasPassword says whether the password of a group that was left out was put back.
func (r Import) hasPassword(secret string) bool {
	return slices.ContainsFunc(r.Groups, func(g ExportGroup) bool {
		return g.Password != "" && secret == passwordOf(g.ID)
	})
}

// inspectImport looks at every server of every group, the way GroupAdd does.
func (o *Ops) inspectImport(ctx context.Context, state *topology.State, r Import) ([]*attacher, error) {
	// With the credentials that the cluster will have.
	look := *state
	look.Settings = maps.Clone(state.Settings)
	maps.Copy(look.Settings, r.Settings)
	seen := map[string]string{} // addresses by run ID
	var groups []*attacher
	for _, g := range r.Groups {
		a := o.newAttacher(&look, g.auth(), false)
		if err := a.master(ctx, g.Master); err != nil {
			return nil, fmt.Errorf("group %d: %w", g.ID, err)
		}
		for _, server := range g.Servers {
			if server.Addr == g.Master {
				continue
			}
			if err := a.replica(ctx, server.Addr); err != nil {
				return nil, fmt.Errorf("group %d: %w", g.ID, err)
			}
		}
		for _, j := range a.joining {
			if other, twice := seen[j.facts.RunID]; twice && j.facts.RunID != "" {
				return nil, badArg("%s and %s are the same server", other, j.facts.Addr)
			}
			seen[j.facts.RunID] = j.facts.Addr
		}
		groups = append(groups, a)
	}
	return groups, nil
}

// carryOut changes the table: settings, then groups, then slots.
func (o *Ops) carryOut(ctx context.Context, who Caller, r Import, groups []*attacher) error {
	if err := o.importSettings(ctx, who, r.Settings); err != nil {
		return err
	}
	for i, a := range groups {
		g := r.Groups[i]
		if err := a.follow(ctx); err != nil {
			return fmt.Errorf("group %d: %w", g.ID, err)
		}
		servers := a.servers()
		for at := range servers {
			servers[at].Zone = g.zoneOf(servers[at].Addr)
		}
		if err := o.propose(ctx, who, topology.GroupAdd{ID: g.ID, Servers: servers, Auth: g.auth()}); err != nil {
			return fmt.Errorf("group %d: %w", g.ID, err)
		}
	}
	if len(r.Slots) == 0 {
		return nil
	}
	return o.propose(ctx, who, topology.SlotsAssign{Ranges: r.Slots})
}

// importSettings sets all of them. Some can only be set after others, so those that
// are refused are tried again, as long as that helps.
func (o *Ops) importSettings(ctx context.Context, who Caller, settings map[string]string) error {
	left := sortedKeys(settings)
	for len(left) > 0 {
		var refused []string
		var why error
		for _, name := range left {
			if err := o.propose(ctx, who, topology.SettingSet{Name: name, Value: settings[name]}); err != nil {
				refused, why = append(refused, name), err
			}
		}
		if len(refused) == len(left) {
			return fmt.Errorf("setting %s: %w", strings.Join(refused, ", "), why)
		}
		left = refused
	}
	return nil
}
