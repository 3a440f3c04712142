package admin

import (
	"context"
	"slices"

	"codis/raftstore/topology"
)

// Assign gives a range of unassigned slots to a group, or, with Auto, all
// unassigned slots to all groups.
type Assign struct {
	Range topology.SlotRange
	Auto  bool
}

// Assign gives unassigned slots to groups. No data moves; it warns when a master
// holds keys that are now another group's.
func (o *Ops) Assign(ctx context.Context, who Caller, r Assign) (Done, error) {
	done, ranges := Done{}, []topology.SlotRange{r.Range}
	state := o.cfg.Store.State()
	if r.Auto {
		plan, err := topology.PlanAssignAuto(state)
		if err != nil {
			return Done{}, err
		}
		if len(plan) == 0 {
			done.notef("every slot is assigned already")
			return done, nil
		}
		ranges = plan
		for i, p := range plan {
			if i == maxSpans {
				done.notef("and %d ranges more, see CODIS.SLOTS", len(plan)-i)
				break
			}
			done.notef("slots %d-%d: group %d", p.Start, p.End, p.Group)
		}
	}
	if err := o.propose(ctx, who, topology.SlotsAssign{Ranges: ranges}); err != nil {
		return Done{}, err
	}
	o.noteFunctions(ctx, &done, newOwners(state, ranges)...)
	o.noteAllForeign(ctx, &done)
	return done, nil
}

// newOwners are the groups of ranges that had no slots before.
func newOwners(before *topology.State, ranges []topology.SlotRange) []int {
	owned := slotsPerGroup(before)
	var ids []int
	for _, r := range ranges {
		if owned[r.Group] == 0 && !slices.Contains(ids, r.Group) {
			ids = append(ids, r.Group)
		}
	}
	return ids
}
