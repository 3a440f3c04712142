package topology

// MaxWeight is the highest weight of a group.
const MaxWeight = 10000

// RebalanceBy says what is to be shared out.
type RebalanceBy string

const (
	// BySlots gives groups equal numbers of slots.
	BySlots RebalanceBy = "slots"
	// ByKeys gives groups equal numbers of keys.
	ByKeys RebalanceBy = "keys"
	// ByMemory gives groups equal numbers of bytes.
	ByMemory RebalanceBy = "memory"
)

// RebalanceInput is what PlanRebalance goes by, beside the state.
type RebalanceInput struct {
	By RebalanceBy
	// Weights is by group; one that is not named has weight 1. A group of weight 2
	// gets twice the share of one of weight 1; a group of weight 0 is drained: all
	// its slots leave.
	Weights map[int]int
	// Load is by group; ByKeys and ByMemory need that of every group with slots.
	Load map[int]GroupLoad
}

// GroupLoad is what a group holds.
type GroupLoad struct {
	Keys, Bytes int64
	// Slots says it of single slots, where that is known. The rest of Keys and Bytes
	// is taken to be spread evenly over the group's other slots.
	Slots map[int]SlotLoad
}

// SlotLoad is what a slot holds.
type SlotLoad struct{ Keys, Bytes int64 }

// PlanRebalance returns the moves that share out the slots that have an owner, by
// weight, and moves as few slots as can be; the same input gives the same plan. It
// returns nothing when no slot needs to move.
//
// Slots of unfinished jobs are counted where they go, and are not in the plan.
func PlanRebalance(s *State, in RebalanceInput) ([]SlotMove, error) {
	r, err := newRebalance(s, in.Weights)
	if err != nil {
		return nil, err
	}
	switch in.By {
	case BySlots:
		r.bySlots()
	case ByKeys, ByMemory:
		if err := r.setLoads(s, in); err != nil {
			return nil, err
		}
		r.byLoad()
	default:
		return nil, refuse(CodeBadArg, "%q is not one of slots, keys, memory", clip(string(in.By)))
	}
	return r.moves(s), nil
}
