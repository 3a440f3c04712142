package router

import (
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

// join collects the replies of a command that was split over several backends.
// It belongs to the request that the client waits for; joins are used again.
type join struct {
	next *join // the free list
	kind command.Join
	// parts are the sub-requests, one per backend; waiting counts those without a
	// reply. replies[i] is the reply of parts[i] in a buffer of the pool.
	replies [][]byte
	waiting int
	// order[k] is the part that holds the reply to the k-th key (JoinArray).
	order []uint16
	// cursor[i] is how far replies[i] has been read while joining.
	cursor []int
}

func (l *loop) newJoin(kind command.Join) *join {
	j := l.freeJoins
	if j == nil {
		j = new(join)
	} else {
		l.freeJoins = j.next
		j.next = nil
	}
	j.kind = kind
	return j
}

// maxKeptOrder bounds what a join on the free list keeps of a huge MGET.
const maxKeptOrder = 4096

func (l *loop) freeJoin(j *join) {
	for _, reply := range j.replies {
		l.pool.put(reply)
	}
	clear(j.replies)
	j.replies = j.replies[:0]
	j.cursor = j.cursor[:0]
	j.order = j.order[:0]
	j.waiting = 0
	if cap(j.order) > maxKeptOrder {
		j.order = nil
	}
	j.next = l.freeJoins
	l.freeJoins = j
}

// piece is one part of a split while it is made.
type piece struct {
	b    *backend
	keys int
}

// split divides a command with keys in several slots over their groups' servers:
// one sub-command per backend, joined in request order. A command whose keys all
// live on one server goes there as it is.
func (s *session) split(cmd *command.Command, args [][]byte, frame []byte) (taken bool) {
	l := s.l
	l.stamp++
	pieces, order := l.pieces[:0], l.order[:0]
	defer func() { l.pieces, l.order = pieces[:0], order[:0] }()

	if (len(args)-1)%cmd.Step != 0 { // MSET with a key that has no value
		s.answer(cmd, cmd.AppendArityError(nil))
		return true
	}
	if len(l.moves) > 0 {
		keys := l.keys[:0]
		for i := cmd.First; i < len(args); i += cmd.Step {
			if fence.IsReserved(args[i]) { // before it is reached for
				s.fail(cmd, errReserved)
				return true
			}
			keys = append(keys, i)
		}
		l.keys = keys[:0]
		if ready, taken := s.prepare(cmd, args, keys, frame); !ready {
			return taken
		}
	}
	slots := l.slots[:0]
	for i := cmd.First; i < len(args); i += cmd.Step {
		slot := topology.SlotOf(args[i])
		srv, err := s.serverOf(cmd, slot, args[i])
		if err != nil {
			s.fail(cmd, err)
			return true
		}
		slots = append(slots, uint16(slot))
		l.slots = slots[:0]
		if srv.stamp != l.stamp {
			b, err := s.connection(srv, cmd)
			if err != nil {
				s.answer(cmd, srv.appendError(nil, err))
				return true
			}
			srv.stamp, srv.part = l.stamp, len(pieces)
			pieces = append(pieces, piece{b: b})
		}
		pieces[srv.part].keys++
		order = append(order, uint16(srv.part))
	}
	if len(pieces) == 1 {
		q := s.newRequest(cmd)
		s.queued(q, pieces[0].b)
		l.enterAll(q, slots)
		pieces[0].b.send(q, frame)
		return true
	}
	s.sendPieces(cmd, args, pieces, order, slots)
	return true
}

// serverOf returns the server for one key of a split that is prepared.
func (s *session) serverOf(cmd *command.Command, slot int, key []byte) (*server, error) {
	l := s.l
	if fence.IsReserved(key) {
		return nil, errReserved
	}
	if r := l.table.slots[slot]; r != nil {
		return l.servers[s.pickOnce(r, cmd)], nil
	}
	if m := l.moves[slot]; m != nil {
		return l.servers[m.to.master], nil
	}
	return nil, l.noOwner(slot)
}

// pickOnce is pick, but all keys of one group and one command go to one server:
// the first choice stands until the stamp changes.
func (s *session) pickOnce(r *route, cmd *command.Command) int {
	if s.readFrom == readDefault && s.l.table.readFrom == readMaster || s.readFrom == readMaster {
		return r.master
	}
	if r := s.l.picked[r.group]; r.stamp == s.l.stamp {
		return r.server
	}
	server := s.pick(r, cmd)
	s.l.picked[r.group] = picked{stamp: s.l.stamp, server: server}
	return server
}

// sendPieces writes the sub-commands straight into the backends' buffers.
func (s *session) sendPieces(cmd *command.Command, args [][]byte, pieces []piece, order, slots []uint16) {
	l := s.l
	q := s.newJoined(cmd, len(pieces))
	l.enterAll(q, slots)
	if cmd.Join == command.JoinArray {
		q.join.order = append(q.join.order, order...)
	}
	for i := range pieces {
		b := pieces[i].b
		s.queued(q, b)
		b.fifo.push(l.newPart(q, i))
		b.out = l.pool.grow(b.out, 32+len(args[0]))
		b.out = resp.AppendArray(b.out, 1+pieces[i].keys*cmd.Step)
		b.out = resp.AppendBulk(b.out, args[0])
		b.markDirty()
	}
	for k, part := range order {
		b := pieces[part].b
		first := cmd.First + k*cmd.Step
		for _, arg := range args[first : first+cmd.Step] {
			b.out = l.pool.grow(b.out, len(arg)+32)
			b.out = resp.AppendBulk(b.out, arg)
		}
	}
}

// broadcast sends a command to every master that owns slots, and scripts and
// functions to every master, because slots may come to it later.
func (s *session) broadcast(cmd *command.Command, args [][]byte, frame []byte) (taken bool) {
	if !s.permitted(cmd) {
		return true
	}
	l := s.l
	if free, answered := s.onTurn(cmd); !free {
		return answered
	}
	if l.table.fenced && cmd.Family != command.FamilyScripting {
		s.broadcastFenced(cmd)
		return true
	}
	masters := l.table.owners
	if cmd.Family == command.FamilyScripting {
		masters = l.table.masters
	}
	if len(masters) == 0 {
		s.fail(cmd, l.noOwner(0))
		return true
	}
	pieces := l.pieces[:0]
	defer func() { l.pieces = pieces[:0] }()
	for _, index := range masters {
		srv := l.servers[index]
		b, err := s.connection(srv, cmd)
		if err != nil { // before anything is sent: all masters or none
			s.answer(cmd, srv.appendError(nil, err))
			return true
		}
		pieces = append(pieces, piece{b: b})
	}
	s.shareScript(cmd, args, frame)
	q := s.newJoined(cmd, len(pieces))
	if cmd.Flags.Has(command.FlagFlush) {
		l.enter(q, everySlot)
	}
	for i := range pieces {
		s.queued(q, pieces[i].b)
		pieces[i].b.send(l.newPart(q, i), frame)
	}
	return true
}

// newJoined queues the request that stands for all parts.
func (s *session) newJoined(cmd *command.Command, parts int) *request {
	q := s.newRequest(cmd)
	q.state = requestJoining
	q.join = s.l.newJoin(cmd.Join)
	q.join.waiting = parts
	for range parts {
		q.join.replies = append(q.join.replies, nil)
		q.join.cursor = append(q.join.cursor, 0)
	}
	return q
}

func (l *loop) newPart(parent *request, index int) *request {
	q := l.newRequest(nil, 0)
	q.parent, q.part, q.waited = parent, index, parent.waited
	return q
}

// completePart keeps the reply of a part and completes the whole with the last one.
func (l *loop) completePart(q *request, reply []byte) {
	whole, part := q.parent, q.part
	l.freeRequest(q)
	j := whole.join
	if j.waiting--; j.waiting > 0 {
		j.replies[part] = l.pool.append(nil, reply)
		return
	}
	j.replies[part] = reply // the last one is joined where it stands
	whole.reply = j.appendTo(l.pool.get(joinSize(j)))
	j.replies[part] = nil
	l.finish(whole)
}

func joinSize(j *join) int {
	size := 32
	for _, reply := range j.replies {
		size += len(reply)
	}
	return size
}

// appendTo writes the joined reply: the first error of any part, else what the
// kind of the join makes of them. It needs no more room than the parts take.
func (j *join) appendTo(dst []byte) []byte {
	for _, reply := range j.replies {
		if resp.IsError(reply) {
			return append(dst, reply...)
		}
	}
	switch j.kind {
	case command.JoinArray:
		return j.appendArray(dst)
	case command.JoinSum:
		return j.appendSum(dst)
	case command.JoinMin:
		return j.appendMin(dst)
	case command.JoinSame:
		return j.appendSame(dst)
	default: // every part said OK
		return append(dst, j.replies[0]...)
	}
}

// appendArray puts the elements of the parts' arrays into the order of the keys.
func (j *join) appendArray(dst []byte) []byte {
	for i, reply := range j.replies {
		_, header, ok := resp.ArrayLen(reply)
		if !ok {
			return appendBadPart(dst)
		}
		j.cursor[i] = header
	}
	start := len(dst)
	dst = resp.AppendArray(dst, len(j.order))
	for _, part := range j.order {
		rest := j.replies[part][j.cursor[part]:]
		size := bulkSize(rest)
		if size == 0 {
			return appendBadPart(dst[:start])
		}
		dst = append(dst, rest[:size]...)
		j.cursor[part] += size
	}
	for i, reply := range j.replies {
		if j.cursor[i] != len(reply) {
			return appendBadPart(dst[:start])
		}
	}
	return dst
}

// bulkSize returns how many bytes the bulk string at the start of buf takes, 0
// when there is something else.
func bulkSize(buf []byte) int {
	if len(buf) < 4 || buf[0] != '$' {
		return 0
	}
	if buf[1] == '-' { // $-1
		return 5
	}
	n, i := 0, 1
	for ; i < len(buf) && buf[i] >= '0' && buf[i] <= '9'; i++ {
		n = n*10 + int(buf[i]-'0')
	}
	if size := i + 2 + n + 2; size <= len(buf) {
		return size
	}
	return 0
}

func (j *join) appendSum(dst []byte) []byte {
	var sum int64
	for _, reply := range j.replies {
		n, ok := resp.Int(reply)
		if !ok {
			return appendBadPart(dst)
		}
		sum += n
	}
	return resp.AppendInt(dst, sum)
}

// appendMin is the element-wise minimum of arrays of integers: SCRIPT EXISTS says
// 1 only for a script that every group has.
func (j *join) appendMin(dst []byte) []byte {
	var least []int64
	for i, reply := range j.replies {
		parsed, _, err := resp.ParseReply(reply)
		if err != nil || parsed.Kind != resp.KindArray || i > 0 && len(parsed.Array) != len(least) {
			return appendBadPart(dst)
		}
		for k, element := range parsed.Array {
			if i == 0 {
				least = append(least, element.Int)
			}
			least[k] = min(least[k], element.Int)
		}
	}
	dst = resp.AppendArray(dst, len(least))
	for _, n := range least {
		dst = resp.AppendInt(dst, n)
	}
	return dst
}

func (j *join) appendSame(dst []byte) []byte {
	for i, reply := range j.replies {
		if string(reply) != string(j.replies[0]) {
			return resp.AppendError(dst, "ERR groups gave different answers (the first and number "+
				strconv.Itoa(i+1)+" of them differ): repeat the command, and compare the versions in CODIS.GROUPS")
		}
	}
	return append(dst, j.replies[0]...)
}

func appendBadPart(dst []byte) []byte {
	return resp.AppendError(dst, "ERR a server answered its part of the command with something else than expected")
}
