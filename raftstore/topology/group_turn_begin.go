package topology

import (
	"fmt"
	"slices"
)

// TurnBegin announces that a group gets another master. It is committed before the
// first command goes to a server, and puts the group's slots on hold.
type TurnBegin struct {
	Group int      `json:"group"`
	Kind  TurnKind `json:"kind"`
	// From is the master, and FromRunID what is recorded of it.
	From      string `json:"from"`
	FromRunID string `json:"from_run_id"`
	To        string `json:"to"`
	Force     bool   `json:"force,omitempty"`
	Reason    string `json:"reason"`
	// Server, for TurnReplace, is the server To where the group does not have it yet,
	// or has an older process under that address.
	Server *Server `json:"server,omitempty"`
}

func (b TurnBegin) word() string { return "turn-begin" }

func (b TurnBegin) describe(s *State) string {
	text := describeTurn(b.Group, s.Groups[b.Group].Turn) + " begins"
	if b.Force {
		text += ", by force"
	}
	return text + ": " + b.Reason
}

func (b TurnBegin) apply(s *State, c Command, index uint64) *Error {
	group, err := s.group(b.Group, c)
	if err != nil {
		return err
	}
	if err := group.turning(); err != nil {
		return err
	}
	turn := &Turn{
		Epoch: index, Kind: b.Kind, From: b.From, FromRunID: b.FromRunID, To: b.To, Force: b.Force,
		Who: clip(c.Who), At: c.At, Reason: clip(b.Reason),
	}
	if b.Server != nil {
		if b.Kind != TurnReplace || b.Server.Addr != b.To {
			return refuse(CodeBadArg, "only a replacement brings a server of its own")
		}
		if group.serverAt(b.To) < 0 {
			if err := (ServerAttach{Group: b.Group, Server: *b.Server}).apply(s, Command{}, index); err != nil {
				return err
			}
			group, turn.Joined = s.Groups[b.Group], true
		}
	}
	if err := turn.check(group); err != nil {
		return err
	}
	if master := group.Servers[group.serverAt(group.Master)]; master.RunID != b.FromRunID {
		return refuse(CodeStale, "the master of group %d has run ID %s, not %s", b.Group, master.RunID, clip(b.FromRunID))
	}
	group.Turn, group.Epoch = turn, index
	s.Groups[group.ID] = group
	return nil
}

// TurnAbandon gives a turn up: the master stays, the slots are served again. It is
// for turns of which no server can have obeyed a command.
type TurnAbandon struct {
	Group  int    `json:"group"`
	Epoch  uint64 `json:"epoch"`
	Reason string `json:"reason"`
}

func (b TurnAbandon) word() string { return "turn-abandon" }

func (b TurnAbandon) describe(s *State) string {
	return fmt.Sprintf("group %d: turn %d is given up: %s", b.Group, b.Epoch, b.Reason)
}

func (b TurnAbandon) apply(s *State, c Command, index uint64) *Error {
	group, err := s.turn(b.Group, b.Epoch, c)
	if err != nil {
		return err
	}
	if group.Turn.Joined {
		group.Servers = slices.Delete(slices.Clone(group.Servers), group.serverAt(group.Turn.To), group.serverAt(group.Turn.To)+1)
	}
	group.Turn, group.Epoch = nil, index
	s.Groups[group.ID] = group
	return nil
}
