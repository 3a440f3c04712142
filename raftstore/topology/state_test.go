package topology

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	want, _ := Apply(initialised(t), 9, Command{RequestID: "r", Body: SettingSet{Name: "timeout", Value: "5s"}})
	got, err := DecodeState([]byte(mustEncode(t, want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestDecodeStateRefuses(t *testing.T) {
	good := mustEncode(t, initialised(t))
	for name, text := range map[string]string{
		"nothing":        "",
		"a newer format": strings.Replace(good, `"format":3`, `"format":4`, 1),
		"a field more":   strings.Replace(good, `{`, `{"plans":{},`, 1),
		"a newer phase":  strings.Replace(good, `"serving"`, `"moving"`, 1),
		"a broken table": strings.Replace(good, `"group":7`, `"group":8`, 1),
		"cut short":      good[:len(good)/2],
	} {
		if _, err := DecodeState([]byte(text)); !errors.Is(err, ErrUnknownState) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := initialised(t)
	for i := range MaxHistory + MaxRequests {
		s, _ = Apply(s, s.Epoch+1, Command{RequestID: fmt.Sprint(i), Body: SettingSet{Name: "maxclients", Value: fmt.Sprint(i + 1)}})
	}
	if len(s.History) != MaxHistory || len(s.Requests) != MaxRequests {
		t.Errorf("%d changes and %d outcomes are kept", len(s.History), len(s.Requests))
	}
	if err := s.CheckInvariants(); err != nil {
		t.Error(err)
	}
}

// TestPlanAssignAuto tries tables with holes: every free slot is planned, the
// groups end up as equal as can be, and there are few ranges.
func TestPlanAssignAuto(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s := initialised(t)
		groups := 1 + random.IntN(9)
		for id := 100; id < 100+groups; id++ {
			s = mustApply(t, s, GroupAdd{ID: id, Servers: []Server{{Addr: fmt.Sprintf("127.0.0.1:%d", id)}}})
		}
		for range random.IntN(20) {
			start := 100 + random.IntN(900)
			s, _ = Apply(s, s.Epoch+1, Command{Body: SlotsAssign{Ranges: []SlotRange{{Start: start, End: start + random.IntN(20), Group: 100 + random.IntN(groups)}}}})
		}
		runs := 0
		for _, row := range s.Ranges() {
			if row.Phase == PhaseUnassigned {
				runs++
			}
		}
		plan, err := PlanAssignAuto(s)
		if err != nil {
			t.Fatal(err)
		}
		if limit := runs + len(s.Groups) - 1; len(plan) > limit {
			t.Errorf("%d ranges, at most %d are needed", len(plan), limit)
		}
		after := mustApply(t, s, SlotsAssign{Ranges: plan})
		if after.Unassigned() != 0 {
			t.Errorf("%d slots are left over", after.Unassigned())
		}
		checkEven(t, s, after)
	}
}

// checkEven: a group that got slots has at most one more than any other group.
func checkEven(t *testing.T, before, after *State) {
	t.Helper()
	least := SlotCount
	for id := range after.Groups {
		least = min(least, after.slotsOf(id))
	}
	for id := range after.Groups {
		if got := after.slotsOf(id); got > before.slotsOf(id) && got > least+1 {
			t.Errorf("group %d got up to %d slots, another one has %d", id, got, least)
		}
	}
}

func TestRangesCoverAll(t *testing.T) {
	rows := initialised(t).Ranges()
	next := 0
	for _, row := range rows {
		if row.Start != next {
			t.Errorf("row begins at %d, want %d", row.Start, next)
		}
		next = row.End + 1
	}
	if next != SlotCount || len(rows) != 2 || rows[0].Master != "127.0.0.1:7777" {
		t.Errorf("rows %+v", rows)
	}
}

func TestCheckInvariantsFinds(t *testing.T) {
	for name, spoil := range map[string]func(*State){
		"slot of no group":  func(s *State) { s.Slots[5].Group = 9 },
		"unassigned, owned": func(s *State) { s.Slots[500].Group = 7 },
		"serving, moving":   func(s *State) { s.Slots[5].Target = 7 },
		"master not in it":  func(s *State) { s.Groups[7] = Group{ID: 7, Epoch: 1, Master: "x:1"} },
		"group of later":    func(s *State) { g := s.Groups[7]; g.Epoch = 99; s.Groups[7] = g },
		"server twice": func(s *State) {
			s.Groups[8] = Group{ID: 8, Epoch: 1, Master: s.Groups[7].Master, Servers: s.Groups[7].Servers}
		},
		"no voter":           func(s *State) { clear(s.Nodes) },
		"node under another": func(s *State) { s.Nodes["n5"] = s.Nodes["n0"] },
		"bad setting":        func(s *State) { s.Settings["timeout"] = "soon" },
		"unknown setting":    func(s *State) { s.Settings["speed"] = "11" },
		"history of later":   func(s *State) { s.History = []Change{{Epoch: 99}} },
		"no cluster":         func(s *State) { s.ClusterID = "" },
		"another format":     func(s *State) { s.Format = 1 },
		"one request twice":  func(s *State) { s.Requests = []Outcome{{RequestID: "r"}, {RequestID: "r"}} },
	} {
		s := initialised(t).clone()
		if err := s.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		if spoil(s); s.CheckInvariants() == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	s := initialised(b)
	b.ReportAllocs()
	for b.Loop() {
		s, _ = Apply(s, s.Epoch+1, Command{Body: SettingSet{Name: "timeout", Value: "5s"}})
	}
}

func mustApply(tb testing.TB, s *State, body Body) *State {
	tb.Helper()
	next, outcome := Apply(s, s.Epoch+1, Command{Body: body})
	if err := outcome.Err(); err != nil {
		tb.Fatal(err)
	}
	return next
}

// FuzzDecodeJobs reads a state with any bytes for its jobs: what is taken holds the
// invariants, comes back the same, and can be gone on with.
func FuzzDecodeJobs(f *testing.F) {
	whole := mustEncode(f, moving(f))
	from := strings.Index(whole, `"jobs":`) + len(`"jobs":`)
	to := strings.Index(whole, `,"settings":`)
	f.Add(whole[from:to])
	f.Add("{}")
	f.Fuzz(func(t *testing.T, jobs string) {
		s, err := DecodeState([]byte(whole[:from] + jobs + whole[to:]))
		if err != nil {
			if !errors.Is(err, ErrUnknownState) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		text := mustEncode(t, s)
		again, err := DecodeState([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if mustEncode(t, again) != text {
			t.Fatal("read back, it is another state")
		}
		w := &walk{tb: t, state: s}
		w.finish()
	})
}
