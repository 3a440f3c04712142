package admin

import (
	"context"
	"errors"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// TestNoJobWhileACheckFails: a job that could not move is refused with what to do,
// FORCE makes it, and consent answers the check that asks for it.
func TestNoJobWhileACheckFails(t *testing.T) {
	failed := Check{From: 1, To: 2, Name: "memory", Result: CheckFail, Text: "1 MB left: raise maxmemory"}
	keys := Check{From: 1, To: 2, Name: CheckKeys, Result: CheckFail, Text: "the target has 3 keys: start the job with consent"}
	for _, tt := range []struct {
		name, command string
		checks        []Check
		err           error
		refusal       []string // parts of it; nil for a job
	}{
		{"all is well", "CODIS.MIGRATE 0 9 2", []Check{{Name: "servers", Result: CheckOK}}, nil, nil},
		{"a warning", "CODIS.MIGRATE 0 9 2", []Check{{Name: "persistence", Result: CheckWarn}}, nil, nil},
		{"one fails", "CODIS.MIGRATE 0 9 2", []Check{failed}, nil, []string{"SERVER", "group 1 to 2: memory: 1 MB left: raise maxmemory", "FORCE"}},
		{"by count", "CODIS.MIGRATE COUNT 3 1 2", []Check{failed}, nil, []string{"raise maxmemory"}},
		{"rebalance", "CODIS.REBALANCE WEIGHT 1 0", []Check{failed}, nil, []string{"raise maxmemory"}},
		{"forced", "CODIS.MIGRATE 0 9 2 force", []Check{failed}, nil, nil},
		{"rebalance forced", "CODIS.REBALANCE FORCE WEIGHT 1 0 KEYS 5", []Check{failed}, nil, nil},
		{"keys are there", "CODIS.MIGRATE 0 9 2", []Check{keys}, nil, []string{"consent"}},
		{"keys are there, and may go", "CODIS.MIGRATE 0 9 2 CONSENT", []Check{keys}, nil, nil},
		{"no look was possible", "CODIS.MIGRATE 0 9 2", []Check{}, errors.New("group 2: no answer"), []string{"preflight: group 2: no answer"}},
		{"many fail", "CODIS.MIGRATE 0 9 2", []Check{failed, keys, {Name: "a", Result: CheckFail}, {Name: "b", Result: CheckFail}}, nil,
			[]string{"raise maxmemory", "and 1 more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newMoving(t)
			for _, n := range c.nodes {
				n.mover.checks, n.mover.err = tt.checks, tt.err
			}
			r := ask(t, c.nodes["n2"], tt.command)
			if jobs := len(c.state.Jobs); (jobs == 1) != (tt.refusal == nil) || (r.Err() == nil) != (tt.refusal == nil) {
				t.Fatalf("%d jobs, answer %q", jobs, r.Text())
			}
			for _, part := range tt.refusal {
				if !strings.Contains(r.Text(), part) {
					t.Errorf("%q is not in %q", part, r.Text())
				}
			}
		})
	}
}

// boundedMover says whether what it is asked for has a bound in time.
type boundedMover struct {
	fakeMover
	bounded bool
}

func (m *boundedMover) Preflight(ctx context.Context, _ []topology.SlotMove) ([]Check, error) {
	_, m.bounded = ctx.Deadline()
	return nil, nil
}

func TestChecksBeforeAJobHaveABound(t *testing.T) {
	c := newMoving(t)
	ops, mover := c.nodes["n1"].ops, &boundedMover{}
	ops.cfg.Mover = mover
	if _, err := ops.Migrate(t.Context(), "a test", Migrate{Span: SlotSpan{Start: 0, End: 9}, To: 2}); err != nil || !mover.bounded {
		t.Errorf("bounded %t, %v", mover.bounded, err)
	}
}
