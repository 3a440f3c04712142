package raftstore

import (
	"context"
	"fmt"
)

// Confirm returns nil when this node has committed an entry, of the term in which it
// leads, that was written after the call: no other node can have begun to lead and
// have changed the state before the call. What was read or fenced before the call
// was therefore done as the leader. ErrNotLeader else.
func (s *Store) Confirm(ctx context.Context) error {
	book := s.leases.Load()
	if book == nil {
		return ErrNotLeader
	}
	if err := book.confirm(ctx); err != nil {
		return fmt.Errorf("confirm leadership: %w", err)
	}
	return nil
}
