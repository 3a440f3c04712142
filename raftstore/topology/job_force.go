package topology

import (
	"fmt"
	"slices"
)

// JobForce is a person's word that a job goes on although servers have lost what
// they knew of its moves: what has moved is found out anew by what is there. Keys
// may come back, or older values; see package migrate. It is for the batches under
// way, once.
type JobForce struct {
	ID uint64 `json:"id"`
}

func (b JobForce) word() string { return "job-force" }

func (b JobForce) since() Format { return 3 }

func (b JobForce) describe(*State) string {
	return fmt.Sprintf("job %d goes on by force, whatever its servers have lost", b.ID)
}

func (b JobForce) apply(s *State, _ Command, index uint64) *Error {
	j, err := s.unfinished(b.ID)
	if err != nil {
		return err
	}
	j.Batches = slices.Clone(j.Batches)
	forced := false
	for i, batch := range j.Batches {
		if batch.Phase == BatchMigrating || batch.Phase == BatchHolding && batch.Was != 0 {
			j.Batches[i].Forced, forced = index, true
		}
	}
	if !forced {
		return refuse(CodeBusy, "job %d has no slots under way that could have lost anything", j.ID).hint("CODIS.JOB %d shows it", j.ID)
	}
	s.Jobs[j.ID] = j
	return nil
}

// SlotsForced says that a batch has been given again what its servers had lost, as
// JobForce asked for.
type SlotsForced struct {
	Job   uint64 `json:"job"`
	Epoch uint64 `json:"epoch"`
	// Word is Batch.Forced as it was: a later word is for a later loss.
	Word uint64 `json:"word"`
}

func (b SlotsForced) word() string { return "slots-forced" }

func (b SlotsForced) since() Format { return 3 }

func (b SlotsForced) describe(s *State) string {
	batch, _ := s.Jobs[b.Job].Batch(b.Epoch)
	return fmt.Sprintf("by force: what is at group %d counts as moved: %s (job %d)", batch.setsAt(), describeMoves(batch.Ranges), b.Job)
}

func (b SlotsForced) apply(s *State, _ Command, _ uint64) *Error {
	j, at, err := s.batch(b.Job, b.Epoch, BatchMigrating)
	if err != nil {
		return err
	}
	if j.Batches[at].Forced != b.Word {
		return refuse(CodeStale, "batch %d of job %d is not forced by %d", b.Epoch, b.Job, b.Word)
	}
	j.Batches = slices.Clone(j.Batches)
	j.Batches[at].Forced = 0
	s.Jobs[j.ID] = j
	return nil
}

// setsAt is the group that the job's moves lead to: also of a batch that goes back,
// it is the one that knows which keys were moved.
func (b Batch) setsAt() int {
	from, to := b.Pair()
	if b.Was != 0 {
		return from
	}
	return to
}
