package migrate

import (
	"context"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// preflight looks at what a move of all slots from group 1 to 2 depends on.
func (c *cluster) preflight() Report {
	c.tb.Helper()
	report, err := c.idle().Preflight(c.tb.Context(), []topology.SlotMove{c.all(1, 2)})
	if err != nil {
		c.tb.Fatal(err)
	}
	return report
}

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

// check returns the report's line of a name.
func (r Report) check(tb testing.TB, name string) Check {
	tb.Helper()
	for _, c := range r {
		if c.Name == name {
			return c
		}
	}
	tb.Fatalf("no check %q in %+v", name, r)
	return Check{}
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
