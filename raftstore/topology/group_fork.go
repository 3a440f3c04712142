package topology

import (
	"fmt"
	"slices"
)

// ForkMeasured tells what a replaced master had that the new one has not, once it
// has come back, or that this can't be told.
type ForkMeasured struct {
	Group int `json:"group"`
	// Epoch is the fork's.
	Epoch uint64 `json:"epoch"`
	// LostBytes of the replication stream were acknowledged and are gone; -1: not known.
	LostBytes int64 `json:"lost_bytes"`
	// Note says more, such as why it is not known.
	Note string `json:"note,omitempty"`
}

func (b ForkMeasured) word() string { return "fork-measured" }

func (b ForkMeasured) describe(*State) string {
	text := fmt.Sprintf("group %d: turn %d lost %d bytes of writes", b.Group, b.Epoch, b.LostBytes)
	if b.LostBytes < 0 {
		text = fmt.Sprintf("group %d: what turn %d lost can't be told", b.Group, b.Epoch)
	}
	if b.Note != "" {
		text += ": " + b.Note
	}
	return text
}

func (b ForkMeasured) apply(s *State, c Command, _ uint64) *Error {
	group, err := s.group(b.Group, c)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(group.Forks, func(f Fork) bool { return f.Epoch == b.Epoch })
	if at < 0 {
		return refuse(CodeStale, "group %d has no fork of epoch %d", b.Group, b.Epoch)
	}
	if b.LostBytes < -1 {
		return refuse(CodeBadArg, "%d bytes lost", b.LostBytes)
	}
	// The group's epoch stays: nothing that a check was made against has changed.
	if group.Forks = slices.Delete(slices.Clone(group.Forks), at, at+1); len(group.Forks) == 0 {
		group.Forks = nil // as it is read back
	}
	s.Groups[group.ID] = group
	return nil
}
