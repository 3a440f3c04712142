package router

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
)

// errFenced is returned for a key whose slot is not fenced as this node's table
// says: the table is old, and a newer one is on its way.
var errFenced = errors.New("TRYAGAIN the slot is on its way elsewhere")

// errUsesMore is returned while a slot is on its way for commands that use keys
// which nobody has reached for them.
var errUsesMore = errors.New("TRYAGAIN MOVE, COPY to another database and SORT with patterns have to wait for their slot to arrive: see CODIS.JOBS")

// errTooLarge is returned for a value that is longer than a request may be.
var errTooLarge = errors.New("the value is too large: serialized it exceeds proto-max-bulk-len")

// usesMore says whether a command uses keys beside those that it names in its own
// database: at the target they may be missing, which such a command takes for an
// answer.
func usesMore(cmd *command.Command, args [][]byte) bool {
	var is func(arg []byte) bool
	switch cmd.Name {
	case "move":
		return true
	case "copy":
		is = func(arg []byte) bool { return bytes.EqualFold(arg, []byte("db")) }
	case "sort", "sort_ro":
		is = func(arg []byte) bool { return bytes.IndexByte(arg, '*') >= 0 }
	default:
		return false
	}
	return slices.ContainsFunc(args[2:], is)
}

// accessStep is where a key access is: member -> gate -> restore, for big keys read ->
// check, or wish. See package fence for the protocol.
type accessStep uint8

const (
	accessMember accessStep = iota
	accessGate
	accessRestore
	// accessRead sends the command of a session to where the key is, accessCheck asks
	// behind its reply whether the key was still there, see big.go.
	accessRead
	accessCheck
	// accessWish asks for a big key to be moved, and whether it has been.
	accessWish
)

func (s accessStep) String() string {
	switch s {
	case accessMember:
		return "member"
	case accessGate:
		return "gate"
	case accessRestore:
		return "restore"
	case accessRead:
		return "read"
	case accessCheck:
		return "check"
	case accessWish:
		return "wish"
	}
	return "unknown"
}

type accessKey struct {
	slot, db int
	key      string
}

// access brings one key of a moving slot to where its requests go. Sessions that
// want the key wait for it; everyone else goes on.
type access struct {
	accessKey
	epoch    uint64
	reverse  bool // the slot goes back, see fence.AppendGateBack
	from, to *server
	step     accessStep
	began    int64 // in the loop's time
	waiters  []*session
	// frame is the command of accessRead, and keys are its keys; reply is what it got.
	frame []byte
	keys  [][]byte
	reply []byte
}

// prepare makes sure that a request's keys are where the request is going to be
// sent: no slot on hold, all keys of migrating slots moved. It returns ready when the
// request may be sent now; otherwise taken says whether it was answered, or has to
// be dispatched again.
func (s *session) prepare(cmd *command.Command, args [][]byte, keys []int, frame []byte) (ready, taken bool) {
	l := s.l
	if reply := s.bigReply; reply != nil { // of a read at the source
		s.bigReply = nil
		s.answer(cmd, reply)
		return false, true
	}
	if !s.takeReached() {
		l.trimMoved()
	}
	if err := s.accessErr; err != nil {
		s.accessErr = nil
		s.fail(cmd, err)
		return false, true
	}
	for _, key := range keys {
		slot := topology.SlotOf(args[key])
		if m := l.moves[slot]; m != nil && m.held != 0 {
			return false, s.onHold(cmd, m, slot)
		}
	}
	big := 0
	for _, key := range keys {
		slot := topology.SlotOf(args[key])
		m := l.moves[slot]
		if m == nil {
			continue
		}
		if _, moved := m.moved[s.db][string(args[key])]; moved {
			continue
		}
		if _, isBig := m.big[s.db][string(args[key])]; isBig {
			big++
			continue
		}
		l.reach(s, m, slot, args[key])
	}
	if s.reaching == 0 && big > 0 {
		return false, s.reachBig(bigRequest{cmd: cmd, args: args, keys: keys, frame: frame, big: big})
	}
	if s.reaching > 0 {
		s.pause |= pauseAccess
		return false, false
	}
	return true, false
}

// reach starts the access of a key, or joins the one that is under way.
func (l *loop) reach(s *session, m *move, slot int, key []byte) {
	l.join(s, m, slot, key, accessMember)
}

// join is reach with the step that an access begins with.
func (l *loop) join(s *session, m *move, slot int, key []byte, first accessStep) {
	at := accessKey{slot: slot, db: s.db, key: string(key)}
	a := l.keyAccess[at]
	if a != nil && a.epoch == m.epoch {
		for _, waiting := range a.waiters {
			if waiting == s { // the same key twice in one command
				return
			}
		}
	} else {
		a = &access{accessKey: at, epoch: m.epoch, reverse: m.reverse, from: l.servers[m.from.master], to: l.servers[m.to.master], step: first, began: l.now}
		l.keyAccess[at] = a
		l.accesses[slot]++
		if first == accessMember {
			l.stats.accesses++
		}
		// The answer may come at once, when a server is away: after this round.
		l.started = append(l.started, a)
	}
	a.waiters = append(a.waiters, s)
	s.reaching++
}

// startAccesses sends the first step of the accesses of this round.
func (l *loop) startAccesses() {
	for i := 0; i < len(l.started); i++ {
		switch a := l.started[i]; a.step {
		case accessRead:
			l.script = append(l.script[:0], a.frame...)
			l.sendAccess(a, a.from)
		case accessWish:
			l.script = fence.AppendWish(l.script[:0], a.slot, a.epoch, []byte(a.key))
			l.sendAccess(a, a.to)
		default:
			l.script = fence.AppendMember(l.script[:0], a.slot, a.epoch, []byte(a.key))
			l.sendAccess(a, a.to)
		}
	}
	clear(l.started)
	l.started = l.started[:0]
}

// sendAccess sends the script in l.script for the access's step.
func (l *loop) sendAccess(a *access, to *server) {
	b, err := to.ready(a.db)
	if err != nil {
		l.endAccess(a, errors.New(string(to.appendError(nil, err)[1:])))
		return
	}
	q := l.newRequest(nil, 0)
	q.access = a
	b.send(q, l.script)
}

// completeAccess takes the reply to one step and sends the next one.
func (l *loop) completeAccess(q *request, reply []byte) {
	a := q.access
	l.freeRequest(q)
	switch a.step {
	case accessMember:
		moved, err := fence.ParseMember(reply)
		switch {
		case err != nil:
			l.endAccess(a, a.explain(err))
		case moved:
			l.arrived(a)
		default:
			a.step = accessGate
			if a.reverse {
				l.script = fence.AppendGateBack(l.script[:0], a.slot, a.epoch, []byte(a.key))
			} else {
				l.script = fence.AppendGate(l.script[:0], a.epoch, []byte(a.key), l.table.limits.big)
			}
			l.sendAccess(a, a.from)
		}
	case accessGate:
		gate, err := fence.ParseGate(reply)
		switch {
		case err != nil:
			l.endAccess(a, a.explain(err))
		case gate.Kind == fence.GateFenced:
			l.endAccess(a, errFenced)
		case gate.Kind == fence.GateAbsent:
			l.arrived(a)
		case gate.Kind == fence.GateBig:
			l.isBig(a)
		case len(gate.Dump) > l.table.limits.maxBulk:
			// The target would close the connection, which others share.
			l.endAccess(a, a.explain(errTooLarge))
		default:
			a.step = accessRestore
			switch {
			case gate.Kind == fence.GateGone:
				l.script = fence.AppendRemove(l.script[:0], a.slot, a.epoch, []byte(a.key))
			case gate.Replaces:
				l.script = fence.AppendReplace(l.script[:0], a.slot, a.epoch, []byte(a.key), gate.TTL, gate.Dump)
			default:
				l.script = fence.AppendRestore(l.script[:0], a.slot, a.epoch, []byte(a.key), gate.TTL, gate.Dump)
			}
			l.sendAccess(a, a.to)
			l.trimScript()
		}
	case accessRestore:
		result, err := fence.ParseRestore(reply)
		switch {
		case err != nil:
			l.endAccess(a, a.explain(err))
		case result == fence.RestoreFenced:
			l.endAccess(a, errFenced)
		default:
			l.arrived(a)
		}
	default:
		l.completeBig(a, reply)
	}
}

// explain says what failed to the client whose request had to wait for it.
func (a *access) explain(err error) error {
	var se *resp.ServerError
	if errors.As(err, &se) && se.Code == "TRYAGAIN" {
		return se
	}
	return fmt.Errorf("ERR the key could not be moved to group %d (%s): %w", a.to.group, a.step, err)
}

// arrived remembers that the key is at the target or nowhere, if the plan and its
// servers are still the same.
func (l *loop) arrived(a *access) {
	if m := l.moveOf(a); m != nil {
		if m.moved[a.db] == nil {
			m.moved[a.db] = make(map[string]struct{})
		}
		m.moved[a.db][a.key] = struct{}{}
		delete(m.big[a.db], a.key)
		l.movedCount++
	}
	l.endAccess(a, nil)
}

// moveOf returns the move that an access belongs to, if it is still under way between
// the same servers.
func (l *loop) moveOf(a *access) *move {
	if m := l.moves[a.slot]; m != nil && m.epoch == a.epoch &&
		l.servers[m.from.master] == a.from && l.servers[m.to.master] == a.to {
		return m
	}
	return nil
}

// endAccess lets the sessions that waited for the key go on.
func (l *loop) endAccess(a *access, err error) {
	if l.keyAccess[a.accessKey] == a {
		delete(l.keyAccess, a.accessKey)
	}
	l.accesses[a.slot]--
	if a.step <= accessRestore {
		l.stats.reaches.observe(l.now - a.began)
	}
	for _, s := range a.waiters {
		if s.closed {
			continue
		}
		switch {
		case err == errFenced || err != nil && l.isHeld(a.slot):
			// Its group gets another master. Nothing of the request has been sent.
			s.fenced = true
		case err == errStillBig:
			s.stillBig = true
		case err != nil:
			s.accessErr = err
		}
		if s.reaching--; s.reaching == 0 {
			s.reached()
		}
	}
}

// isHeld says whether requests of a slot wait.
func (l *loop) isHeld(slot int) bool {
	m := l.moves[slot]
	return m != nil && m.held != 0
}

// reached goes on with the request whose keys have all been reached. When one was
// fenced, the request waits for a newer table, up to hold-deadline.
func (s *session) reached() {
	stillBig := s.stillBig
	s.stillBig = false
	if stillBig && !s.fenced && s.accessErr == nil {
		s.awaitBig()
		return
	}
	if !s.fenced {
		s.fencedUntil = 0
		s.hasReached = true
		s.l.reached++
		s.unpause(pauseAccess)
		return
	}
	s.fenced = false
	deadline := int64(s.l.table.limits.holdDeadline)
	switch {
	case s.fencedUntil == 0:
		s.fencedUntil = s.l.now + deadline
	case s.l.now >= s.fencedUntil:
		s.fencedUntil = 0
		s.accessErr = errFenced
		s.unpause(pauseAccess)
		return
	}
	// Try again with the next table, or else at the next tick.
	s.pause = s.pause&^pauseAccess | pauseHeld
	s.l.waiting = append(s.l.waiting, waitingSession{s, s.l.now})
}

// takeReached says whether the session's keys have been reached for the request
// that it dispatches now.
func (s *session) takeReached() bool {
	if !s.hasReached {
		return false
	}
	s.hasReached = false
	s.l.reached--
	return true
}

// forgetAccess ends what the session knew of the keys of the request that it has
// just been rid of: the next one has keys of its own.
func (s *session) forgetAccess() {
	s.takeReached()
	s.accessErr, s.fencedUntil, s.bigUntil, s.bigReply = nil, 0, 0, nil
}

// trimMoved keeps to move-cache. Nothing is forgotten while a session has reached
// its keys and not yet sent its request, or is about to: a command with more keys
// than the cache holds would never get on.
func (l *loop) trimMoved() {
	if l.movedCount > l.table.limits.moveCache && l.reached == 0 && len(l.keyAccess) == 0 {
		l.forgetMoved()
	}
}

// trimScript lets go of what a large value has left.
func (l *loop) trimScript() {
	if cap(l.script) > 1<<20 {
		l.script = nil
	}
}
