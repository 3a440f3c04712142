package admin

import (
	"context"

	"codis/raftstore/topology"
)

// Mover moves slots as jobs of the state say. Its methods may be called by any
// goroutine, and calls may overlap.
type Mover interface {
	// Preflight looks at all that moves depend on. It changes nothing, blocks on the
	// network until ctx ends, and may read all keys of the targets: what it could not
	// read by then is a warning. A check that fails is no error.
	Preflight(ctx context.Context, moves []topology.SlotMove) ([]Check, error)
	// Live is a job's progress as of now; false on a node that does not move slots. It
	// does not block.
	Live(job uint64) (topology.JobProgress, bool)
}

// Check is one thing that was looked at before a move.
type Check struct {
	// From and To are the groups; 0 for none in particular.
	From, To int
	Name     string
	Result   CheckResult
	// Text says what was found, and what to do where that is not clear.
	Text string
}

// CheckKeys is the name of the check for keys that the target has of slots that are
// to come; it fails unless the job has consent to delete them.
const CheckKeys = "keys"

// CheckResult is the outcome of a Check.
type CheckResult string

const (
	// CheckOK: nothing is wrong.
	CheckOK CheckResult = "ok"
	// CheckWarn: a person should know; slots move all the same.
	CheckWarn CheckResult = "warn"
	// CheckFail: nothing moves while this is so, and no job is made unless by force.
	CheckFail CheckResult = "fail"
)

// needMover refuses what a node without a mover can't do.
func (o *Ops) needMover() error {
	if o.cfg.Mover == nil {
		return refuse("ERR", "", "this node can't move slots")
	}
	return nil
}
