package failover

import (
	"errors"
	"testing"
	"time"
)

var t0 = time.Unix(1_700_000_000, 0)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func TestHealthAfter(t *testing.T) {
	silent := observation{err: errors.New("no answer")}
	answer := func(s State) observation { return observation{answer: s} }
	syncing := observation{answer: StateUp, replication: &Replication{Role: RoleReplica, Syncing: true}}

	for _, tc := range []struct {
		name     string
		steps    []observation // one a second, from t0
		want     State
		since    float64 // seconds
		failures int
	}{
		{"never asked", nil, StateUnknown, -1, 0},
		{"first answer", []observation{answer(StateUp)}, StateUp, 0, 0},
		{"stays up", []observation{answer(StateUp), answer(StateUp)}, StateUp, 0, 0},
		{"first silence", []observation{silent}, StateSuspect, 0, 1},
		{"one silence", []observation{answer(StateUp), silent}, StateSuspect, 1, 1},
		{"two silences", []observation{answer(StateUp), silent, silent}, StateDown, 2, 2},
		{"stays down", []observation{answer(StateUp), silent, silent, silent}, StateDown, 2, 3},
		{"answer between silences", []observation{answer(StateUp), silent, answer(StateUp), silent}, StateSuspect, 3, 1},
		{"back from down", []observation{silent, silent, answer(StateUp)}, StateUp, 2, 0},
		{"busy is alive", []observation{answer(StateUp), answer(StateBusy), answer(StateBusy)}, StateBusy, 1, 0},
		{"loading is alive", []observation{silent, silent, answer(StateLoading)}, StateLoading, 2, 0},
		{"denied is alive", []observation{silent, answer(StateDenied)}, StateDenied, 1, 0},
		{"busy between silences", []observation{silent, answer(StateBusy), silent}, StateSuspect, 2, 1},
		{"full copy", []observation{answer(StateUp), syncing}, StateSyncing, 1, 0},
		{"full copy over", []observation{syncing, {answer: StateUp, replication: &Replication{Role: RoleReplica, LinkUp: true}}}, StateUp, 1, 0},
		{"loading what it copied", []observation{syncing, {answer: StateLoading, replication: &Replication{Syncing: true}}}, StateLoading, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h Health
			for i, o := range tc.steps {
				o.at = at(float64(i))
				h = h.after(o, 2)
				if wantErr := o.err; h.Err != wantErr {
					t.Errorf("step %d: got error %v, want %v", i, h.Err, wantErr)
				}
			}
			if h.State != tc.want || h.Failures != tc.failures {
				t.Errorf("got %v with %d failures, want %v with %d", h.State, h.Failures, tc.want, tc.failures)
			}
			if tc.since >= 0 && !h.Since.Equal(at(tc.since)) {
				t.Errorf("got since %v, want %v s", h.Since.Sub(t0), tc.since)
			}
		})
	}
}

// What was known stays known while a server can't be asked: a busy master is
// still a master.
func TestHealthKeepsFacts(t *testing.T) {
	h := Health{}.after(observation{at: at(0), answer: StateUp, runID: "r1", version: "7.0.15", rtt: time.Millisecond,
		replication: &Replication{Role: RoleMaster, ReplID: "h", Offset: 10}}, 2)
	for i, o := range []observation{{answer: StateBusy}, {err: errors.New("x")}, {err: errors.New("x")}} {
		o.at = at(float64(i + 1))
		h = h.after(o, 2)
		if h.Role != RoleMaster || h.Offset != 10 || h.RunID != "r1" || h.Version != "7.0.15" || !h.At.Equal(at(0)) {
			t.Errorf("step %d: got %+v", i, h)
		}
	}
	if h.State != StateDown || !h.AliveAt.Equal(at(1)) {
		t.Errorf("got %v, alive at %v, want down, 1 s", h.State, h.AliveAt.Sub(t0))
	}
}

func TestFreshReplica(t *testing.T) {
	good := Health{State: StateUp, Follows: "m:1", LagBytes: 10, Replication: Replication{Role: RoleReplica, LinkUp: true}}
	for _, tc := range []struct {
		name   string
		change func(*Health)
		want   bool
	}{
		{"good", func(*Health) {}, true},
		{"at the limit", func(h *Health) { h.LagBytes = 100 }, true},
		{"behind", func(h *Health) { h.LagBytes = 101 }, false},
		{"lag not known", func(h *Health) { h.LagBytes = LagUnknown }, false},
		{"link down", func(h *Health) { h.LinkUp = false }, false},
		{"syncing", func(h *Health) { h.State, h.Syncing = StateSyncing, true }, false},
		{"loading", func(h *Health) { h.State = StateLoading }, false},
		{"suspect", func(h *Health) { h.State = StateSuspect }, false},
		{"busy", func(h *Health) { h.State = StateBusy }, false},
		{"down", func(h *Health) { h.State = StateDown }, false},
		{"denied", func(h *Health) { h.State = StateDenied }, false},
		{"a master", func(h *Health) { h.Role, h.LagBytes = RoleMaster, 0 }, false},
		{"follows another", func(h *Health) { h.Follows = "x:1" }, false},
		{"follows nobody known", func(h *Health) { h.Follows = "" }, false},
		{"not asked yet", func(h *Health) { *h = Health{LagBytes: LagUnknown} }, false},
	} {
		h := good
		tc.change(&h)
		if got := h.FreshReplica("m:1", 100); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
	if (Health{State: StateUp, Replication: Replication{Role: RoleReplica, LinkUp: true}}).FreshReplica("", 100) {
		t.Error("a group without a master has no fresh replica")
	}
}

func TestStateNames(t *testing.T) {
	alive := map[State]bool{StateUp: true, StateLoading: true, StateSyncing: true, StateBusy: true, StateDenied: true}
	for s := StateUnknown; s <= StateDown; s++ {
		if s.Alive() != alive[s] {
			t.Errorf("%v: got alive %v", s, s.Alive())
		}
		if s != StateUnknown && s.String() == "unknown" {
			t.Errorf("state %d has no name", s)
		}
	}
}

func masterAt(seconds float64, replID string, offset int64) observation {
	return observation{at: at(seconds), answer: StateUp, replication: &Replication{Role: RoleMaster, ReplID: replID, Offset: offset}}
}

func TestTrackOffsetAt(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []observation
		at    float64
		want  int64
	}{
		{"one observation", []observation{masterAt(0, "a", 100)}, 5, 100},
		{"at the last", []observation{masterAt(0, "a", 100), masterAt(1, "a", 200)}, 1, 200},
		{"between", []observation{masterAt(0, "a", 100), masterAt(1, "a", 200)}, 0.5, 150},
		{"after: goes on as before", []observation{masterAt(0, "a", 100), masterAt(1, "a", 200)}, 1.5, 250},
		{"before", []observation{masterAt(1, "a", 100), masterAt(2, "a", 200)}, 0, 100},
		{"last two count", []observation{masterAt(0, "a", 0), masterAt(1, "a", 1000), masterAt(2, "a", 1000)}, 3, 1000},
		{"new history", []observation{masterAt(0, "a", 100), masterAt(1, "b", 300)}, 2, 300},
		{"went backwards", []observation{masterAt(0, "a", 100), masterAt(1, "a", 50)}, 2, 50},
		{"silence", []observation{masterAt(0, "a", 100), masterAt(1, "a", 200), {at: at(2)}}, 1, 200},
		{"no longer a master", []observation{masterAt(0, "a", 100), {at: at(1), replication: &Replication{Role: RoleReplica, ReplID: "a"}}}, 1, 0},
	} {
		var tr track
		for _, o := range tc.steps {
			tr = tr.after(o)
		}
		if got := tr.offsetAt(at(tc.at)); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestRelate(t *testing.T) {
	master := func(addr, replID string, seconds float64, offset int64) (Health, track) {
		h := Health{Addr: addr, State: StateUp, At: at(seconds), Replication: Replication{Role: RoleMaster, ReplID: replID, Offset: offset}}
		return h, track{}.after(masterAt(seconds, replID, offset))
	}
	replica := func(addr, replID string, seconds float64, offset int64) Health {
		return Health{Addr: addr, State: StateUp, At: at(seconds), Replication: Replication{Role: RoleReplica, ReplID: replID, Offset: offset, LinkUp: true}}
	}
	healths, tracks := map[string]Health{}, map[string]track{}
	for _, m := range []struct {
		addr, replID string
		at           float64
		offset       int64
	}{{"m1", "a", 10, 1000}, {"m2", "b", 10, 50}, {"twin1", "t", 10, 1}, {"twin2", "t", 10, 1}, {"gone", "g", 0, 10}} {
		healths[m.addr], tracks[m.addr] = master(m.addr, m.replID, m.at, m.offset)
	}
	for _, h := range []Health{
		replica("behind", "a", 10.2, 400), replica("ahead", "a", 10.9, 1100), replica("of-m2", "b", 9.5, 50),
		replica("stray", "x", 10, 5), replica("of-twins", "t", 10, 1), replica("of-gone", "g", 10, 10), {Addr: "new", LagBytes: LagUnknown},
	} {
		healths[h.Addr] = h
	}
	relate(healths, tracks, 3*time.Second)

	for addr, want := range map[string]struct {
		follows string
		lag     int64
	}{
		"m1": {"", 0}, "behind": {"m1", 600}, "ahead": {"m1", 0}, "of-m2": {"m2", 0}, "stray": {"", LagUnknown},
		"of-twins": {"", LagUnknown}, "of-gone": {"gone", LagUnknown}, "new": {"", LagUnknown},
	} {
		if h := healths[addr]; h.Follows != want.follows || h.LagBytes != want.lag {
			t.Errorf("%s: got follows %q lag %d, want %q %d", addr, h.Follows, h.LagBytes, want.follows, want.lag)
		}
	}
}
