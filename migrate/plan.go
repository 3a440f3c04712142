package migrate

import (
	"cmp"
	"maps"
	"slices"

	"codis/raftstore/topology"
)

// step is what there is to do next for a batch of slots.
type step uint8

const (
	// stepBegin: hold slots, set their fences, let them migrate. It belongs to one
	// leader from the beginning to the end.
	stepBegin step = iota + 1
	// stepRelease: let the old group go on; what a hold has left behind is stepClean's.
	stepRelease
	// stepMove: copy keys until none is left.
	stepMove
	// stepClean: remove the reserved keys.
	stepClean
	// stepBig is no task: under it stepMove shows what becomes of big keys.
	stepBig
	// stepReverse: let slots go back in the middle of their move.
	stepReverse
)

func (s step) String() string {
	switch s {
	case stepBegin:
		return "begin"
	case stepRelease:
		return "release"
	case stepMove:
		return "move"
	case stepClean:
		return "clean up"
	case stepBig:
		return "big keys"
	case stepReverse:
		return "turn round"
	}
	return "unknown"
}

// taskKey names a task; of each there is one at a time.
type taskKey struct {
	step     step
	job      uint64
	epoch    uint64 // 0 for stepBegin
	from, to int
}

// task is a step with what it is about.
type task struct {
	taskKey
	moves []topology.SlotMove
}

// observation is what the plan depends on beside the replicated state.
type observation struct {
	// active are the tasks that run.
	active map[taskKey]bool
	// perSlot is about how many keys a slot of a group has, where that is known.
	perSlot map[int]float64
}

const (
	// batchKeys is how many keys the slots of a batch have at least, where there
	// are so many slots: each batch costs at least two scans of the whole group.
	batchKeys = 1_000_000
	// batchKeysMax bounds a batch from above: a moved set takes about 80 bytes a
	// key, and all of a batch shall take less than 256 MB.
	batchKeysMax = 3_000_000
)

// plan returns the tasks that should run, also those that do. It is a pure
// function.
func plan(s *topology.State, o observation) []task {
	var tasks []task
	pairs := map[int]map[[2]int]bool{} // by group, the pairs that it takes part in
	join := func(from, to int) {
		for _, id := range []int{from, to} {
			if pairs[id] == nil {
				pairs[id] = map[[2]int]bool{}
			}
			pairs[id][[2]int{from, to}] = true
		}
	}
	for key := range o.active {
		if key.step == stepBegin {
			join(key.from, key.to)
		}
	}
	jobs := slices.SortedFunc(maps.Values(s.Jobs), func(a, b topology.Job) int { return cmp.Compare(a.ID, b.ID) })
	for _, j := range jobs {
		for _, b := range j.Batches {
			from, to := b.Pair()
			if b.Phase != topology.BatchCleaning {
				join(from, to)
			}
			if key, ok := batchStep(s, j, b, o); ok && !turning(s, from, to) {
				tasks = append(tasks, task{taskKey: key, moves: b.Ranges})
			}
		}
	}
	limit := s.Settings.Int("migrate-parallel")
	for _, j := range jobs {
		if j.State != topology.JobRunning {
			continue
		}
		for _, m := range s.Pending(j) {
			key := taskKey{step: stepBegin, job: j.ID, from: m.From, to: m.To}
			if o.active[key] || turning(s, m.From, m.To) || pairs[m.From][[2]int{m.From, m.To}] ||
				len(pairs[m.From]) >= limit || len(pairs[m.To]) >= limit {
				continue
			}
			join(m.From, m.To)
			tasks = append(tasks, task{taskKey: key, moves: firstSlots(s.Pending(j), m, batchSlots(s, o.perSlot[m.From]))})
		}
	}
	return tasks
}

// batchStep is what there is to do for a batch that has begun.
func batchStep(s *topology.State, j topology.Job, b topology.Batch, o observation) (taskKey, bool) {
	from, to := b.Pair()
	key := taskKey{job: j.ID, epoch: b.Epoch, from: from, to: to}
	move := taskKey{step: stepMove, job: j.ID, epoch: b.Epoch, from: from, to: to}
	switch {
	case b.Phase == topology.BatchHolding && b.Was != 0:
		key.step = stepReverse
		return key, true
	case toReverse(s, j, b):
		key.step = stepReverse
		return key, !o.active[move]
	case b.Phase == topology.BatchHolding:
		// Whose hold it is works on it. A hold of another leader is released: only
		// its own maker may set fences.
		key.step = stepRelease
		return key, !o.active[taskKey{step: stepBegin, job: j.ID, from: from, to: to}]
	case b.Phase == topology.BatchCleaning:
		key.step = stepClean
		return key, true
	}
	return move, j.State != topology.JobPaused
}

// batchSlots is how many slots a batch gets.
func batchSlots(s *topology.State, perSlot float64) int {
	n := s.Settings.Int("migrate-batch-slots")
	if perSlot <= 0 {
		return n
	}
	n = max(n, int(min(batchKeys/perSlot, topology.SlotCount)))
	return max(1, min(n, int(min(batchKeysMax/perSlot, topology.SlotCount))))
}

// firstSlots takes n slots of the moves that have the same groups as m.
func firstSlots(moves []topology.SlotMove, m topology.SlotMove, n int) []topology.SlotMove {
	var first []topology.SlotMove
	for _, next := range moves {
		if next.From != m.From || next.To != m.To || n == 0 {
			continue
		}
		next.End = min(next.End, next.Start+n-1)
		n -= next.Len()
		first = append(first, next)
	}
	return first
}
