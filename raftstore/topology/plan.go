package topology

import (
	"maps"
	"slices"
)

// PlanAssignAuto spreads the unassigned slots over all groups, so that in the end
// the groups own as equal numbers of slots as can be without moving any. The
// ranges are in slot order; there are at most as many as runs of unassigned slots
// and groups together, less one. It returns nothing when no slot is unassigned.
func PlanAssignAuto(s *State) ([]SlotRange, error) {
	free := s.Unassigned()
	if free == 0 {
		return nil, nil
	}
	if len(s.Groups) == 0 {
		return nil, refuse(CodeNoGroup, "there is no group to assign slots to").hint("make one with CODIS.GROUP ADD")
	}
	groups := slices.Sorted(maps.Keys(s.Groups))
	quota := s.fill(groups, free)

	var plan []SlotRange
	next := 0 // index into groups of the one that is being filled
	for i, slot := range s.Slots {
		if slot.Phase != PhaseUnassigned {
			continue
		}
		for quota[next] == 0 {
			next++
		}
		quota[next]--
		if last := len(plan) - 1; last >= 0 && plan[last].End == i-1 && plan[last].Group == groups[next] {
			plan[last].End = i
			continue
		}
		plan = append(plan, SlotRange{Start: i, End: i, Group: groups[next]})
	}
	return plan, nil
}

// fill returns how many of the free slots each group gets: always the group that
// would own the fewest gets the next one, the first of them where they are equal.
func (s *State) fill(groups []int, free int) []int {
	owned, quota := make([]int, len(groups)), make([]int, len(groups))
	for _, id := range s.destinations() {
		if at, ok := slices.BinarySearch(groups, id); ok {
			owned[at]++
		}
	}
	for ; free > 0; free-- {
		least := 0
		for i := range owned {
			if owned[i] < owned[least] {
				least = i
			}
		}
		owned[least]++
		quota[least]++
	}
	return quota
}
