package topology

import (
	"fmt"
	"slices"
)

// SlotsHold begins a batch: the slots are PhaseHolding, and the entry's index is
// the epoch that fences all that follows. All Moves have the same groups, and are
// parts of what is Pending in a running job.
type SlotsHold struct {
	Job   uint64     `json:"job"`
	Moves []SlotMove `json:"moves"`
}

func (b SlotsHold) word() string { return "slots-hold" }

func (b SlotsHold) describe(*State) string { return "" }

func (b SlotsHold) apply(s *State, _ Command, index uint64) *Error {
	j, err := s.unfinished(b.Job)
	if err != nil {
		return err
	}
	if j.State != JobRunning {
		return refuse(CodeStale, "job %d is %s", j.ID, j.State)
	}
	if err := checkMoves(b.Moves); err != nil {
		return err
	}
	var next [SlotCount]int // where the job's pending slots go
	for _, m := range s.Pending(j) {
		for i := m.Start; i <= m.End; i++ {
			next[i] = m.To
		}
	}
	first := b.Moves[0]
	if err := s.turnedSince(first, index); err != nil {
		return err
	}
	for _, m := range b.Moves {
		if m.From != first.From || m.To != first.To {
			return refuse(CodeBadArg, "a batch has one pair of groups, not %s and %s", first, m)
		}
		for i := m.Start; i <= m.End; i++ {
			if next[i] != m.To || s.Slots[i].Group != m.From {
				return refuse(CodeStale, "slot %d from group %d to group %d is not left to move in job %d", i, m.From, m.To, j.ID)
			}
			s.Slots[i] = Slot{Phase: PhaseHolding, Group: m.From, Target: m.To, Epoch: index, Job: j.ID}
		}
	}
	j.Batches = append(slices.Clone(j.Batches), Batch{Epoch: index, Phase: BatchHolding, Ranges: b.Moves})
	s.Jobs[j.ID] = j
	return nil
}

// SlotsMigrate ends the hold of a batch: every node has stopped to write at From,
// fences and moved sets are in place. It is refused when the job is being
// cancelled, and when one of the two groups has another master since the hold, or
// is getting one.
type SlotsMigrate struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
	// Seen is the epoch of the state, one without a turn of the two groups, by which fences and sets were made, where that
	// is later than Epoch: a batch that was turned round is not released when a group
	// gets another master, they are made again there.
	Seen uint64 `json:"seen,omitempty"`
}

func (b SlotsMigrate) since() Format {
	if b.Seen != 0 {
		return 3
	}
	return 2
}

func (b SlotsMigrate) word() string { return "slots-migrate" }

func (b SlotsMigrate) describe(*State) string { return "" }

func (b SlotsMigrate) apply(s *State, _ Command, _ uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchHolding)
	if err != nil {
		return err
	}
	if j.State == JobCancelling && j.Batches[at].Was == 0 {
		return refuse(CodeStale, "job %d is being cancelled", j.ID)
	}
	// Fences were set at masters that may not be the masters any more.
	if err := s.turnedSince(j.Batches[at].Ranges[0], max(b.Epoch, b.Seen)); err != nil {
		return err
	}
	for _, i := range j.Batches[at].Slots() {
		s.Slots[i].Phase = PhaseMigrating
	}
	s.Jobs[j.ID] = j.withPhase(at, BatchMigrating)
	return nil
}

// SlotsRelease gives up the hold of a batch: From serves the slots again. The batch
// is BatchCleaning until SlotsCleaned, and only then can its slots be held again:
// fences and moved sets of this epoch may have been made.
type SlotsRelease struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
}

func (b SlotsRelease) word() string { return "slots-release" }

// A hold that can't be finished is tried again and again; the job's Reason tells of
// it, the history would be full of it.
func (b SlotsRelease) describe(*State) string { return "" }

func (b SlotsRelease) apply(s *State, _ Command, _ uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchHolding)
	if err != nil {
		return err
	}
	if j.Batches[at].Was != 0 {
		return refuse(CodeBusy, "batch %d of job %d was turned round and has to go on", b.Epoch, b.Job)
	}
	from, _ := j.Batches[at].Pair()
	s.serve(j.Batches[at], from)
	s.Jobs[j.ID] = j.withPhase(at, BatchCleaning)
	return nil
}

// SlotsDone ends the migration of a batch: no key is left at From, To serves the
// slots. The batch is BatchCleaning until SlotsCleaned.
type SlotsDone struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
}

func (b SlotsDone) word() string { return "slots-done" }

func (b SlotsDone) describe(s *State) string {
	batch, _ := s.Jobs[b.Job].Batch(b.Epoch)
	if batch.Was != 0 {
		return fmt.Sprintf("moved back: %s (job %d)", describeMoves(batch.Ranges), b.Job)
	}
	return fmt.Sprintf("moved: %s (job %d)", describeMoves(batch.Ranges), b.Job)
}

func (b SlotsDone) apply(s *State, _ Command, _ uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchMigrating)
	if err != nil {
		return err
	}
	_, to := j.Batches[at].Pair()
	s.serve(j.Batches[at], to)
	if j.Batches[at].Was == 0 {
		j.Progress.SlotsDone += countSlots(j.Batches[at].Ranges)
	}
	s.Jobs[j.ID] = j.withPhase(at, BatchCleaning)
	return nil
}

// SlotsCleaned drops a batch of which no reserved key is left. It finishes the job
// when nothing else is left of it.
type SlotsCleaned struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
}

func (b SlotsCleaned) word() string { return "slots-cleaned" }

func (b SlotsCleaned) describe(s *State) string {
	j := s.Jobs[b.Job]
	if !j.State.Finished() {
		return ""
	}
	text := fmt.Sprintf("job %d is %s", b.Job, j.State)
	if reverse, ok := s.Jobs[s.Epoch]; ok {
		text += fmt.Sprintf(", job %d moves back %s", reverse.ID, describeMoves(reverse.Moves))
	}
	return text
}

func (b SlotsCleaned) apply(s *State, c Command, index uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchCleaning)
	if err != nil {
		return err
	}
	if j.Batches = slices.Delete(slices.Clone(j.Batches), at, at+1); len(j.Batches) == 0 {
		j.Batches = nil // as it is read back
	}
	s.settle(j, c, index)
	return nil
}

// turnedSince refuses a step while one of the two groups gets another master, or
// when it has got one since an epoch.
func (s *State) turnedSince(m SlotMove, epoch uint64) *Error {
	for _, id := range []int{m.From, m.To} {
		switch g := s.Groups[id]; {
		case g.Turn != nil:
			return refuse(CodeStale, "group %d is getting another master", id)
		case g.Turned > epoch:
			return refuse(CodeStale, "group %d has got another master", id)
		}
	}
	return nil
}

// batch returns the batch that a step is about, unless it is not at that step: the
// command is late then, or there twice.
func (s *State) batch(job, epoch uint64, phase BatchPhase) (Job, int, *Error) {
	j, err := s.unfinished(job)
	if err != nil {
		return Job{}, 0, err
	}
	at := j.batchAt(epoch)
	if at < 0 {
		return Job{}, 0, refuse(CodeStale, "job %d has no batch of epoch %d", job, epoch)
	}
	if is := j.Batches[at].Phase; is != phase {
		return Job{}, 0, refuse(CodeStale, "batch %d of job %d is %s, not %s", epoch, job, is, phase)
	}
	return j, at, nil
}

// serve lets a group serve the slots of a batch.
func (s *State) serve(b Batch, group int) {
	for _, i := range b.Slots() {
		s.Slots[i] = Slot{Phase: PhaseServing, Group: group}
	}
}

// withPhase returns the job with one batch in another phase.
func (j Job) withPhase(at int, phase BatchPhase) Job {
	j.Batches = slices.Clone(j.Batches)
	j.Batches[at].Phase = phase
	return j
}

// underWay returns an unfinished job with a batch that has a group in its pair.
func (s *State) underWay(group int) (job uint64, ok bool) {
	for id, j := range s.Jobs {
		for _, b := range j.Batches {
			if from, to := b.Pair(); (from == group || to == group) && (!ok || id < job) {
				job, ok = id, true
			}
		}
	}
	return job, ok
}
