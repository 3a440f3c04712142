package topology

import (
	"cmp"
	"slices"
)

// setLoads reads what the slots hold.
func (r *rebalance) setLoads(s *State, in RebalanceInput) error {
	pick := func(keys, bytes int64) float64 {
		if in.By == ByMemory {
			return float64(max(bytes, 0))
		}
		return float64(max(keys, 0))
	}
	for _, id := range r.ids {
		var known float64
		var others []int
		load, ok := in.Load[id]
		for i, slot := range s.Slots {
			if slot.Group != id {
				continue
			}
			if !ok {
				return refuse(CodeBadArg, "the load of group %d is not known", id)
			}
			if one, ok := load.Slots[i]; ok {
				r.load[i] = pick(one.Keys, one.Bytes)
				known += r.load[i]
			} else {
				others = append(others, i)
			}
		}
		for _, i := range others {
			r.load[i] = max(0, pick(load.Keys, load.Bytes)-known) / float64(len(others))
		}
	}
	return nil
}

// balance is how far the groups are from their shares.
type balance struct {
	*rebalance
	// over is what a group has more than its share; below 0 what it lacks.
	over []float64
	// slack is how far a group may be from its share, either way.
	slack []float64
	// epsilon is what sums of loads may be wrong by.
	epsilon float64
	// gives and takes say which side of the plan a group is on; none is on both while there is another way.
	gives, takes []bool
	// slots counts the slots of each group, by plan.
	slots []int
}

// byLoad plans so that each group gets its share of the load, give or take the load
// of an average slot or 1 %, whichever is more. Slots of drained groups leave,
// whatever they hold. Then the heaviest slot that fits goes from the group that is
// furthest above its share to the one that is furthest below, while there is
// something to gain.
//
// Where all slots hold the same, no plan that is as balanced has fewer moves. For
// unequal ones the fewest is a knapsack problem; tests by brute force find this one
// move behind now and then. Slots that are heavier than average may fit nowhere: then
// a group stays beyond its slack.
func (r *rebalance) byLoad() {
	b := r.newBalance()
	b.drain()
	for b.step() {
	}
	// A group that is on both sides costs moves, so it is the last resort.
	clear(b.gives)
	clear(b.takes)
	for b.step() {
	}
	r.straighten()
}

func (r *rebalance) newBalance() *balance {
	n := len(r.ids)
	b := &balance{
		rebalance: r, over: make([]float64, n), slack: make([]float64, n), gives: make([]bool, n), takes: make([]bool, n),
		slots: r.count(func(int) bool { return true }),
	}
	total, weights, slots := 0.0, 0, 0
	for i, g := range r.owner {
		if g >= 0 {
			b.over[g] += r.load[i]
			total += r.load[i]
			slots++
		}
	}
	for _, w := range r.weights {
		weights += w
	}
	for g, w := range r.weights {
		share := total * float64(w) / float64(weights)
		b.over[g] -= share
		b.slack[g] = max(total/float64(max(slots, 1)), share/100)
	}
	b.epsilon = total * 1e-9
	return b
}

// drain plans away all slots of groups of weight 0, the heaviest first, each to the
// group that lacks most; what holds nothing goes to the group with the fewest slots
// for its weight.
func (b *balance) drain() {
	var leaving []int
	for i, g := range b.owner {
		if g >= 0 && b.weights[g] == 0 && !b.fixed[i] {
			leaving = append(leaving, i)
		}
	}
	slices.SortStableFunc(leaving, func(i, j int) int { return cmp.Compare(b.load[j], b.load[i]) })
	for _, i := range leaving {
		best := -1
		for g, w := range b.weights {
			switch {
			case w == 0:
			case best < 0,
				b.load[i] > 0 && b.over[g] < b.over[best],
				b.load[i] == 0 && b.slots[g]*b.weights[best] < b.slots[best]*w:
				best = g
			}
		}
		b.move(i, best)
	}
}

// move plans a slot to go to a group, or to stay when that is its owner.
func (b *balance) move(slot, to int) {
	from := b.target[slot]
	b.over[from] -= b.load[slot]
	b.over[to] += b.load[slot]
	b.slots[from]--
	b.slots[to]++
	b.target[slot] = to
}

// step plans one move more, if a group is beyond its slack and there is a slot that
// helps.
func (b *balance) step() bool {
	givers, takers := b.sides()
	for _, from := range givers {
		for _, to := range takers {
			if b.over[from] <= b.slack[from]+b.epsilon && b.over[to] >= -b.slack[to]-b.epsilon {
				continue // both are fine
			}
			if slot := b.pick(from, to); slot >= 0 {
				b.move(slot, to)
				b.gives[from], b.takes[to] = true, true
				return true
			}
		}
	}
	return false
}

// sides returns the groups above their shares, the furthest first, and those below.
func (b *balance) sides() (givers, takers []int) {
	for g, w := range b.weights {
		switch {
		case w == 0:
		case b.over[g] > b.epsilon && !b.takes[g]:
			givers = append(givers, g)
		case b.over[g] < -b.epsilon && !b.gives[g]:
			takers = append(takers, g)
		}
	}
	slices.SortStableFunc(givers, func(x, y int) int { return cmp.Compare(b.over[y], b.over[x]) })
	slices.SortStableFunc(takers, func(x, y int) int { return cmp.Compare(b.over[x], b.over[y]) })
	return givers, takers
}

// pick returns the heaviest slot that one group can give another without either
// getting beyond its slack on the other side, the last one of equals; -1: none.
func (b *balance) pick(from, to int) int {
	limit := min(b.over[from]+b.slack[from], b.slack[to]-b.over[to]) + b.epsilon
	best := -1
	for i := range b.target {
		if b.owner[i] != from || b.target[i] != from || b.fixed[i] || b.load[i] == 0 || b.load[i] > limit {
			continue
		}
		if best < 0 || b.load[i] >= b.load[best] {
			best = i
		}
	}
	return best
}

// straighten makes few ranges: among the slots of one group that hold the same and
// leave, the lowest go to the first target.
func (r *rebalance) straighten() {
	type class struct {
		from int
		load float64
	}
	slots, targets := map[class][]int{}, map[class][]int{}
	for i, g := range r.owner {
		if r.target[i] != g {
			c := class{g, r.load[i]}
			slots[c], targets[c] = append(slots[c], i), append(targets[c], r.target[i])
		}
	}
	for c := range slots {
		slices.Sort(targets[c])
		for k, i := range slots[c] {
			r.target[i] = targets[c][k]
		}
	}
}
