package topology

// MigrateCount is how many slots are to go from one group to another.
type MigrateCount struct{ Count, From, To int }

// PlanMigrateCount returns the moves that bring so many of a group's slots to another
// one: its highest, in slot order, so that what stays is in one piece. It is an error
// if the group has not so many that no job has.
func PlanMigrateCount(s *State, m MigrateCount) ([]SlotMove, error) {
	for _, id := range []int{m.From, m.To} {
		if _, ok := s.Groups[id]; !ok {
			return nil, noGroup(id)
		}
	}
	if m.Count < 1 || m.Count > SlotCount {
		return nil, refuse(CodeBadArg, "%d slots can't be moved, want 1 to %d", m.Count, SlotCount)
	}
	if m.From == m.To {
		return nil, refuse(CodeBadArg, "the slots of group %d are there already", m.From)
	}
	jobs := s.reserved()
	var free []int
	for i, slot := range s.Slots {
		if slot.Group == m.From && jobs[i] == 0 {
			free = append(free, i)
		}
	}
	if len(free) < m.Count {
		return nil, refuse(CodeBusy, "group %d has %d slots that no job has, not %d", m.From, len(free), m.Count).hint("CODIS.GROUPS and CODIS.JOBS list them")
	}
	var moves []SlotMove
	for _, i := range free[len(free)-m.Count:] {
		moves = appendMove(moves, i, m.From, m.To)
	}
	return moves, nil
}
