package topology

import (
	"cmp"
	"maps"
	"slices"
)

// rebalance is a plan in the making. Groups are indexes into ids.
type rebalance struct {
	ids     []int // ascending
	weights []int
	// owner is the group that will have the slot when all jobs are at their ends, -1
	// for none; target is where the plan has it go, owner where it stays.
	owner, target [SlotCount]int
	// fixed slots can't be in the plan: unassigned, or in a job.
	fixed [SlotCount]bool
	// load is what a slot holds, of whatever is shared out.
	load [SlotCount]float64
}

func newRebalance(s *State, weights map[int]int) (*rebalance, error) {
	r := &rebalance{ids: slices.Sorted(maps.Keys(s.Groups))}
	sum := 0
	for _, id := range r.ids {
		weight, ok := weights[id]
		if !ok {
			weight = 1
		}
		if weight < 0 || weight > MaxWeight {
			return nil, refuse(CodeBadArg, "weight %d of group %d must be between 0 and %d", weight, id, MaxWeight)
		}
		r.weights = append(r.weights, weight)
		sum += weight
	}
	for _, id := range slices.Sorted(maps.Keys(weights)) {
		if _, ok := s.Groups[id]; !ok {
			return nil, noGroup(id)
		}
	}
	if len(r.ids) == 0 {
		return nil, refuse(CodeNoGroup, "there is no group")
	}
	if sum == 0 {
		return nil, refuse(CodeBadArg, "no group has a weight above 0, so the slots have nowhere to go")
	}
	jobs := s.reserved()
	for i, id := range s.destinations() {
		r.owner[i] = -1
		if at, ok := slices.BinarySearch(r.ids, id); ok {
			r.owner[i] = at
		}
		r.target[i] = r.owner[i]
		r.fixed[i] = r.owner[i] < 0 || jobs[i] != 0
	}
	return r, nil
}

// moves returns the plan in slot order.
func (r *rebalance) moves(s *State) []SlotMove {
	var moves []SlotMove
	for i := range r.target {
		if r.target[i] != r.owner[i] {
			moves = appendMove(moves, i, s.Slots[i].Group, r.ids[r.target[i]])
		}
	}
	return moves
}

// bySlots plans so that each group gets its share of the slots, rounded down or up.
// No plan that does so has fewer moves: see quotas.
func (r *rebalance) bySlots() {
	have := r.count(func(int) bool { return true })
	quotas := r.quotas(have)
	// The slots with the highest numbers leave: what is left of a group stays in one
	// piece, and so does what leaves.
	var leaving []int
	for i := SlotCount - 1; i >= 0; i-- {
		if g := r.owner[i]; g >= 0 && !r.fixed[i] && have[g] > quotas[g] {
			have[g]--
			leaving = append(leaving, i)
		}
	}
	slices.Sort(leaving)
	next := 0
	for _, i := range leaving {
		for have[next] >= quotas[next] {
			next++
		}
		have[next]++
		r.target[i] = next
	}
}

// quotas returns how many slots each group gets in the end: its share rounded down,
// and those that are left over go one each to groups that have more than that
// already, because each of them is a move less.
func (r *rebalance) quotas(have []int) []int {
	quotas := r.count(func(slot int) bool { return r.fixed[slot] })
	active := make([]int, len(r.ids))
	for g := range active {
		active[g] = g
	}
	for {
		slots, weights := 0, 0
		for g := range r.ids {
			slots += have[g]
			if slices.Contains(active, g) {
				weights += r.weights[g]
			} else {
				slots -= quotas[g]
			}
		}
		// A group to which jobs bring more than its share keeps that, and the others
		// share the rest. It can't happen to all of them: there are not so many slots.
		before := len(active)
		active = slices.DeleteFunc(active, func(g int) bool { return quotas[g] > slots*r.weights[g]/weights })
		if len(active) < before {
			continue
		}
		left := slots
		for _, g := range active {
			quotas[g] = slots * r.weights[g] / weights
			left -= quotas[g]
		}
		rest := func(g int) int { return slots * r.weights[g] % weights }
		active = slices.DeleteFunc(active, func(g int) bool { return rest(g) == 0 })
		slices.SortFunc(active, func(a, b int) int {
			return cmp.Or(-cmpBool(have[a] > quotas[a], have[b] > quotas[b]), cmp.Compare(rest(b), rest(a)), a-b)
		})
		for _, g := range active[:left] {
			quotas[g]++
		}
		return quotas
	}
}

// count returns how many slots each group has of which something is true.
func (r *rebalance) count(of func(slot int) bool) []int {
	counts := make([]int, len(r.ids))
	for i, g := range r.owner {
		if g >= 0 && of(i) {
			counts[g]++
		}
	}
	return counts
}

// cmpBool orders false before true.
func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
