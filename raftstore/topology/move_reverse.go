package topology

import (
	"fmt"
	"math"
	"slices"
)

// SlotsReverse turns a batch of a cancelled job round in the middle: the slots are
// PhaseHolding again, and go back to where they came from under a new epoch, the
// entry's index. The batch can't be released: only forward it knows where each key
// is. It is turned round once; what is cancelled later comes to its end.
type SlotsReverse struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
}

func (b SlotsReverse) word() string { return "slots-reverse" }

func (b SlotsReverse) since() Format { return 3 }

func (b SlotsReverse) describe(s *State) string {
	batch, _ := s.Jobs[b.Job].Batch(s.Epoch)
	return fmt.Sprintf("turned round: %s (job %d)", describeMoves(batch.Ranges), b.Job)
}

func (b SlotsReverse) apply(s *State, _ Command, index uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchMigrating)
	if err != nil {
		return err
	}
	batch := j.Batches[at]
	if j.State != JobCancelling || batch.Was != 0 {
		return refuse(CodeStale, "batch %d of job %d is not to be turned round", b.Epoch, b.Job)
	}
	if err := s.turnedSince(batch.Ranges[0], math.MaxUint64); err != nil {
		return err
	}
	back := Batch{Epoch: index, Phase: BatchHolding, Was: batch.Epoch}
	var reversed [SlotCount]bool
	for _, m := range batch.Ranges {
		back.Ranges = append(back.Ranges, SlotMove{Start: m.Start, End: m.End, From: m.To, To: m.From})
		for i := m.Start; i <= m.End; i++ {
			reversed[i] = true
			s.Slots[i] = Slot{Phase: PhaseHolding, Group: m.To, Target: m.From, Epoch: index, Job: j.ID, Reverse: true}
		}
	}
	j.Batches = append(slices.Delete(slices.Clone(j.Batches), at, at+1), back)
	j.Back = slices.DeleteFunc(slices.Clone(j.Back), func(m SlotMove) bool { return reversed[m.Start] })
	if len(j.Back) == 0 {
		j.Back = nil // as it is read back
	}
	s.Jobs[j.ID] = j
	return nil
}

// goesTo says where the job has a batch go: the way of its moves, or back.
func (b Batch) goesTo(plan SlotMove) bool {
	from, to := b.Pair()
	if b.Was != 0 {
		from, to = to, from
	}
	return plan.From == from && plan.To == to
}
