package router

import (
	"fmt"
	"strconv"

	"codis/router/command"
	"codis/router/resp"
)

// durable is what a connection for writes has beyond a plain one while the setting
// durability-replicas is not 0. Writes of a round are followed by one WAIT on the
// same connection, since WAIT speaks only for writes of its own, and their replies
// are kept until it says that enough replicas have them:
//
//	dispatch ─► out ──flush──► writes, WAIT ─► replies of writes: held ─► reply of WAIT: given
//	             ▲                                                                 │
//	             └── what comes meanwhile gathers for the next flush ◄─────────────┘
//
// One WAIT is under way at a time: the server takes nothing behind it anyway, and
// what gathers meanwhile shares the next one.
type durable struct {
	// want is how many replicas the WAIT under way asks for; 0 when there is none.
	want int
	// writes says that there is a write among what has gathered.
	writes bool
	// held are the writes whose replies have come.
	held []*request
}

// isWrite says whether a command may change something that replicas get: scripts may.
func isWrite(cmd *command.Command) bool {
	const writes = command.FlagWrite | command.FlagMayReplicate | command.FlagNoMandatoryKeys // EVAL, FCALL
	return !cmd.Flags.Has(command.FlagReadonly) && cmd.Flags&writes != 0
}

// mustOrder says whether a command has to wait for replies of earlier ones: writes
// go another way than reads while they are durable, and must not overtake them. The
// session is paused then. The other way round nothing has to wait: as long as a
// session has a durable write under way, all that it asks goes that way.
func (s *session) mustOrder(cmd *command.Command) bool {
	if s.pending == s.durable || !isWrite(cmd) {
		return false
	}
	s.pause |= pauseOrder
	return true
}

// connection returns the connection to a server that a request of the session takes.
func (s *session) connection(srv *server, cmd *command.Command) (*backend, error) {
	replicas := s.l.table.limits.durableReplicas
	if replicas == 0 && s.durable == 0 || srv.role == roleReplica {
		return srv.ready(s.db)
	}
	write := isWrite(cmd)
	if s.durable == 0 && !write {
		return srv.ready(s.db)
	}
	b, err := srv.readyDurable(s.db)
	if err == nil && write && replicas > 0 {
		b.durable.writes = true
	}
	return b, err
}

// queued notes that a request went the way of durable writes.
func (s *session) queued(q *request, b *backend) {
	if b.durable != nil && !q.durable {
		q.durable = true
		s.durable++
	}
}

// readyDurable is ready for the connection that takes durable writes.
func (s *server) readyDurable(db int) (*backend, error) {
	b, err := s.connect(&s.durables, db)
	if err == nil && b.durable == nil {
		b.durable = new(durable)
	}
	if err == nil && b.busy() {
		err = errBackendBusy
	}
	return b, err
}

// seal ends a batch: it says whether what has gathered may be sent now, and puts a
// WAIT behind it if there are writes in it.
func (b *backend) seal() bool {
	d := b.durable
	if d.want > 0 {
		return false
	}
	limits := &b.l.table.limits
	if !d.writes || limits.durableReplicas == 0 {
		d.writes = false
		return true
	}
	d.want, d.writes = limits.durableReplicas, false
	q := b.l.newRequest(nil, 0)
	q.isWait = true
	b.fifo.push(q)
	b.out = b.l.pool.append(b.out, resp.AppendCommandStrings(nil, "WAIT",
		strconv.Itoa(d.want), strconv.FormatInt(max(limits.durableTimeout.Milliseconds(), 1), 10)))
	return true
}

// take handles a reply on a connection for durable writes. Reads are given on at
// once; they wait in their session for the writes before them.
func (b *backend) take(q *request, reply []byte) {
	d := b.durable
	switch {
	case q.isWait:
		b.waited(q, reply)
	case d.want == 0 || q.whole().readonly:
		b.l.complete(q, reply)
	default:
		q.reply = b.l.pool.append(nil, reply)
		d.held = append(d.held, q)
	}
}

// waited gives the replies of a batch when its WAIT has been answered. A write that
// has not reached enough replicas is told so instead; it stays where it is.
func (b *backend) waited(q *request, reply []byte) {
	d := b.durable
	want := d.want
	d.want = 0
	b.l.freeRequest(q)
	n, ok := resp.Int(reply)
	var shortage []byte
	switch {
	case !ok:
		shortage = resp.AppendError(nil, fmt.Sprintf("NOREPLICAS the write is done at group %d's master, but WAIT failed there: %.200q; a failover may lose it", b.srv.group, reply))
	case n < int64(want):
		shortage = resp.AppendError(nil, fmt.Sprintf("NOREPLICAS the write is done at group %d's master, but only %d of %d replicas had it in time (durability-replicas, durability-timeout); a failover may lose it", b.srv.group, n, want))
	}
	b.giveHeld(shortage)
	b.markDirty()
}

// giveHeld completes the writes that are held, with their own replies unless text is
// given. What failed, failed for a reason of its own.
func (b *backend) giveHeld(text []byte) {
	held := b.durable.held
	b.durable.held = nil
	for _, q := range held {
		reply := q.reply
		q.reply = nil
		if text == nil || resp.IsError(reply) {
			b.l.complete(q, reply)
		} else {
			b.l.complete(q, text)
		}
		b.l.pool.put(reply)
	}
	clear(held)
	if b.durable.held == nil {
		b.durable.held = held[:0]
	}
}

// whole is the request that a part belongs to, or the request itself.
func (q *request) whole() *request {
	if q.parent != nil {
		return q.parent
	}
	return q
}
