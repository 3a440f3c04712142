package topology

// PlanMigrate returns the moves that bring the slots from start to end, both
// included, to a group, in slot order. Slots that are there already are left out;
// it is an error if all of them are, if a slot is unassigned, or if a job has one.
func PlanMigrate(s *State, start, end, to int) ([]SlotMove, error) {
	if err := checkSlotRange(start, end); err != nil {
		return nil, err
	}
	if _, ok := s.Groups[to]; !ok {
		return nil, noGroup(to)
	}
	jobs := s.reserved()
	var moves []SlotMove
	for i := start; i <= end; i++ {
		switch slot := s.Slots[i]; {
		case jobs[i] != 0:
			return nil, slotInJob(i, jobs[i])
		case slot.Phase == PhaseUnassigned:
			return nil, refuse(CodeBusy, "slot %d is unassigned", i).hint("CODIS.ASSIGN gives it to a group; there is nothing to move")
		case slot.Group != to:
			moves = appendMove(moves, i, slot.Group, to)
		}
	}
	if len(moves) == 0 {
		return nil, refuse(CodeExists, "slots %d-%d are at group %d already", start, end, to)
	}
	return moves, nil
}
