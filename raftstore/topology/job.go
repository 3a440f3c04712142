package topology

import (
	"fmt"
	"slices"
)

// MaxFinishedJobs is how many finished jobs are remembered.
const MaxFinishedJobs = 32

// SlotMove is a range of slots, both ends included, that goes from one group to
// another.
type SlotMove struct {
	Start int `json:"start"`
	End   int `json:"end"`
	From  int `json:"from"`
	To    int `json:"to"`
}

// Len returns how many slots the move has.
func (m SlotMove) Len() int { return m.End - m.Start + 1 }

// String is how the history and refusals write a move.
func (m SlotMove) String() string {
	if m.Start == m.End {
		return fmt.Sprintf("slot %d from group %d to group %d", m.Start, m.From, m.To)
	}
	return fmt.Sprintf("slots %d-%d from group %d to group %d", m.Start, m.End, m.From, m.To)
}

// Job is a plan of moves and how far it got. Its slots are reserved: no other
// unfinished job has any of them. What is left of it follows from the slots: a
// slot of Moves is still to be moved while From serves it and no batch has it,
// and is moved when To serves it.
type Job struct {
	// ID is the Raft index of the entry that made the job.
	ID    uint64     `json:"id"`
	Kind  JobKind    `json:"kind"`
	State JobState   `json:"state"`
	Moves []SlotMove `json:"moves"`
	// Back is what the end of a cancelled job moves back, see JobSetState.
	Back    []SlotMove `json:"back,omitempty"`
	Options JobOptions `json:"options"`
	// Batches is what is under way, in the order of their epochs.
	Batches  []Batch     `json:"batches,omitempty"`
	Progress JobProgress `json:"progress"`
	// Reason says why the job does not get on, or why it is in its state; may be
	// empty.
	Reason string `json:"reason,omitempty"`
	// Who asked for the job.
	Who string `json:"who,omitempty"`
	// CreatedAt and EndedAt are in Unix milliseconds, by the clocks of proposers;
	// EndedAt is 0 while the job is unfinished.
	CreatedAt int64 `json:"created_at"`
	EndedAt   int64 `json:"ended_at,omitempty"`
	// EndEpoch is the Raft index of the entry that finished the job, 0 before.
	EndEpoch uint64 `json:"end_epoch,omitempty"`
}

// JobOptions are a job's own limits.
type JobOptions struct {
	// KeysPerSecond and BytesPerSecond limit the mover; 0: the settings
	// migrate-keys-per-second and migrate-bytes-per-second apply.
	KeysPerSecond  int64 `json:"keys_per_second,omitempty"`
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`
	// Consent allows that keys of the slots that are at the target beforehand, where
	// no client can reach them, are deleted.
	Consent bool `json:"consent,omitempty"`
}

// JobProgress is how far a job got. SlotsTotal and SlotsDone are kept by Apply; the
// rest is what the leader reported last.
type JobProgress struct {
	SlotsTotal int   `json:"slots_total"`
	SlotsDone  int   `json:"slots_done"`
	Keys       int64 `json:"keys"`
	Bytes      int64 `json:"bytes"`
	// KeysPerSecond is the rate of late.
	KeysPerSecond float64 `json:"keys_per_second"`
	// ETA is in seconds; -1: not known.
	ETA int64 `json:"eta"`
	// At is when this was reported, in Unix milliseconds.
	At int64 `json:"at"`
}

// Batch is a set of slots of a job that take the steps of a move together.
type Batch struct {
	// Epoch is the Raft index of the SlotsHold entry. Reserved keys and scripts are
	// named and fenced with it.
	Epoch uint64     `json:"epoch"`
	Phase BatchPhase `json:"phase"`
	// Ranges all have the same From and the same To.
	Ranges []SlotMove `json:"ranges"`
	// Was is the epoch of the batch before it was turned round, 0 where it was not.
	// The ranges go from where the job's moves lead to where they come from.
	Was uint64 `json:"was,omitempty"`
	// Forced is the epoch of the JobForce entry that waits to be carried out, 0 for
	// none.
	Forced uint64 `json:"forced,omitempty"`
}

// Pair returns the groups of the batch.
func (b Batch) Pair() (from, to int) { return b.Ranges[0].From, b.Ranges[0].To }

// Slots returns the numbers of the batch's slots.
func (b Batch) Slots() []int { return slotsIn(b.Ranges) }

// Batch returns the batch of an epoch.
func (j Job) Batch(epoch uint64) (Batch, bool) {
	at := j.batchAt(epoch)
	if at < 0 {
		return Batch{}, false
	}
	return j.Batches[at], true
}

func (j Job) batchAt(epoch uint64) int {
	return slices.IndexFunc(j.Batches, func(b Batch) bool { return b.Epoch == epoch })
}

// names says whether a group takes part in the job.
func (j Job) names(group int) bool {
	return slices.ContainsFunc(j.Moves, func(m SlotMove) bool { return m.From == group || m.To == group })
}

// Pending returns the moves of a job that have not begun, in the job's order. It is
// empty for a finished job.
func (s *State) Pending(j Job) []SlotMove {
	if j.State.Finished() {
		return nil
	}
	busy := j.inBatches()
	var pending []SlotMove
	for _, m := range j.Moves {
		for i := m.Start; i <= m.End; i++ {
			if s.Slots[i].Group == m.From && !busy[i] {
				pending = appendMove(pending, i, m.From, m.To)
			}
		}
	}
	return pending
}

// inBatches says of each slot whether a batch has it.
func (j Job) inBatches() (busy [SlotCount]bool) {
	for _, b := range j.Batches {
		for _, i := range b.Slots() {
			busy[i] = true
		}
	}
	return busy
}

// JobOf returns the unfinished job that has a slot among its moves.
func (s *State) JobOf(slot int) (Job, bool) {
	id := s.reserved()[slot]
	return s.Jobs[id], id != 0
}

// reserved returns for each slot the unfinished job that has it, 0 for none.
func (s *State) reserved() (jobs [SlotCount]uint64) {
	for id, j := range s.Jobs {
		if j.State.Finished() {
			continue
		}
		for _, i := range slotsIn(j.Moves) {
			jobs[i] = id
		}
	}
	return jobs
}

// destinations returns for each slot the group that owns it once all jobs are at
// their ends, 0 for none.
func (s *State) destinations() (groups [SlotCount]int) {
	for i, slot := range s.Slots {
		groups[i] = slot.Group
	}
	for _, j := range s.Jobs {
		for _, b := range j.Batches {
			for _, i := range b.Slots() {
				if b.Was != 0 {
					_, groups[i] = b.Pair()
				}
			}
		}
		switch j.State {
		case JobRunning, JobPaused:
			for _, m := range j.Moves {
				for i := m.Start; i <= m.End; i++ {
					groups[i] = m.To
				}
			}
		case JobCancelling:
			for _, m := range j.Back {
				for i := m.Start; i <= m.End; i++ {
					groups[i] = m.From
				}
			}
		}
	}
	return groups
}

// appendMove adds a slot to moves, to the last one if it goes on there.
func appendMove(moves []SlotMove, slot, from, to int) []SlotMove {
	if last := len(moves) - 1; last >= 0 && moves[last].End == slot-1 && moves[last].From == from && moves[last].To == to {
		moves[last].End = slot
		return moves
	}
	return append(moves, SlotMove{Start: slot, End: slot, From: from, To: to})
}

func slotsIn(moves []SlotMove) []int {
	slots := make([]int, 0, countSlots(moves))
	for _, m := range moves {
		for i := m.Start; i <= m.End; i++ {
			slots = append(slots, i)
		}
	}
	return slots
}

// countSlots returns how many slots moves have.
func countSlots(moves []SlotMove) int {
	count := 0
	for _, m := range moves {
		count += m.Len()
	}
	return count
}
