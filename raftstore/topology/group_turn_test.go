package topology

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// turn makes up a step of a turn that may fit.
func (w *walk) turn() Body {
	group := w.state.Groups[w.group()]
	if group.Turn == nil && w.pick.IntN(4) > 0 {
		kinds := []TurnKind{TurnFailover, TurnSwitchover, TurnReplace}
		begin := TurnBegin{Group: group.ID, Kind: kinds[w.pick.IntN(3)], From: group.Master, To: group.Master, Reason: "walk", Force: w.pick.IntN(2) == 0}
		if at := group.serverAt(group.Master); at >= 0 {
			begin.FromRunID = group.Servers[at].RunID
			begin.To = group.Servers[w.pick.IntN(len(group.Servers))].Addr
		}
		if w.pick.IntN(3) == 0 {
			begin.To = fmt.Sprintf("127.0.0.1:%d", 20000+w.done)
			begin.Server = &Server{Addr: begin.To}
		}
		return begin
	}
	turn := Turn{}
	if group.Turn != nil {
		turn = *group.Turn
	}
	switch w.pick.IntN(4) {
	case 0:
		return TurnAbandon{Group: group.ID, Epoch: turn.Epoch, Reason: "walk"}
	case 1:
		return ForkMeasured{Group: group.ID, Epoch: group.Turned, LostBytes: int64(w.pick.IntN(9)) - 1}
	}
	done := TurnDone{Group: group.ID, Epoch: turn.Epoch, Server: Server{Addr: turn.To, RunID: fmt.Sprint("run", w.done)}}
	if w.pick.IntN(2) == 0 {
		done.Fork = &Fork{Addr: turn.From, RunID: turn.FromRunID, ReplID: "r", Offset: int64(w.done), Epoch: turn.Epoch}
	}
	return done
}

// turning returns the state of initialised with a second server in its group, and
// a turn to it under way.
func turning(tb testing.TB) *State {
	tb.Helper()
	s := mustApply(tb, initialised(tb), ServerAttach{Group: 7, Server: Server{Addr: "127.0.0.1:7778", RunID: "b"}})
	master := s.Groups[7].Servers[0]
	s = mustApply(tb, s, TurnBegin{Group: 7, Kind: TurnFailover, From: master.Addr, FromRunID: master.RunID, To: "127.0.0.1:7778", Reason: "test"})
	s = mustApply(tb, s, TurnDone{Group: 7, Epoch: s.Epoch, Server: Server{Addr: "127.0.0.1:7778", RunID: "b"},
		Fork: &Fork{Addr: master.Addr, ReplID: "r", Offset: 5, Epoch: s.Epoch}})
	return mustApply(tb, s, TurnBegin{Group: 7, Kind: TurnSwitchover, From: "127.0.0.1:7778", FromRunID: "b", To: master.Addr, Reason: "back"})
}

func TestTurnInvariantsFind(t *testing.T) {
	for name, spoil := range map[string]func(*Group){
		"of another master":     func(g *Group) { g.Turn.From = "127.0.0.1:1" },
		"to nowhere":            func(g *Group) { g.Turn.To = "127.0.0.1:1" },
		"to itself":             func(g *Group) { g.Turn.To = g.Master },
		"of no kind":            func(g *Group) { g.Turn.Kind = "" },
		"of later":              func(g *Group) { g.Turn.Epoch = 99 },
		"of before the last":    func(g *Group) { g.Turned = g.Turn.Epoch },
		"joined by a person":    func(g *Group) { g.Turn.Joined = true },
		"turned later":          func(g *Group) { g.Turned, g.Turn = 99, nil },
		"fork of no turn":       func(g *Group) { g.Forks[0].Epoch = 0 },
		"fork of later":         func(g *Group) { g.Forks[0].Epoch = g.Turned + 1 },
		"fork behind the start": func(g *Group) { g.Forks[0].Offset = -1 },
		"fork of no server":     func(g *Group) { g.Forks[0].Addr = "" },
		"one fork twice":        func(g *Group) { g.Forks = append(g.Forks, g.Forks[0]) },
		"too many forks":        func(g *Group) { g.Forks = make([]Fork, MaxForks+1) },
	} {
		s := turning(t).clone()
		if err := s.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		g := s.Groups[7]
		turn := *g.Turn
		g.Turn, g.Forks = &turn, append([]Fork(nil), g.Forks...)
		spoil(&g)
		if s.Groups[7] = g; s.CheckInvariants() == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

// TestFormat2 reads a state of before the turns.
func TestFormat2(t *testing.T) {
	old := strings.Replace(mustEncode(t, moving(t)), `"format":3`, `"format":2`, 1)
	got, err := DecodeState([]byte(old))
	if err != nil || got.Format != oldestFormat || got.Groups[7].Turn != nil {
		t.Errorf("format 2: %v", err)
	}
	turned := strings.Replace(mustEncode(t, turning(t)), `"format":3`, `"format":2`, 1)
	if _, err := DecodeState([]byte(turned)); !errors.Is(err, ErrUnknownState) {
		t.Errorf("format 2 with turns: %v", err)
	}
}
