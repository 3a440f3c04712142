package topology

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrUnknownState is returned when bytes are not a state that this version knows,
// in whole. Reading only a part of a newer version's state would lose the rest.
var ErrUnknownState = errors.New("unknown state")

// Encode writes a state for snapshots and for the node's own disk. Equal states
// give equal bytes.
func (s *State) Encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode state of epoch %d: %w", s.Epoch, err)
	}
	return data, nil
}

// DecodeState reads what Encode wrote, in this format or an older one, and checks
// the invariants. Every error is an ErrUnknownState.
func DecodeState(data []byte) (*State, error) {
	// The format is looked at before the rest, so that the error names it.
	var head struct {
		Format Format `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownState, err)
	}
	s := NewState()
	if err := decodeStrict(data, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownState, err)
	}
	if err := s.upgrade(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownState, err)
	}
	if err := s.CheckInvariants(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownState, err)
	}
	return s, nil
}

// upgrade turns what was read in format 1 into the oldest format that clusters go
// by, which is the same with jobs.
func (s *State) upgrade() error {
	for _, g := range s.Groups {
		if s.Format < 3 && (g.Turn != nil || g.Turned != 0 || g.FailoverAt != 0 || g.Forks != nil) {
			return fmt.Errorf("format %d has no turns", s.Format)
		}
	}
	if s.Format == 1 && len(s.Jobs) > 0 {
		return errors.New("format 1 has no jobs")
	}
	if s.Jobs == nil {
		s.Jobs = map[uint64]Job{}
	}
	s.Format = max(s.Format, oldestFormat)
	return nil
}
