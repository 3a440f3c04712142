package router

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

// scanCount is how many keys one SCAN of SLOTSINFO looks at.
const scanCount = "1000"

// slotsInfo answers SLOTSINFO [start [count]] as Codis does: pairs of slot and
// number of keys, for the slots that have any. Stock servers keep no index by
// slot, so this walks the keys of the groups concerned, on a goroutine.
func (s *session) slotsInfo(cmd *command.Command, args [][]byte) {
	start, count := 0, topology.SlotCount
	for i, into := range []*int{&start, &count} {
		if len(args) <= i+1 {
			break
		}
		n, err := strconv.Atoi(string(args[i+1]))
		if err != nil || n < 0 || i == 0 && n >= topology.SlotCount {
			s.answer(cmd, []byte(badSlotText))
			return
		}
		*into = n
	}
	if len(args) > 3 {
		s.answer(cmd, []byte(syntaxText))
		return
	}
	end := start + min(count, topology.SlotCount-start)
	r, db := s.l.r, s.db
	s.park(cmd.Family, func(ctx context.Context) []byte {
		counts, err := r.countKeys(ctx, db, start, end)
		if err != nil {
			return resp.AppendError(nil, "ERR SLOTSINFO: "+err.Error())
		}
		var b []byte
		rows := 0
		for slot, n := range counts {
			if n > 0 {
				rows++
				b = resp.AppendArray(b, 2)
				b = resp.AppendInt(b, int64(slot))
				b = resp.AppendInt(b, n)
			}
		}
		return append(resp.AppendArray(nil, rows), b...)
	})
}

// countKeys counts the keys of a database in slots start to end-1, each at the
// group that owns it.
func (r *Router) countKeys(ctx context.Context, db, start, end int) (counts [topology.SlotCount]int64, err error) {
	t := r.table.Load()
	seen := make(map[*route]bool)
	for slot := start; slot < end; slot++ {
		owner := t.slots[slot]
		if owner == nil || seen[owner] {
			continue
		}
		seen[owner] = true
		err := r.scan(ctx, t.targets[owner.master], db, func(key []byte) {
			if slot := topology.SlotOf(key); slot >= start && slot < end && t.slots[slot] == owner {
				counts[slot]++
			}
		})
		if err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// scan calls visit with every key of one database of a server; a key may come
// more than once only if the server rehashes meanwhile, as SCAN does.
func (r *Router) scan(ctx context.Context, at target, db int, visit func(key []byte)) error {
	client, err := r.dialTool(ctx, at, db)
	if err != nil {
		return err
	}
	defer client.Close()
	for cursor := "0"; ; {
		reply, err := client.Do(ctx, "SCAN", cursor, "COUNT", scanCount)
		if err != nil {
			return err
		}
		if len(reply.Array) != 2 {
			return fmt.Errorf("%s: SCAN answered %s instead of a cursor and keys", at.addr, reply.Kind)
		}
		for _, key := range reply.Array[1].Array {
			visit(key.Str)
		}
		if cursor = reply.Array[0].Text(); cursor == "0" {
			return nil
		}
	}
}

// slotsScan answers SLOTSSCAN slot cursor [COUNT n] as Codis does: the next cursor
// and keys of that slot. The cursor is that of a SCAN of the slot's master, so a
// call may return no key before the end, as SCAN with MATCH does.
func (s *session) slotsScan(cmd *command.Command, args [][]byte) {
	slot, err := strconv.Atoi(string(args[1]))
	if err != nil || slot < 0 || slot >= topology.SlotCount {
		s.answer(cmd, []byte(badSlotText))
		return
	}
	cursor, count := string(args[2]), "10"
	if _, err := strconv.ParseUint(cursor, 10, 64); err != nil {
		s.answer(cmd, []byte("-ERR invalid cursor\r\n"))
		return
	}
	switch {
	case len(args) == 5 && strings.EqualFold(string(args[3]), "COUNT"):
		count = string(args[4])
		if n, err := strconv.Atoi(count); err != nil || n < 1 {
			s.answer(cmd, []byte(notIntText))
			return
		}
	case len(args) != 3:
		s.answer(cmd, []byte(syntaxText))
		return
	}
	owner := s.l.table.slots[slot]
	if owner == nil {
		s.fail(cmd, s.l.noOwner(slot))
		return
	}
	r, db, at := s.l.r, s.db, s.l.table.targets[owner.master]
	s.park(cmd.Family, func(ctx context.Context) []byte {
		client, err := r.dialTool(ctx, at, db)
		if err != nil {
			return resp.AppendError(nil, "ERR SLOTSSCAN: "+err.Error())
		}
		defer client.Close()
		reply, err := client.Do(ctx, "SCAN", cursor, "COUNT", count)
		if err != nil || len(reply.Array) != 2 {
			return resp.AppendError(nil, fmt.Sprintf("ERR SLOTSSCAN: %s: %v", at.addr, err))
		}
		var keys []byte
		n := 0
		for _, key := range reply.Array[1].Array {
			if topology.SlotOf(key.Str) == slot {
				n++
				keys = resp.AppendBulk(keys, key.Str)
			}
		}
		b := resp.AppendArray(nil, 2)
		b = resp.AppendBulk(b, reply.Array[0].Str)
		return append(resp.AppendArray(b, n), keys...)
	})
}
