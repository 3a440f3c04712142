package topology

import "slices"

// checkRanges: all moves of all jobs are ranges of slots between two groups.
func (s *State) checkRanges(bad func(string, ...any)) {
	for id, j := range s.Jobs {
		if err := checkMoves(j.Moves); err != nil {
			bad("job %d: %w", id, err)
		}
		if len(j.Back) > 0 {
			if err := checkMoves(j.Back); err != nil {
				bad("job %d, back: %w", id, err)
			}
		}
		for _, b := range j.Batches {
			if err := checkMoves(b.Ranges); err != nil {
				bad("job %d, batch %d: %w", id, b.Epoch, err)
			}
		}
	}
}

// checkJobs: an unfinished job has its slots alone and has something left to do,
// each of its slots is where its batches say, and finished ones are bounded.
func (s *State) checkJobs(bad func(string, ...any)) {
	var owner [SlotCount]uint64
	finished := 0
	for id, j := range s.Jobs {
		if id != j.ID || id == 0 || id > s.Epoch {
			bad("job %d is stored under %d, the state has epoch %d", j.ID, id, s.Epoch)
		}
		j.checkSelf(bad)
		if j.State.Finished() {
			finished++
			continue
		}
		for _, i := range slotsIn(j.Moves) {
			if owner[i] != 0 {
				bad("slot %d is in job %d and in job %d", i, owner[i], id)
			}
			owner[i] = id
		}
		s.checkMovesOf(j, bad)
	}
	if finished > MaxFinishedJobs {
		bad("%d finished jobs are kept", finished)
	}
}

// checkSelf: what must be true of a job whatever the slots are.
func (j Job) checkSelf(bad func(string, ...any)) {
	if !slices.Contains([]JobKind{JobMigrate, JobRebalance, JobReverse}, j.Kind) {
		bad("job %d has kind %q", j.ID, j.Kind)
	}
	if j.Options.KeysPerSecond < 0 || j.Options.BytesPerSecond < 0 {
		bad("job %d has options %+v", j.ID, j.Options)
	}
	if err := j.Progress.check(); err != nil || j.Progress.SlotsTotal != countSlots(j.Moves) {
		bad("job %d has progress %+v", j.ID, j.Progress)
	}
	if len(j.Back) > 0 && j.State != JobCancelling {
		bad("job %d is %s, but has slots to move back", j.ID, j.State)
	}
	switch j.State {
	case JobRunning, JobPaused, JobCancelling:
		if j.EndEpoch != 0 || j.EndedAt != 0 {
			bad("job %d is %s, but has an end", j.ID, j.State)
		}
	case JobDone, JobCancelled, JobFailed:
		if len(j.Batches) > 0 || j.EndEpoch <= j.ID {
			bad("job %d is %s with %d batches, and ended at %d", j.ID, j.State, len(j.Batches), j.EndEpoch)
		}
	default:
		bad("job %d has state %q", j.ID, j.State)
	}
}

// checkMovesOf: what must be true of an unfinished job and the slots.
func (s *State) checkMovesOf(j Job, bad func(string, ...any)) {
	var plan [SlotCount]SlotMove
	done := 0
	for _, m := range j.Moves {
		for _, group := range []int{m.From, m.To} {
			if _, ok := s.Groups[group]; !ok {
				bad("job %d: group %d does not exist", j.ID, group)
			}
		}
		for i := m.Start; i <= m.End; i++ {
			plan[i] = m
			slot := s.Slots[i]
			switch {
			case slot.Phase == PhaseServing && slot.Group == m.To:
				done++
			case slot.Reverse && slot.Job == j.ID && slot.Group == m.To && slot.Target == m.From:
			case slot.Group != m.From || slot.Phase == PhaseUnassigned:
				bad("slot %d is %s, group %d; job %d moves it from group %d to group %d", i, slot.Phase, slot.Group, j.ID, m.From, m.To)
			case slot.Phase != PhaseServing && slot.Job != j.ID:
				bad("slot %d is in job %d, but job %d moves it", i, j.ID, slot.Job)
			}
		}
	}
	if j.Progress.SlotsDone != done {
		bad("job %d has moved %d slots, not %d", j.ID, done, j.Progress.SlotsDone)
	}
	if len(j.Batches) == 0 && (j.State == JobCancelling || len(s.Pending(j)) == 0) {
		bad("job %d is %s with nothing left to do", j.ID, j.State)
	}
	s.checkBatches(j, plan, bad)
}

// checkBatches: batches are in order, a slot is in one at most, goes where the job
// has it go, and is at the batch's step.
func (s *State) checkBatches(j Job, plan [SlotCount]SlotMove, bad func(string, ...any)) {
	var batchOf [SlotCount]uint64
	last := j.ID
	for _, b := range j.Batches {
		if b.Epoch <= last || b.Epoch > s.Epoch {
			bad("job %d has a batch of epoch %d behind %d", j.ID, b.Epoch, last)
		}
		last = b.Epoch
		from, to := b.Pair()
		for _, i := range b.Slots() {
			if batchOf[i] != 0 {
				bad("slot %d is in batch %d and in batch %d", i, batchOf[i], b.Epoch)
			}
			batchOf[i] = b.Epoch
			if !b.goesTo(plan[i]) {
				bad("job %d, batch %d: slot %d does not go from group %d to group %d", j.ID, b.Epoch, i, from, to)
			}
			if !b.fits(s.Slots[i], j.ID) {
				bad("job %d, batch %d is %s, but slot %d is %+v", j.ID, b.Epoch, b.Phase, i, s.Slots[i])
			}
		}
		for _, m := range b.Ranges {
			if m.From != from || m.To != to {
				bad("job %d, batch %d has more than one pair of groups", j.ID, b.Epoch)
			}
		}
	}
	for _, i := range slotsIn(j.Back) {
		if batchOf[i] == 0 && s.Slots[i].Group != plan[i].To {
			bad("job %d moves slot %d back, but has not moved it", j.ID, i)
		}
	}
}

// fits says whether a slot of a batch is at the batch's step.
func (b Batch) fits(slot Slot, job uint64) bool {
	from, to := b.Pair()
	moving := Slot{Group: from, Target: to, Epoch: b.Epoch, Job: job, Reverse: b.Was != 0}
	switch b.Phase {
	case BatchHolding:
		moving.Phase = PhaseHolding
		return slot == moving
	case BatchMigrating:
		moving.Phase = PhaseMigrating
		return slot == moving
	case BatchCleaning:
		return slot == Slot{Phase: PhaseServing, Group: from} || slot == Slot{Phase: PhaseServing, Group: to}
	}
	return false
}
