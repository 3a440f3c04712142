package migrate

import (
	"context"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// idle is a controller that does nothing by itself.
func (c *cluster) idle() *Controller {
	c.tb.Helper()
	cfg := DefaultConfig()
	cfg.Store, cfg.Name = c.store, "n1"
	ctl, err := New(cfg)
	if err != nil {
		c.tb.Fatal(err)
	}
	return ctl
}

// TestPreflight_NoTimeForAllKeys: a look at a target's keys that takes too long is
// told, and does not stand in the way of a job.
func TestPreflight_NoTimeForAllKeys(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	must(t, c.master(2).Client(t), "SET", "key:1", "stale")
	ctl, pair := c.idle(), pairMoves{from: 1, to: 2, moves: []topology.SlotMove{c.all(1, 2)}}
	if check, err := ctl.checkLeftovers(t.Context(), c.store.State(), pair); err != nil || check.Result != ResultFail {
		t.Errorf("in time: %+v, %v", check, err)
	}
	c.master(2).Pause(t)
	defer c.master(2).Continue(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if check, err := ctl.checkLeftovers(ctx, c.store.State(), pair); err != nil || check.Result != ResultWarn || check.Text != notLooked {
		t.Errorf("too late: %+v, %v", check, err)
	}
}
