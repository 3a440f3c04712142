package raftstore

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestConfirm: the leader confirms, a follower does not, and neither does a leader
// that reaches no majority.
func TestConfirm(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	if err := leader.Confirm(t.Context()); err != nil {
		t.Error(err)
	}
	for _, n := range nodes {
		if n != leader {
			if err := n.Confirm(t.Context()); !errors.Is(err, ErrNotLeader) {
				t.Errorf("%s, a follower: %v", n.cfg.ID, err)
			}
			n.kill()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := leader.Confirm(ctx); err == nil {
		t.Error("a leader without a majority has confirmed that it leads")
	}
}
