package failover

import (
	"context"
	"fmt"
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// databasesUsed is how many databases clients can select.
const databasesUsed = 16

// checkFences says which fence or moved set of the batches under way a server lacks
// (SAFETY F6): all of them were waited for at all replicas, so a replica without them
// is older than the last thing that it must know. Promoted, it would let go of fences
// that requests under way count on.
func checkFences(ctx context.Context, c *resp.Client, s *topology.State, group int) error {
	for id, j := range s.Jobs {
		for _, b := range j.Batches {
			from, to := b.Pair()
			if b.Phase != topology.BatchMigrating || from != group && to != group {
				continue
			}
			check := fencesThere
			if to == group {
				check = movedThere
			}
			if err := check(ctx, c, b); err != nil {
				return fmt.Errorf("batch %d of job %d: %w", b.Epoch, id, err)
			}
		}
	}
	return nil
}

// fencesThere looks for X(epoch) in every database that nodes use.
func fencesThere(ctx context.Context, c *resp.Client, b topology.Batch) error {
	get := []string{"GET", string(fence.AppendFenceKey(nil, b.Epoch))}
	return eachDatabase(ctx, c, get, func(db int, r resp.Reply) error {
		if r.Text() != strconv.FormatUint(b.Epoch, 10) {
			return fmt.Errorf("the fence in database %d is missing", db)
		}
		return nil
	})
}

// movedThere looks for M(slot, epoch). They are made where keys are to come, in
// database 0 always: where one is, all are.
func movedThere(ctx context.Context, c *resp.Client, b topology.Batch) error {
	exists := []string{"EXISTS"}
	for _, slot := range b.Slots() {
		exists = append(exists, string(fence.AppendMovedKey(nil, slot, b.Epoch)))
	}
	return eachDatabase(ctx, c, exists, func(db int, r resp.Reply) error {
		if missing := len(b.Slots()) - int(r.Int); missing > 0 && (r.Int > 0 || db == 0) {
			return fmt.Errorf("%d moved sets in database %d are missing", missing, db)
		}
		return nil
	})
}

// eachDatabase asks the same in every database that the server has, and comes back
// to the first.
func eachDatabase(ctx context.Context, c *resp.Client, command []string, look func(db int, r resp.Reply) error) error {
	cmds := make([][]string, 0, 2*databasesUsed+1)
	for db := range databasesUsed {
		cmds = append(cmds, []string{"SELECT", strconv.Itoa(db)}, command)
	}
	replies, err := c.Pipeline(ctx, append(cmds, []string{"SELECT", "0"})...)
	if err != nil {
		return explain(c.Addr(), err)
	}
	for db := range databasesUsed {
		if replies[2*db].Err() != nil {
			break // it has no more
		}
		r := replies[2*db+1]
		if err := r.Err(); err != nil {
			return explain(c.Addr(), err)
		}
		if err := look(db, r); err != nil {
			return err
		}
	}
	return nil
}
