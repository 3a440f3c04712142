package topology

import "fmt"

// SlotRange is a range of slots, both ends included, and a group for them.
type SlotRange struct {
	Start int `json:"start"`
	End   int `json:"end"`
	Group int `json:"group"`
}

// Len returns how many slots the range has.
func (r SlotRange) Len() int { return r.End - r.Start + 1 }

// SlotsAssign gives unassigned slots to groups, all or none. No data moves.
type SlotsAssign struct {
	Ranges []SlotRange `json:"ranges"`
}

func (b SlotsAssign) word() string { return "slots-assign" }

func (b SlotsAssign) describe(*State) string {
	text := "slots assigned:"
	for i, r := range b.Ranges {
		if i == 8 {
			return text + fmt.Sprintf(" and %d ranges more", len(b.Ranges)-i)
		}
		text += fmt.Sprintf(" %d-%d to group %d", r.Start, r.End, r.Group)
	}
	return text
}

func (b SlotsAssign) apply(s *State, c Command, _ uint64) *Error {
	if len(b.Ranges) == 0 || len(b.Ranges) > SlotCount {
		return refuse(CodeBadArg, "there must be 1 to %d ranges of slots, not %d", SlotCount, len(b.Ranges))
	}
	for _, r := range b.Ranges {
		if err := checkSlotRange(r.Start, r.End); err != nil {
			return err
		}
		if _, err := s.group(r.Group, c); err != nil {
			return err
		}
		for i := r.Start; i <= r.End; i++ {
			if owner := s.Slots[i]; owner.Phase != PhaseUnassigned {
				return refuse(CodeBusy, "slot %d is %s, group %d", i, owner.Phase, owner.Group).
					hint("CODIS.ASSIGN takes unassigned slots only; CODIS.SLOTS lists them")
			}
			s.Slots[i] = Slot{Phase: PhaseServing, Group: r.Group}
		}
	}
	return nil
}

// SlotRow is a row of CODIS.SLOTS: neighbouring slots of which all is the same.
type SlotRow struct {
	Start, End int
	Phase      Phase
	// Group is 0 and Master empty while the slots are unassigned.
	Group  int
	Master string
	// Target and Job are 0 unless the slots move.
	Target int
	Job    uint64
}

// Ranges returns the rows of the whole table, in slot order, without gaps.
func (s *State) Ranges() []SlotRow {
	var rows []SlotRow
	for i, slot := range s.Slots {
		if i > 0 && slot == s.Slots[i-1] {
			rows[len(rows)-1].End = i
			continue
		}
		rows = append(rows, SlotRow{
			Start: i, End: i, Phase: slot.Phase, Group: slot.Group, Master: s.Groups[slot.Group].Master, Target: slot.Target, Job: slot.Job,
		})
	}
	return rows
}

// Unassigned returns how many slots no group owns.
func (s *State) Unassigned() int {
	count := 0
	for _, slot := range s.Slots {
		if slot.Phase == PhaseUnassigned {
			count++
		}
	}
	return count
}
