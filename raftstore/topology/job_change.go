package topology

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// JobSetState pauses, resumes or cancels a job, or gives it up: State is running,
// paused, cancelling or failed. The other states come about by themselves, when
// the last batch is cleaned.
//
// Cancelling while a batch migrates moves its slots back: the leader turns the batch
// round, see SlotsReverse. Where the batch has come to its end before that, the
// entry that finishes the job makes another one, of kind reverse, for these slots.
// Slots that were moved before stay where they are.
type JobSetState struct {
	ID     uint64   `json:"id"`
	State  JobState `json:"state"`
	Reason string   `json:"reason,omitempty"`
}

func (b JobSetState) word() string { return "job-set-state" }

func (b JobSetState) describe(s *State) string {
	text := fmt.Sprintf("job %d is %s", b.ID, s.Jobs[b.ID].State)
	if b.Reason != "" {
		text += ": " + plainText(b.Reason)
	}
	return text
}

func (b JobSetState) apply(s *State, c Command, index uint64) *Error {
	j, err := s.unfinished(b.ID)
	if err != nil {
		return err
	}
	switch {
	case b.State != JobRunning && b.State != JobPaused && b.State != JobCancelling && b.State != JobFailed:
		return refuse(CodeBadArg, "a job can't be set to %q", clip(string(b.State)))
	case j.State == JobCancelling && b.State != JobCancelling:
		return refuse(CodeBusy, "job %d is being cancelled", j.ID)
	case b.State == JobFailed && len(j.Batches) > 0:
		return refuse(CodeBusy, "job %d has %d batches under way", j.ID, len(j.Batches)).hint("CODIS.JOB %d CANCEL ends them", j.ID)
	}
	if b.State == JobCancelling && j.State != JobCancelling {
		for _, batch := range j.Batches {
			if batch.Phase == BatchMigrating {
				j.Back = append(slices.Clone(j.Back), batch.Ranges...)
			}
		}
	}
	j.State, j.Reason = b.State, plainText(b.Reason)
	s.settle(j, c, index)
	return nil
}

// JobReport records what the leader sees of a job. Progress.SlotsTotal and
// Progress.SlotsDone are not taken over; Progress.At is the command's At when it is 0.
// It leaves no line in the history.
type JobReport struct {
	ID       uint64      `json:"id"`
	Progress JobProgress `json:"progress"`
	Reason   string      `json:"reason,omitempty"`
}

func (b JobReport) word() string { return "job-report" }

func (b JobReport) describe(*State) string { return "" }

func (b JobReport) apply(s *State, c Command, _ uint64) *Error {
	j, err := s.unfinished(b.ID)
	if err != nil {
		return err
	}
	p := b.Progress
	p.SlotsTotal, p.SlotsDone, p.At = j.Progress.SlotsTotal, j.Progress.SlotsDone, cmp.Or(p.At, c.At)
	if err := p.check(); err != nil {
		return err
	}
	j.Progress, j.Reason = p, plainText(b.Reason)
	s.Jobs[j.ID] = j
	return nil
}

func (p JobProgress) check() *Error {
	if p.Keys < 0 || p.Bytes < 0 || p.KeysPerSecond < 0 || p.ETA < -1 || p.SlotsDone < 0 || p.SlotsDone > p.SlotsTotal {
		return refuse(CodeBadArg, "the progress is not one: %+v", p)
	}
	return nil
}

// unfinished returns a job that is not at its end.
func (s *State) unfinished(id uint64) (Job, *Error) {
	j, ok := s.Jobs[id]
	if !ok {
		return Job{}, noJob(id)
	}
	if j.State.Finished() {
		return Job{}, refuse(CodeStale, "job %d is %s", id, j.State)
	}
	return j, nil
}

// settle stores a job, and finishes it when there is nothing left to do.
func (s *State) settle(j Job, c Command, index uint64) {
	s.Jobs[j.ID] = j
	switch {
	case j.State == JobFailed:
	case len(j.Batches) > 0:
		return
	case j.State == JobCancelling:
		j.State = JobCancelled
	case len(s.Pending(j)) == 0:
		j.State = JobDone
	default:
		return
	}
	back := j.Back
	j.Back, j.EndedAt, j.EndEpoch = nil, c.At, index
	j.Progress.KeysPerSecond, j.Progress.ETA = 0, 0
	s.Jobs[j.ID] = j
	s.forgetJobs()
	if len(back) > 0 {
		reverse := Job{ID: index, Kind: JobReverse, Options: j.Options, Who: j.Who, CreatedAt: c.At, Reason: fmt.Sprintf("job %d was cancelled", j.ID)}
		reverse.Options.Consent = false
		for _, m := range back {
			reverse.Moves = append(reverse.Moves, SlotMove{Start: m.Start, End: m.End, From: m.To, To: m.From})
		}
		s.addJob(reverse)
	}
}

// forgetJobs drops the finished jobs that ended first.
func (s *State) forgetJobs() {
	finished := slices.DeleteFunc(slices.Collect(maps.Values(s.Jobs)), func(j Job) bool { return !j.State.Finished() })
	slices.SortFunc(finished, func(a, b Job) int { return cmp.Compare(a.EndEpoch, b.EndEpoch) })
	for _, j := range finished[:max(0, len(finished)-MaxFinishedJobs)] {
		delete(s.Jobs, j.ID)
	}
}

func noJob(id uint64) *Error {
	return refuse(CodeNoJob, "there is no job %d", id).hint("CODIS.JOBS lists them")
}

// plainText makes text fit for one line of a table.
func plainText(text string) string {
	return clip(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text))
}
