package router

import (
	"bytes"
	"errors"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/command"
)

// Big keys are not moved on access: the leader copies them in parts. Until it has
// committed one, nobody writes it; reads go to where it is (see migrate/fence/big.go for
// why their replies are true), everything else waits and tells the leader so:
//
//	gate --BIG--> remembered, and the request dispatched again
//	  a read of nothing but big keys: read at the source -> check at the target
//	      --not moved--> the reply is given   --moved--> dispatched again
//	  else: wish at the target --moved--> dispatched again
//	      --not moved--> at the next tick again, at most migrate-big-wait
//
// The session takes no further request meanwhile. So a write behind a read in one
// pipeline can't be seen by that read.

var (
	// errStillBig ends a wish whose key has not moved.
	errStillBig = errors.New("the key has not moved yet")
	// errBigWait is returned for a request that has waited for a big key for too long.
	errBigWait = errors.New("TRYAGAIN the key is large and is being moved, which takes longer than migrate-big-wait: see CODIS.JOBS")
	// errBigMany is returned when too much waits already.
	errBigMany = errors.New("TRYAGAIN the key is large and is being moved, and too much waits already")
)

// bigRequest is a request with keys that are known to be big, all others having been
// reached.
type bigRequest struct {
	cmd   *command.Command
	args  [][]byte
	keys  []int
	frame []byte
	big   int // how many of the keys
}

// reachBig starts what brings a request with big keys on. It always has to be dispatched
// again.
func (s *session) reachBig(r bigRequest) (taken bool) {
	l := s.l
	s.pause |= pauseAccess
	slot := topology.SlotOf(r.args[r.keys[0]])
	source := r.cmd.Flags.Has(command.FlagReadonly) && r.big == len(r.keys)
	for _, key := range r.keys[1:] {
		source = source && topology.SlotOf(r.args[key]) == slot
	}
	if source {
		s.readSource(l.moves[slot], slot, r)
		return false
	}
	for _, key := range r.keys {
		slot, name := topology.SlotOf(r.args[key]), r.args[key]
		if m := l.moves[slot]; m != nil {
			if _, isBig := m.big[s.db][string(name)]; isBig {
				l.join(s, m, slot, name, accessWish)
			}
		}
	}
	return false
}

// readSource sends a read to where its keys are.
func (s *session) readSource(m *move, slot int, r bigRequest) {
	l := s.l
	a := &access{
		accessKey: accessKey{slot: slot, db: s.db}, epoch: m.epoch, step: accessRead,
		from: l.servers[m.from.master], to: l.servers[m.to.master],
		began: l.now, frame: bytes.Clone(r.frame), waiters: []*session{s},
	}
	for _, key := range r.keys {
		a.keys = append(a.keys, bytes.Clone(r.args[key]))
	}
	l.accesses[slot]++
	s.reaching++
	l.started = append(l.started, a)
}

// isBig remembers that the gate has called a key big.
func (l *loop) isBig(a *access) {
	if m := l.moveOf(a); m != nil {
		if m.big[a.db] == nil {
			m.big[a.db] = make(map[string]struct{})
		}
		m.big[a.db][a.key] = struct{}{}
	}
	l.endAccess(a, nil)
}

// completeBig takes the reply to a step of an access that is for big keys only.
func (l *loop) completeBig(a *access, reply []byte) {
	if a.step == accessRead {
		a.reply = bytes.Clone(reply)
		a.step = accessCheck
		l.script = fence.AppendReadCheck(l.script[:0], a.slot, a.epoch, a.keys)
		l.sendAccess(a, a.to)
		return
	}
	where, err := fence.ParseWhere(reply)
	switch {
	case err != nil:
		l.endAccess(a, a.explain(err))
	case where == fence.WhereFenced:
		l.endAccess(a, errFenced)
	case a.step == accessWish && where == fence.WhereMoved:
		l.arrived(a)
	case a.step == accessWish:
		l.endAccess(a, errStillBig)
	case where == fence.WhereMoved && !l.r.faults.readsUnchecked: // one of them: all are asked for again
		if m := l.moveOf(a); m != nil {
			for _, key := range a.keys {
				delete(m.big[a.db], string(key))
			}
		}
		l.endAccess(a, nil)
	default:
		l.stats.bigReads++
		if s := a.waiters[0]; !s.closed {
			s.bigReply = a.reply
		}
		l.endAccess(a, nil)
	}
}

// awaitBig lets the next request, which needs a big key where it goes, be dispatched again
// at the next tick, at most until migrate-big-wait is over.
func (s *session) awaitBig() {
	l := s.l
	limits := &l.table.limits
	if s.bigUntil == 0 {
		s.bigUntil = l.now + int64(limits.bigWait)
		l.stats.bigWaits++
	}
	switch {
	case l.now >= s.bigUntil:
		s.accessErr = errBigWait
	case len(l.waiting) >= limits.holdRequests || l.heldBytes >= limits.holdBytes:
		s.accessErr = errBigMany
	default:
		s.pause = s.pause&^pauseAccess | pauseHeld
		l.waiting = append(l.waiting, waitingSession{s, l.now})
		l.heldBytes += int64(len(s.in) - s.inPos)
		return
	}
	s.unpause(pauseAccess)
}
