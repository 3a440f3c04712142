package admin

import (
	"context"
	"slices"

	"codis/raftstore/topology"
)

// defaultHistory is how many changes are listed when no number is given.
const defaultHistory = 20

// Changes are lines of the history, newest first.
type Changes []topology.Change

// History lists the last count changes, newest first.
func (o *Ops) History(ctx context.Context, count int) (Changes, error) {
	all := o.cfg.Store.State().History
	list := slices.Clone(all[len(all)-min(count, len(all)):])
	slices.Reverse(list)
	return list, nil
}
