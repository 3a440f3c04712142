package router

import (
	"errors"
	"fmt"

	"codis/raftstore/topology"
	"codis/router/command"
)

var (
	// errBackendReplaced is returned to requests that were under way at a master that
	// is being replaced.
	errBackendReplaced = errors.New("the server is being replaced, outcome unknown")
	// errBackendAbandoned is returned to requests that waited for a connection to it.
	errBackendAbandoned = errors.New("the server is being replaced, nothing was sent, try again")
)

// role is what a table says of a server.
type role uint8

const (
	// roleReplica: it may get reads, when it is healthy.
	roleReplica role = iota
	// roleMaster: it gets everything.
	roleMaster
	// roleAbandoned: it is the master that a failover or a replacement is about to
	// take out. Nothing is sent to it any more (SAFETY F3).
	roleAbandoned
)

func (r role) String() string {
	switch r {
	case roleReplica:
		return "replica"
	case roleMaster:
		return "master"
	case roleAbandoned:
		return "abandoned"
	}
	return "unknown"
}

// roleOf says what a group's server is for the data plane.
func roleOf(g topology.Group, addr string) role {
	switch {
	case g.Turn != nil && g.Turn.Kind.Abandons() && g.Turn.From == addr:
		return roleAbandoned
	case g.Master == addr:
		return roleMaster
	}
	return roleReplica
}

// heldBy returns the epoch of the entry since which requests of a slot wait, 0 when
// they do not: the hold of its own plan, or the earliest turn of a group that
// serves it. What was in flight when the first one came drains for all of them.
func heldBy(s *topology.State, slot topology.Slot) uint64 {
	if slot.Phase == topology.PhaseHolding {
		return slot.Epoch
	}
	held := turnEpoch(s.Groups[slot.Group])
	if slot.Phase == topology.PhaseMigrating {
		if other := turnEpoch(s.Groups[slot.Target]); other != 0 && (held == 0 || other < held) {
			held = other
		}
	}
	return held
}

func turnEpoch(g topology.Group) uint64 {
	if g.Turn == nil {
		return 0
	}
	return g.Turn.Epoch
}

// adoptRoles gives the servers their roles of a new table. Requests at a master that
// is abandoned are answered at once, and count as in flight no longer: what they do
// there is discarded when it becomes a replica. If it stays the master after all,
// its hauntings count again.
func (l *loop) adoptRoles(t *table) {
	for i, s := range l.servers {
		was := s.role
		s.role = t.roles[i]
		if s.role == was {
			continue
		}
		switch {
		case s.role == roleAbandoned:
			s.abandon(was)
		case s.role == roleReplica:
			s.forgive(was)
		case was == roleAbandoned:
			s.countHauntings(+1)
			s.reap()
		}
	}
}

// abandon breaks off all that is under way at the server.
func (s *server) abandon(was role) {
	s.stopReaping()
	if was == roleMaster {
		s.countHauntings(-1)
	}
	s.breakOff()
	s.failures, s.lastErr = 0, nil // its successor may have the same address
}

// breakOff answers all that waits at the server with an error.
func (s *server) breakOff() {
	for _, b := range s.allConns() {
		if b.state == backendReady {
			b.giveUp(errBackendReplaced)
		} else {
			b.giveUp(errBackendAbandoned)
		}
	}
}

// forgive forgets the hauntings: the server is nobody's master any more, and what it
// still runs concerns nobody (it refuses writes as a replica, and what it wrote
// before goes with the resync).
func (s *server) forgive(was role) {
	s.stopReaping()
	if was != roleAbandoned {
		s.countHauntings(-1)
	}
	s.hauntings = nil
}

// turnOver hands the hauntings of a server that has left the table to the one that
// has its place, with other credentials, or else forgets them.
func (s *server) turnOver() {
	successor := s.successor()
	if successor == nil {
		s.forgive(s.role)
		return
	}
	s.stopReaping()
	if s.role == roleAbandoned && successor.role != roleAbandoned {
		s.countHauntings(+1)
	} else if s.role != roleAbandoned && successor.role == roleAbandoned {
		s.countHauntings(-1)
	}
	successor.hauntings = append(successor.hauntings, s.hauntings...)
	s.hauntings = nil
	successor.reap()
}

// successor is the server of the table that stands for the same redis-server; nil
// when that is no master.
func (s *server) successor() *server {
	for _, other := range s.l.servers {
		if other.group == s.group && other.addr == s.addr && other.role != roleReplica {
			return other
		}
	}
	return nil
}

// onTurn handles a command that concerns whole groups while one of them gets another
// master: it waits as requests of slots on hold do. It says whether there is nothing
// to wait for, and if there is, whether the command was answered.
func (s *session) onTurn(cmd *command.Command) (free, answered bool) {
	turning := s.l.table.turning
	if len(turning) == 0 {
		return true, false
	}
	return false, s.waitHeld(cmd, s.l.turnSince[turning[0]], fmt.Sprintf("group %d is getting another master", turning[0]))
}

// adoptTurns notes since when this loop has seen the turns of a new table.
func (l *loop) adoptTurns(t *table) {
	if len(t.turning) == 0 && len(l.turnSince) == 0 {
		return
	}
	since := make(map[int]int64, len(t.turning))
	for _, group := range t.turning {
		since[group] = l.now
		if was, ok := l.turnSince[group]; ok {
			since[group] = was
		}
	}
	l.turnSince = since
}
