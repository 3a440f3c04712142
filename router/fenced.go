package router

import (
	"context"
	"fmt"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

// flushMovingText refuses FLUSHALL and FLUSHDB while slots move: they would take
// the fences away with the keys.
const flushMovingText = "-TRYAGAIN slots are moving, FLUSHDB and FLUSHALL have to wait: see CODIS.JOBS\r\n"

// askAtOnce is how many keys one pipeline asks about.
const askAtOnce = 1000

// broadcastFenced answers what is broadcast in quiet times while slots move and
// servers hold reserved keys, and keys twice.
func (s *session) broadcastFenced(cmd *command.Command) {
	if cmd.Flags.Has(command.FlagFlush) {
		s.answer(cmd, []byte(flushMovingText))
		return
	}
	r, db := s.l.r, s.db
	s.park(cmd.Family, func(ctx context.Context) []byte { // DBSIZE
		n, err := r.countFenced(ctx, db)
		if err != nil {
			return resp.AppendError(nil, "ERR DBSIZE: "+err.Error())
		}
		return resp.AppendInt(nil, n)
	})
}

// countFenced counts the keys of a database that clients can see while slots
// move: those of the owners, less the reserved ones, less those at the source of
// a move that are at its target already.
func (r *Router) countFenced(ctx context.Context, db int) (int64, error) {
	t := r.table.Load()
	var total int64
	for _, index := range t.owners {
		n, err := r.countOwner(ctx, t.targets[index], db)
		if err != nil {
			return 0, err
		}
		total += n
	}
	for slot, m := range t.moving {
		if m.phase != topology.PhaseMigrating {
			continue
		}
		n, err := r.countTwice(ctx, t, m, slot, db)
		if err != nil {
			return 0, err
		}
		total -= n
	}
	return total, nil
}

// countOwner is DBSIZE without the reserved keys.
func (r *Router) countOwner(ctx context.Context, at target, db int) (int64, error) {
	client, err := r.dialTool(ctx, at, db)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	size, err := client.Do(ctx, "DBSIZE")
	if err != nil {
		return 0, err
	}
	n := size.Int
	return n, scanKeys(ctx, client, []string{"SCAN"}, []string{"MATCH", fence.Prefix + "*"}, func(key []byte) {
		if fence.IsReserved(key) {
			n--
		}
	})
}

// countTwice counts the members of a moved set that are still at the source too:
// whether the target has them or they were deleted there, what the source has is
// not there for clients.
func (r *Router) countTwice(ctx context.Context, t *table, m moving, slot, db int) (n int64, err error) {
	from, err := r.dialTool(ctx, t.targets[m.from.master], db)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := r.dialTool(ctx, t.targets[m.to.master], db)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	set := string(fence.AppendMovedKey(nil, slot, m.epoch))
	var keys []string
	if err := scanKeys(ctx, to, []string{"SSCAN", set}, nil, func(key []byte) {
		if !fence.IsReserved(key) {
			keys = append(keys, string(key))
		}
	}); err != nil {
		return 0, err
	}
	for len(keys) > 0 {
		batch := keys[:min(len(keys), askAtOnce)]
		keys = keys[len(batch):]
		there, err := existing(ctx, from, batch)
		if err != nil {
			return 0, err
		}
		for _, twice := range there {
			if twice {
				n++
			}
		}
	}
	return n, nil
}

// existing says which of the keys a server has.
func existing(ctx context.Context, client *resp.Client, keys []string) ([]bool, error) {
	cmds := make([][]string, len(keys))
	for i, key := range keys {
		cmds[i] = []string{"EXISTS", key}
	}
	replies, err := client.Pipeline(ctx, cmds...)
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(keys))
	for i, reply := range replies {
		if err := reply.Err(); err != nil {
			return nil, err
		}
		found[i] = reply.Int == 1
	}
	return found, nil
}

// scanKeys calls visit with every element of a SCAN, or of an SSCAN with its key.
func scanKeys(ctx context.Context, client *resp.Client, head, tail []string, visit func(key []byte)) error {
	for cursor := "0"; ; {
		args := append(append(append([]string{}, head...), cursor), tail...)
		reply, err := client.Do(ctx, append(args, "COUNT", scanCount)...)
		if err != nil {
			return err
		}
		if len(reply.Array) != 2 {
			return fmt.Errorf("%s: %s answered %s instead of a cursor and keys", client.Addr(), head[0], reply.Kind)
		}
		for _, key := range reply.Array[1].Array {
			visit(key.Str)
		}
		if cursor = reply.Array[0].Text(); cursor == "0" {
			return nil
		}
	}
}
