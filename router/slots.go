package router

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"codis/migrate/fence"
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
// group that owns it, and for slots on their way at both, no key twice.
func (r *Router) countKeys(ctx context.Context, db, start, end int) (counts [topology.SlotCount]int64, err error) {
	t := r.table.Load()
	owners := make(map[int]bool) // by index of the master
	for slot := start; slot < end; slot++ {
		if owner := t.slots[slot]; owner != nil {
			owners[owner.master] = true
		} else if m, ok := t.moving[slot]; ok {
			owners[m.from.master], owners[m.to.master] = true, true
		}
	}
	for index := range owners {
		if err := r.countAt(ctx, t, index, db, func(slot int) {
			if slot >= start && slot < end {
				counts[slot]++
			}
		}); err != nil {
			return counts, err
		}
	}
	for slot, m := range t.moving {
		if slot < start || slot >= end || m.phase != topology.PhaseMigrating {
			continue
		}
		twice, err := r.countTwice(ctx, t, m, slot, db)
		if err != nil {
			return counts, err
		}
		counts[slot] -= twice
	}
	return counts, nil
}

// countAt calls visit with the slot of every key that a server holds and serves.
func (r *Router) countAt(ctx context.Context, t *table, index, db int, visit func(slot int)) error {
	client, err := r.dialTool(ctx, t.targets[index], db)
	if err != nil {
		return err
	}
	defer client.Close()
	return scanKeys(ctx, client, []string{"SCAN"}, nil, func(key []byte) {
		if !fence.IsReserved(key) && t.serves(topology.SlotOf(key), index) {
			visit(topology.SlotOf(key))
		}
	})
}

// serves says whether a slot's keys may be on a server.
func (t *table) serves(slot, index int) bool {
	if owner := t.slots[slot]; owner != nil {
		return owner.master == index
	}
	m, ok := t.moving[slot]
	return ok && (m.from.master == index || m.to.master == index && m.phase == topology.PhaseMigrating)
}

// groupBits are the low bits of a SLOTSSCAN cursor: the group that is read. The
// rest is the cursor of its master.
const groupBits = 14

// slotsScan answers SLOTSSCAN slot cursor [COUNT n] as Codis does: the next cursor
// and keys of that slot. A call may return no key before the end, as SCAN with
// MATCH does. A slot on its way is read at its source, then at its target; when
// the slot arrives meanwhile, the target is read from its beginning. So every key
// that is there from start to end is returned, some of them twice.
func (s *session) slotsScan(cmd *command.Command, args [][]byte) {
	slot, err := strconv.Atoi(string(args[1]))
	if err != nil || slot < 0 || slot >= topology.SlotCount {
		s.answer(cmd, []byte(badSlotText))
		return
	}
	cursor, err := strconv.ParseUint(string(args[2]), 10, 64)
	if err != nil {
		s.answer(cmd, []byte("-ERR invalid cursor\r\n"))
		return
	}
	count := "10"
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
	t, r, db := s.l.table, s.l.r, s.db
	m, ok := t.moving[slot]
	switch owner := t.slots[slot]; {
	case owner != nil:
		m = moving{phase: topology.PhaseServing, from: owner}
	case !ok:
		s.fail(cmd, s.l.noOwner(slot))
		return
	}
	s.park(cmd.Family, func(ctx context.Context) []byte {
		next, keys, err := r.scanSlot(ctx, t, m, slotCursor{slot: slot, db: db, at: cursor, count: count})
		if err != nil {
			return resp.AppendError(nil, "ERR SLOTSSCAN: "+err.Error())
		}
		b := resp.AppendArray(nil, 2)
		b = resp.AppendBulkString(b, strconv.FormatUint(next, 10))
		b = resp.AppendArray(b, len(keys))
		for _, key := range keys {
			b = resp.AppendBulkString(b, key)
		}
		return b
	})
}

// slotCursor is one call of SLOTSSCAN.
type slotCursor struct {
	slot, db int
	at       uint64
	count    string
}

// scanSlot reads some keys of a slot from where the cursor stands.
func (r *Router) scanSlot(ctx context.Context, t *table, m moving, c slotCursor) (next uint64, keys []string, err error) {
	group, cursor := int(c.at&(1<<groupBits-1)), c.at>>groupBits
	from, last := m.from, m.phase != topology.PhaseMigrating
	switch {
	case last && group != m.from.group:
		cursor = 0 // the beginning, or a cursor of where the slot was
	case !last && group == m.to.group:
		from, last = m.to, true
	case group != m.from.group:
		cursor = 0
	}
	client, err := r.dialTool(ctx, t.targets[from.master], c.db)
	if err != nil {
		return 0, nil, err
	}
	defer client.Close()
	reply, err := client.Do(ctx, "SCAN", strconv.FormatUint(cursor, 10), "COUNT", c.count)
	if err != nil {
		return 0, nil, err
	}
	if len(reply.Array) != 2 {
		return 0, nil, fmt.Errorf("%s: SCAN answered %s instead of a cursor and keys", client.Addr(), reply.Kind)
	}
	for _, key := range reply.Array[1].Array {
		if topology.SlotOf(key.Str) == c.slot && !fence.IsReserved(key.Str) {
			keys = append(keys, string(key.Str))
		}
	}
	if !last {
		if keys, err = r.dropMoved(ctx, t, m, c, keys); err != nil {
			return 0, nil, err
		}
	}
	at, err := strconv.ParseUint(reply.Array[0].Text(), 10, 64)
	switch {
	case err != nil || at > 1<<(64-groupBits)-1:
		return 0, nil, fmt.Errorf("%s: SCAN answered the cursor %q", client.Addr(), reply.Array[0].Text())
	case at != 0:
		return at<<groupBits | uint64(from.group), keys, nil
	case last:
		return 0, keys, nil
	}
	return uint64(m.to.group), keys, nil
}

// dropMoved leaves out the keys that have moved: they are read at the target.
func (r *Router) dropMoved(ctx context.Context, t *table, m moving, c slotCursor, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	client, err := r.dialTool(ctx, t.targets[m.to.master], c.db)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	set := string(fence.AppendMovedKey(nil, c.slot, m.epoch))
	cmds := make([][]string, len(keys))
	for i, key := range keys {
		cmds[i] = []string{"SISMEMBER", set, key}
	}
	replies, err := client.Pipeline(ctx, cmds...)
	if err != nil {
		return nil, err
	}
	kept := keys[:0]
	for i, key := range keys {
		if err := replies[i].Err(); err != nil {
			return nil, err
		}
		if replies[i].Int == 0 {
			kept = append(kept, key)
		}
	}
	return kept, nil
}
