package topology

import (
	"fmt"
	"slices"
)

// TurnKind says why and how a group gets another master.
type TurnKind string

const (
	// TurnFailover: the old master is silent. Nothing is sent to it any more; what it
	// had acknowledged and not replicated is lost.
	TurnFailover TurnKind = "failover"
	// TurnSwitchover: a person's wish; both servers live, nothing is lost.
	TurnSwitchover TurnKind = "switchover"
	// TurnReplace: a person puts an empty or restored server in the place of a master
	// that is gone. It may be a new process under the old address.
	TurnReplace TurnKind = "replace"
)

// Abandons says whether a turn of this kind gives up the old master: nodes break
// off what they have under way there instead of waiting for its end.
func (k TurnKind) Abandons() bool { return k == TurnFailover || k == TurnReplace }

// Turn is a change of a group's master under way. While it is there, every slot
// that the group owns or is the target of is on hold (SAFETY F2, F3).
//
//	TurnBegin --(all nodes have stopped, the candidate is promoted)--> TurnDone: To is the master
//	          --(it can't be done)------------------------------------> TurnAbandon: From stays the master
type Turn struct {
	// Epoch is the Raft index of the TurnBegin entry. Role commands are fenced with
	// it: a server that obeyed a later turn obeys no earlier one.
	Epoch uint64   `json:"epoch"`
	Kind  TurnKind `json:"kind"`
	// From is the address of the old master, FromRunID its recorded run ID.
	From      string `json:"from"`
	FromRunID string `json:"from_run_id"`
	// To is the candidate.
	To string `json:"to"`
	// Force: a person takes the candidate as it is.
	Force bool `json:"force,omitempty"`
	// Joined: To is in the group since TurnBegin, and leaves it with TurnAbandon.
	Joined bool `json:"joined,omitempty"`
	// Who asked for it, and At, in Unix milliseconds by the proposer's clock, when.
	Who string `json:"who"`
	At  int64  `json:"at"`
	// Reason is why, for people.
	Reason string `json:"reason"`
}

// MaxForks bounds how many forks a group remembers.
const MaxForks = 16

// Fork is a master that was replaced: what it wrote behind Offset is nowhere else.
// How much that was can be told when it comes back.
type Fork struct {
	// Addr is its address, RunID its run ID as it was recorded.
	Addr  string `json:"addr"`
	RunID string `json:"run_id"`
	// ReplID is the replication ID of the common history, and Offset the last byte of
	// it that the new master has.
	ReplID string `json:"replid"`
	Offset int64  `json:"offset"`
	// Seen is the highest offset at which the old master was seen; 0 when unknown.
	Seen int64 `json:"seen,omitempty"`
	// Epoch is the turn's, At when it ended, in Unix milliseconds.
	Epoch uint64 `json:"epoch"`
	At    int64  `json:"at"`
}

// OnHold says whether requests for a slot have to wait: it is about to move, or a
// group that serves it is about to have another master.
func (s *State) OnHold(slot int) bool {
	is := s.Slots[slot]
	switch is.Phase {
	case PhaseHolding:
		return true
	case PhaseServing:
		return s.Groups[is.Group].Turn != nil
	case PhaseMigrating:
		return s.Groups[is.Group].Turn != nil || s.Groups[is.Target].Turn != nil
	}
	return false
}

// turn returns a group with a turn of that epoch; a command about another one is late.
func (s *State) turn(id int, epoch uint64, c Command) (Group, *Error) {
	group, err := s.group(id, c)
	if err != nil {
		return Group{}, err
	}
	if group.Turn == nil || group.Turn.Epoch != epoch {
		return Group{}, refuse(CodeStale, "group %d has no turn of epoch %d", id, epoch)
	}
	return group, nil
}

// turning refuses what can't be done while a group gets another master.
func (g Group) turning() *Error {
	if g.Turn == nil {
		return nil
	}
	return refuse(CodeBusy, "group %d is getting %s as its master (%s)", g.ID, g.Turn.To, g.Turn.Kind).
		hint("it takes seconds; CODIS.GROUPS shows it")
}

// serverAt returns where a group has a server, -1 for nowhere.
func (g Group) serverAt(addr string) int {
	return slices.IndexFunc(g.Servers, func(server Server) bool { return server.Addr == addr })
}

// checkTurn: what must be true of a group's turn, and of those that were.
func (s *State) checkTurn(g Group, bad func(string, ...any)) {
	if g.Turned > g.Epoch {
		bad("group %d has epoch %d, but was turned at %d", g.ID, g.Epoch, g.Turned)
	}
	if t := g.Turn; t != nil {
		if t.Epoch == 0 || t.Epoch > g.Epoch || t.Epoch <= g.Turned {
			bad("group %d, epoch %d, turned at %d, has a turn of epoch %d", g.ID, g.Epoch, g.Turned, t.Epoch)
		}
		if err := t.check(g); err != nil {
			bad("group %d: %w", g.ID, err)
		}
	}
	if len(g.Forks) > MaxForks {
		bad("group %d has %d forks", g.ID, len(g.Forks))
	}
	for i, f := range g.Forks {
		if f.Epoch == 0 || f.Epoch > g.Turned || i > 0 && f.Epoch <= g.Forks[i-1].Epoch {
			bad("group %d, turned at %d, has a fork of epoch %d", g.ID, g.Turned, f.Epoch)
		}
		if err := f.check(); err != nil {
			bad("group %d: %w", g.ID, err)
		}
	}
}

// check says why a group can't have this turn.
func (t Turn) check(g Group) *Error {
	switch {
	case !slices.Contains([]TurnKind{TurnFailover, TurnSwitchover, TurnReplace}, t.Kind):
		return refuse(CodeBadArg, "turn of kind %q", clip(string(t.Kind)))
	case t.From != g.Master:
		return refuse(CodeStale, "%s is not the master of group %d, %s is", clip(t.From), g.ID, g.Master)
	case t.From == t.To && t.Kind != TurnReplace:
		return refuse(CodeBadArg, "%s is the master of group %d already", t.To, g.ID)
	case g.serverAt(t.To) < 0:
		return refuse(CodeNoServer, "group %d has no server %s", g.ID, clip(t.To)).hint("CODIS.GROUPS lists them")
	case t.Joined && t.Kind != TurnReplace:
		return refuse(CodeBadArg, "a turn of kind %s takes no new server", t.Kind)
	}
	return checkWords(word{"run ID", t.FromRunID})
}

func (f Fork) check() *Error {
	if err := CheckAddr(f.Addr); err != nil {
		return asRefusal(err)
	}
	if f.Offset < 0 || f.Seen < 0 {
		return refuse(CodeBadArg, "a fork at offset %d, seen at %d", f.Offset, f.Seen)
	}
	return checkWords(word{"run ID", f.RunID}, word{"replication ID", f.ReplID})
}

func describeTurn(group int, t *Turn) string {
	return fmt.Sprintf("group %d: %s from %s to %s", group, t.Kind, t.From, t.To)
}
