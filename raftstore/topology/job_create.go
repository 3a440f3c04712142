package topology

import "fmt"

// JobCreate makes a job, running. Its ID is the epoch of the outcome.
type JobCreate struct {
	Kind    JobKind    `json:"kind"`
	Moves   []SlotMove `json:"moves"`
	Options JobOptions `json:"options"`
}

func (b JobCreate) word() string { return "job-create" }

func (b JobCreate) describe(*State) string {
	return fmt.Sprintf("job to %s %d slots: %s", b.Kind, countSlots(b.Moves), describeMoves(b.Moves))
}

func (b JobCreate) apply(s *State, c Command, index uint64) *Error {
	if b.Kind == "" {
		return refuse(CodeBadArg, "the job has no kind")
	}
	if b.Options.KeysPerSecond < 0 || b.Options.BytesPerSecond < 0 {
		return refuse(CodeBadArg, "a rate can't be below 0")
	}
	if err := s.checkMovable(b.Moves); err != nil {
		return err
	}
	s.addJob(Job{ID: index, Kind: b.Kind, Moves: b.Moves, Options: b.Options, Who: clip(c.Who), CreatedAt: c.At})
	return nil
}

// addJob stores a job as running, with nothing done yet.
func (s *State) addJob(j Job) {
	j.State = JobRunning
	j.Progress = JobProgress{SlotsTotal: countSlots(j.Moves), ETA: -1, At: j.CreatedAt}
	s.Jobs[j.ID] = j
}

// checkMovable says why moves can't be a job: From must serve every slot, To must
// exist, and no other job may have the slot.
func (s *State) checkMovable(moves []SlotMove) *Error {
	if err := checkMoves(moves); err != nil {
		return err
	}
	jobs := s.reserved()
	for _, m := range moves {
		for _, id := range []int{m.From, m.To} {
			if _, ok := s.Groups[id]; !ok {
				return noGroup(id)
			}
		}
		for i := m.Start; i <= m.End; i++ {
			if jobs[i] != 0 {
				return slotInJob(i, jobs[i])
			}
			if slot := s.Slots[i]; slot.Phase != PhaseServing || slot.Group != m.From {
				return refuse(CodeStale, "slot %d is %s, group %d, not served by group %d", i, slot.Phase, slot.Group, m.From).
					hint("CODIS.SLOTS lists them")
			}
		}
	}
	return nil
}

func slotInJob(slot int, job uint64) *Error {
	return refuse(CodeBusy, "slot %d is in job %d", slot, job).
		hint("CODIS.JOB %d shows it; wait for its end, or CODIS.JOB %d CANCEL", job, job)
}

// checkMoves refuses what is wrong in itself: no ranges, groups that are the same,
// a slot twice.
func checkMoves(moves []SlotMove) *Error {
	if len(moves) == 0 || len(moves) > SlotCount {
		return refuse(CodeBadArg, "there must be 1 to %d moves, not %d", SlotCount, len(moves))
	}
	var seen [SlotCount]bool
	for _, m := range moves {
		if err := checkSlotRange(m.Start, m.End); err != nil {
			return err
		}
		if m.From == m.To {
			return refuse(CodeBadArg, "%s: that is where they are", m)
		}
		for i := m.Start; i <= m.End; i++ {
			if seen[i] {
				return refuse(CodeBadArg, "slot %d is there twice", i)
			}
			seen[i] = true
		}
	}
	return nil
}

func checkSlotRange(start, end int) *Error {
	if start < 0 || end >= SlotCount || start > end {
		return refuse(CodeBadArg, "slots %d-%d are not a range between 0 and %d", start, end, SlotCount-1)
	}
	return nil
}

// describeMoves is the text of moves for the history.
func describeMoves(moves []SlotMove) string {
	text := ""
	for i, m := range moves {
		if i == 4 {
			return text + fmt.Sprintf(" and %d ranges more", len(moves)-i)
		}
		if i > 0 {
			text += ", "
		}
		text += m.String()
	}
	return text
}
