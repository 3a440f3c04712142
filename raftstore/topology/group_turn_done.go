package topology

import (
	"fmt"
	"slices"
)

// TurnDone ends a turn: To is the master, the slots are served again.
type TurnDone struct {
	Group int    `json:"group"`
	Epoch uint64 `json:"epoch"`
	// Server is what was seen of To after its promotion.
	Server Server `json:"server"`
	// Fork is where the old master's history and the new one part; nil when the old
	// master had nothing more, and follows the new one.
	Fork *Fork `json:"fork,omitempty"`
	// PauseMS is how long the slots were on hold, as the leader measured it.
	PauseMS int64 `json:"pause_ms"`
	// Note is what a person should know, such as what is lost; may be empty.
	Note string `json:"note,omitempty"`
}

func (b TurnDone) word() string { return "turn-done" }

func (b TurnDone) describe(*State) string {
	text := fmt.Sprintf("group %d: turn %d is done, %s is the master; slots were on hold for %d ms", b.Group, b.Epoch, b.Server.Addr, b.PauseMS)
	if b.Note != "" {
		text += "; " + b.Note
	}
	return text
}

func (b TurnDone) apply(s *State, c Command, index uint64) *Error {
	group, err := s.turn(b.Group, b.Epoch, c)
	if err != nil {
		return err
	}
	turn := group.Turn
	if b.Server.Addr != turn.To {
		return refuse(CodeBadArg, "turn %d is about %s, not %s", b.Epoch, turn.To, clip(b.Server.Addr))
	}
	if err := b.Server.check(); err != nil {
		return err
	}
	if b.PauseMS < 0 {
		return refuse(CodeBadArg, "a hold of %d ms", b.PauseMS)
	}
	at := group.serverAt(turn.To)
	group.Servers = slices.Clone(group.Servers)
	zone := group.Servers[at].Zone
	group.Servers[at] = b.Server
	group.Servers[at].Zone = zone
	if b.Fork != nil {
		if b.Fork.Addr != turn.From || b.Fork.Epoch != turn.Epoch {
			return refuse(CodeBadArg, "the fork of turn %d is that of %s, not of %s", b.Epoch, turn.From, clip(b.Fork.Addr))
		}
		if err := b.Fork.check(); err != nil {
			return err
		}
		group.Forks = appendBounded(group.Forks, *b.Fork, MaxForks)
	}
	if turn.Kind == TurnFailover && !turn.Force {
		group.FailoverAt = c.At
	}
	group.Master, group.Turn, group.Turned, group.Epoch = turn.To, nil, turn.Epoch, index
	s.Groups[group.ID] = group
	return nil
}
