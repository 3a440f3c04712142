package raftstore

import (
	"testing"
	"time"
)

// TestCommitIsTold: followers hear of a change before Raft's CommitTimeout has passed.
// Nobody has a lease here, so that no other entry tells them; on a busy machine one of
// many changes is enough.
func TestCommitIsTold(t *testing.T) {
	t.Parallel()
	const commitTimeout = 2 * time.Second
	nodes := newClusterWith(t, 3, func(cfg *Config) {
		calm(cfg)
		cfg.CommitTimeout = commitTimeout
	})
	leader, quickest := leaderOf(t, nodes), patience
	for i := 0; i < 10 && quickest >= commitTimeout/2; i++ {
		epoch, began := mustPropose(t, leader, setting(i+1)).Epoch, time.Now()
		for _, n := range nodes {
			if err := n.WaitEpoch(t.Context(), epoch); err != nil {
				t.Fatal(err)
			}
		}
		quickest = min(quickest, time.Since(began))
	}
	if quickest >= commitTimeout/2 {
		t.Errorf("followers hear of a change after %s at best", quickest)
	}
}
