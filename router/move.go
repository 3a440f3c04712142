package router

import (
	"fmt"
	"strconv"

	"codis/raftstore/topology"
	"codis/router/command"
)

// moving is what the table says of a slot that is on hold or on its way. One that
// is on hold only because its group gets another master is served from and to the
// same group.
type moving struct {
	phase topology.Phase
	epoch uint64 // of the plan: the index of the entry that held the slot
	// held is the epoch of the entry since which requests wait, 0 if they do not.
	held uint64
	// turned is the last turn of the two groups that has ended.
	turned   uint64
	from, to *route
	// reverse: the slot goes back in the middle of a move.
	reverse bool
}

// move is one loop's view of a moving slot.
type move struct {
	moving
	// since is when this loop saw the hold.
	since int64
	// moved are keys that are known to be at the target or nowhere, by database.
	moved [maxDatabases]map[string]struct{}
	// big are keys that were too large to be moved on access, and had not been moved when
	// that was last asked.
	big [maxDatabases]map[string]struct{}
}

// waitingSession is a session whose next request waits: its frame stays at the
// head of the query buffer, and is dispatched again when there is a new table,
// when an access has ended, or at the deadline.
type waitingSession struct {
	s     *session
	until int64
}

// same says whether keys that have moved in one view have in another: the plan
// and the servers are the same (SAFETY M5), and none was replaced under its address.
// A server that restarted is noticed by its connections, see forgetMoved.
func (m *moving) same(o *moving, servers func(*route) *server, old func(*route) *server) bool {
	return m.epoch == o.epoch && m.turned == o.turned && servers(m.from) == old(o.from) && servers(m.to) == old(o.to)
}

// adoptMoves builds the loop's view of the moving slots of a new table.
func (l *loop) adoptMoves(t *table, oldServers []*server) {
	previous := l.moves
	l.moves = make(map[int]*move, len(t.moving))
	now := func(r *route) *server { return l.servers[r.master] }
	before := func(r *route) *server { return oldServers[r.master] }
	for slot, m := range t.moving {
		next := &move{moving: m, since: l.now}
		if was := previous[slot]; was != nil && was.epoch == m.epoch {
			if was.held == m.held {
				next.since = was.since
			}
			if m.same(&was.moving, now, before) || l.r.faults.keepMoved {
				next.moved, next.big = was.moved, was.big
			}
		}
		l.moves[slot] = next
	}
	for slot, was := range previous {
		if was.phase != topology.PhaseMigrating || l.accesses[slot] == 0 {
			continue
		}
		if m := l.moves[slot]; m == nil || m.epoch != was.epoch {
			l.leaving[slot] = t.epoch
		}
	}
}

// forgetMoved empties the caches of moved keys: a server has restarted.
func (l *loop) forgetMoved() {
	if l.r.faults.keepMoved {
		return
	}
	for _, m := range l.moves {
		clear(m.moved[:])
		clear(m.big[:])
	}
	l.movedCount = 0
}

// onHold handles a request to a slot on hold. It says whether it was answered.
func (s *session) onHold(cmd *command.Command, m *move, slot int) (answered bool) {
	return s.waitHeld(cmd, m.since, fmt.Sprintf("slot %d is on hold", slot))
}

// waitHeld has a request wait that can't be taken since a while, or past the
// deadline answers it with an error that asks the client to try again.
func (s *session) waitHeld(cmd *command.Command, since int64, what string) (answered bool) {
	l := s.l
	limits := &l.table.limits
	deadline := since + int64(limits.holdDeadline)
	switch {
	case l.now >= deadline:
		l.stats.holdRefused[refusedLate]++
		s.fail(cmd, fmt.Errorf("TRYAGAIN %s for longer than hold-deadline, see CODIS.JOBS and CODIS.GROUPS", what))
	case len(l.waiting) >= limits.holdRequests || l.heldBytes >= limits.holdBytes:
		l.stats.holdRefused[refusedFull]++
		s.fail(cmd, fmt.Errorf("TRYAGAIN %s, and too much waits for it already", what))
	default:
		s.holdUntil(deadline)
		return false
	}
	return true
}

// holdUntil has the session's next request wait.
func (s *session) holdUntil(deadline int64) {
	l := s.l
	l.stats.held++
	s.pause |= pauseHeld
	l.waiting = append(l.waiting, waitingSession{s, deadline})
	l.heldBytes += int64(len(s.in) - s.inPos)
}

// resumeWaiting lets all waiting sessions dispatch their request again.
func (l *loop) resumeWaiting() {
	waiting := l.waiting
	l.waiting, l.heldBytes = nil, 0
	for _, w := range waiting {
		w.s.unpause(pauseHeld)
	}
}

// checkWaiting resumes the sessions whose deadline has passed.
func (l *loop) checkWaiting() {
	kept := l.waiting[:0]
	for _, w := range l.waiting {
		switch {
		case w.s.closed:
		case l.now >= w.until:
			w.s.unpause(pauseHeld)
		default:
			kept = append(kept, w)
		}
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
	l.heldBytes = 0
	for _, w := range kept {
		l.heldBytes += int64(len(w.s.in) - w.s.inPos)
	}
}

// checkDrained tells the router up to which table this loop has drained: for each
// slot on hold nothing of it is in flight any more, and for each slot that has
// arrived no access of its plan is under way.
func (l *loop) checkDrained() {
	epoch := l.table.epoch
	for slot, m := range l.moves {
		if m.held != 0 && l.busy(slot, m) {
			epoch = min(epoch, m.held-1)
		}
	}
	for slot, since := range l.leaving {
		if l.accesses[slot] == 0 {
			delete(l.leaving, slot)
			continue
		}
		epoch = min(epoch, since-1)
	}
	if epoch > l.drained {
		l.drained = epoch
		l.r.noteDrained(l.index, epoch)
	}
}

// busy says whether anything of a slot on hold is under way.
func (l *loop) busy(slot int, m *move) bool {
	inflight := l.inflight[slot] + l.inflight[everySlot]
	if f := l.r.faults.uncounted; f != nil {
		inflight -= f(l, slot)
	}
	return inflight > 0 || l.accesses[slot] > 0 ||
		l.servers[m.from.master].haunted() || l.servers[m.to.master].haunted()
}

// noteDrained is called by a loop that has drained up to an epoch; when all have,
// the node acknowledges it.
func (r *Router) noteDrained(index int, epoch uint64) {
	r.ackMu.Lock()
	defer r.ackMu.Unlock()
	r.drainedEpochs[index] = epoch
	least := epoch
	for _, e := range r.drainedEpochs {
		least = min(least, e)
	}
	if least > r.acked {
		r.acked = least
		r.cfg.Acked(least)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
