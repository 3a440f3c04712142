package raftstore

import (
	"context"
	"testing"
	"time"
)

// TestCommitIsTold: followers hear of a change long before Raft's CommitTimeout.
// Nobody has a lease here, so that no other entry tells them.
func TestCommitIsTold(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, func(cfg *Config) {
		calm(cfg)
		cfg.CommitTimeout = patience
	})
	leader := leaderOf(t, nodes)
	ctx, cancel := context.WithTimeout(t.Context(), patience/3)
	defer cancel()
	began := time.Now()
	for i := range 3 {
		epoch := mustPropose(t, leader, setting(i+1)).Epoch
		for _, n := range nodes {
			if err := n.WaitEpoch(ctx, epoch); err != nil {
				t.Fatalf("node %s after %s: %v", n.cfg.ID, time.Since(began), err)
			}
		}
	}
}
