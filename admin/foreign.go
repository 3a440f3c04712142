package admin

import (
	"context"

	"codis/raftstore/topology"
)

// noteAllForeign is noteForeign for every group, all within one deadline.
func (o *Ops) noteAllForeign(ctx context.Context, done *Done) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.CountTimeout)
	defer cancel()
	for _, id := range sortedKeys(o.cfg.Store.State().Groups) {
		o.noteForeign(ctx, done, id)
	}
}

// noteForeign warns when a group's master holds keys that no client will find:
// keys of slots that another group serves, or that nobody serves yet. It looks
// for a bounded time; the change that it follows stands either way.
func (o *Ops) noteForeign(ctx context.Context, done *Done, group int) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.CountTimeout)
	defer cancel()
	state := o.cfg.Store.State()
	g, ok := state.Groups[group]
	if !ok {
		return
	}
	var unassigned int64
	found, err := o.cfg.Servers.CountForeign(ctx, Count{
		Target: Target{Addr: g.Master, Auth: credentials(state, g.Auth)},
		Limit:  o.cfg.CountLimit,
		Owns: func(slot int) bool {
			owner := state.Slots[slot]
			if owner.Phase == topology.PhaseUnassigned {
				unassigned++
			}
			return owner.Phase == topology.PhaseUnassigned || owner.Group == group
		},
	})
	if err != nil {
		done.notef("warning: group %d: no look for keys of foreign slots: %v", group, err)
		return
	}
	about := "about"
	if found.Partial {
		about = "at least"
	}
	if found.Keys > 0 {
		done.notef("warning: group %d: its master %s holds %s %d keys of slots that other groups serve, such as %s: clients do not see them",
			group, g.Master, about, found.Keys, found.Example)
	}
	if unassigned > 0 {
		done.notef("warning: group %d: its master %s holds %s %d keys of slots that no group serves: assign those slots to group %d to serve them",
			group, g.Master, about, unassigned, group)
	}
}
