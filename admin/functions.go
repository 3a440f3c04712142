package admin

import (
	"context"
)

// noteFunctions gives groups that have joined the cluster, or serve slots now, the
// function libraries of the others. The change that it follows stands either way.
func (o *Ops) noteFunctions(ctx context.Context, done *Done, groups ...int) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.CountTimeout)
	defer cancel()
	state := o.cfg.Store.State()
	for _, id := range groups {
		if _, ok := state.Groups[id]; !ok || len(state.Groups) == 1 {
			continue
		}
		switch note, err := o.cfg.Servers.GiveFunctions(ctx, state, id); {
		case err != nil:
			done.notef("warning: group %d: function libraries of other groups could not be loaded: %v; repeat FUNCTION LOAD REPLACE", id, err)
		case note != "":
			done.notef("group %d: %s", id, note)
		}
	}
}
