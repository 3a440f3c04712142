package keyspace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// store is a redis-server with a password, and a way to fill it.
type store struct {
	*resptest.Server
	target Target
}

func newStore(tb testing.TB) store {
	tb.Helper()
	s := resptest.StartRedis(tb, "--requirepass", "secret")
	return store{Server: s, target: Target{Addr: s.Addr, Auth: topology.Credentials{Password: "secret"}}}
}

// do runs commands in a database, and returns the last reply's text.
func (s store) do(tb testing.TB, db int, commands ...[]string) string {
	tb.Helper()
	c := s.Client(tb)
	defer c.Close()
	text := ""
	for _, args := range append([][]string{{"SELECT", fmt.Sprint(db)}}, commands...) {
		r, err := c.Do(tb.Context(), args...)
		if err != nil {
			tb.Fatal(err)
		}
		if text = r.Text(); r.Kind.String() == "integer" {
			text = fmt.Sprint(r.Int)
		}
	}
	return text
}

// keyOf returns a key of a slot.
func keyOf(slot, n int) string {
	for i := 0; ; i++ {
		tag := fmt.Sprint(i)
		if topology.SlotOf([]byte(tag)) == slot {
			return fmt.Sprintf("{%s}:%d", tag, n)
		}
	}
}

func fenceKey(epoch uint64) string { return string(fence.AppendFenceKey(nil, epoch)) }

func movedKey(slot int, epoch uint64) string { return string(fence.AppendMovedKey(nil, slot, epoch)) }

func TestMeasure(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	var commands [][]string
	for i := range 30 {
		commands = append(commands, []string{"SET", keyOf(1, i), strings.Repeat("x", 1000)}, []string{"SET", keyOf(9, i), "foreign"})
	}
	commands = append(commands, []string{"SET", fenceKey(1), "5"})
	s.do(t, 0, commands...)
	s.do(t, 3, []string{"RPUSH", keyOf(2, 0), "a", "b"}, []string{"SET", keyOf(1, 0), "x"})
	owns := func(slot int) bool { return slot < 5 }

	load, err := Measure(t.Context(), Survey{Target: s.target, Owns: owns, Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	if load.Keys != 32 || load.Slots[1].Keys != 31 || load.Slots[2].Keys != 1 || len(load.Slots) != 2 {
		t.Errorf("keys: %+v", load)
	}
	if load.Scanned != 63 || load.Total != 63 {
		t.Errorf("%d of %d were looked at, want 63", load.Scanned, load.Total)
	}
	if b := load.Slots[1].Bytes; b < 30_000 || b > 60_000 || load.Bytes != b+load.Slots[2].Bytes || load.Slots[2].Bytes < 30 {
		t.Errorf("bytes: %+v", load)
	}
	load, err = Measure(t.Context(), Survey{Target: s.target, Owns: owns})
	if err != nil || load.Bytes != 0 || load.Keys != 32 {
		t.Errorf("without memory: %+v, %v", load, err)
	}
}

// TestMeasureSamples: of many keys some are looked at, and the rest is taken to be
// like them.
func TestMeasureSamples(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.do(t, 0, []string{"EVAL", "for i=1,20000 do redis.call('SET','key:'..i,ARGV[1]) end", "0", strings.Repeat("x", 100)})
	load, err := Measure(t.Context(), Survey{Target: s.target, Owns: func(slot int) bool { return slot < 512 }, Memory: true, MaxKeys: 5000})
	if err != nil {
		t.Fatal(err)
	}
	if load.Scanned < 5000 || load.Scanned > 8000 || load.Total != 20000 {
		t.Errorf("%d of %d were looked at", load.Scanned, load.Total)
	}
	if load.Keys < 9000 || load.Keys > 11000 {
		t.Errorf("about %d keys, want about 10000", load.Keys)
	}
	if per := load.Bytes / load.Keys; per < 100 || per > 250 {
		t.Errorf("%d bytes a key", per)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.do(t, 0,
		[]string{"SET", keyOf(1, 0), "own"}, []string{"SET", keyOf(9, 0), "foreign"}, []string{"SET", keyOf(9, 1), "foreign"},
		[]string{"SET", fenceKey(5), "5"}, []string{"SET", fenceKey(6), "6"}, []string{"SADD", movedKey(3, 5), "x"},
		[]string{"SET", fence.Prefix + "later:1", "x"}, []string{"SET", fence.Prefix + "fence:x", "5"},
		[]string{"SET", fence.ProbeKey, "1"}, []string{"SET", string(fence.AppendWaitKey(nil, 5)), "1"}, []string{"SADD", movedKey(topology.SlotCount, 5), "x"},
	)
	s.do(t, 2, []string{"SET", keyOf(700, 0), "unserved"}, []string{"SADD", movedKey(3, 5), "x"}, []string{"SADD", movedKey(3, 7), "x"})
	found, err := Inspect(t.Context(), Question{
		Target: s.target,
		Place: func(slot int) Place {
			return map[int]Place{1: PlaceOwn, 9: PlaceForeign, 700: PlaceUnserved}[slot]
		},
		Over: func(epoch uint64) bool { return epoch == 5 },
	})
	if err != nil {
		t.Fatal(err)
	}
	if found.Keys != 4 || found.Foreign.Keys != 2 || found.Unserved.Keys != 1 || !strings.Contains(found.Unserved.Example, keyOf(700, 0)) {
		t.Errorf("got %+v", found)
	}
	if found.Unknown.Keys != 3 || !strings.HasPrefix(found.Unknown.Example, `"\x00codis:`) {
		t.Errorf("unknown: %+v", found.Unknown)
	}
	want := map[Reserved]bool{{DB: 0, Fence: true, Slot: -1, Epoch: 5}: true, {DB: 0, Slot: 3, Epoch: 5}: true, {DB: 2, Slot: 3, Epoch: 5}: true}
	for _, r := range found.LeftOver {
		if !want[r] {
			t.Errorf("left over: %+v", r)
		}
	}
	if len(found.LeftOver) != len(want) {
		t.Errorf("%d are left over, want %d", len(found.LeftOver), len(want))
	}

	if n, err := DropReserved(t.Context(), s.target, found.LeftOver); err != nil || n != 3 {
		t.Errorf("dropped %d, %v", n, err)
	}
	if got := s.do(t, 0, []string{"EXISTS", movedKey(3, 5), fenceKey(5), fenceKey(6)}); got != "1" {
		t.Errorf("database 0: %s are left, want the fence of another move", got)
	}
	if got := s.do(t, 2, []string{"EXISTS", movedKey(3, 5), movedKey(3, 7)}); got != "1" {
		t.Errorf("database 2: %s are left, want the later set", got)
	}
}

func TestErrorsNameTheServer(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	wrong := Target{Addr: s.Addr, Auth: topology.Credentials{Password: "wrong"}}
	_, err := Inspect(t.Context(), Question{Target: wrong})
	if err == nil || !strings.Contains(err.Error(), s.Addr) || strings.Contains(err.Error(), `"wrong"`) {
		t.Errorf("got %v", err)
	}
	s.Kill()
	if _, err := Measure(t.Context(), Survey{Target: s.target}); err == nil || !strings.Contains(err.Error(), s.Addr) {
		t.Errorf("got %v", err)
	}
}

// guard is a Guard that counts.
type guard struct {
	left    time.Duration
	refuse  error
	entered int
	inside  bool
	ended   time.Time // the last Leave
}

func (g *guard) Enter() (Permit, error) {
	if g.refuse != nil && g.entered > 0 {
		return Permit{}, g.refuse
	}
	g.entered++
	g.inside = true
	return Permit{Left: g.left, Foreign: func(slot int) bool { return slot >= 512 }}, nil
}

func (g *guard) Leave() { g.inside, g.ended = false, time.Now() }

func TestDeleteForeign(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.do(t, 0, []string{"SET", keyOf(1, 0), "own"}, []string{"SET", keyOf(600, 0), "x"}, []string{"SET", fenceKey(700), "5"},
		[]string{"SET", keyOf(601, 0), "x"})
	s.do(t, 4, []string{"SET", keyOf(600, 0), "x"}, []string{"SET", keyOf(2, 0), "own"})

	late := &guard{left: -time.Second}
	if n, err := DeleteForeign(t.Context(), s.target, late); n != 0 || !errors.Is(err, errLate) || late.inside {
		t.Errorf("late: %d, %v", n, err)
	}
	refusing := &guard{left: time.Second, refuse: errors.New("a job has begun")}
	if n, err := DeleteForeign(t.Context(), s.target, refusing); n != 2 || !errors.Is(err, refusing.refuse) {
		t.Errorf("refused in database 4: %d, %v", n, err)
	}
	g := &guard{left: time.Second}
	if n, err := DeleteForeign(t.Context(), s.target, g); n != 1 || err != nil || g.inside {
		t.Errorf("got %d, %v", n, err)
	}
	if got := s.do(t, 0, []string{"EXISTS", keyOf(1, 0), fenceKey(700), keyOf(600, 0), keyOf(601, 0)}); got != "2" {
		t.Errorf("database 0: %s are left, want 2", got)
	}
	if got := s.do(t, 4, []string{"DBSIZE"}); got != "1" {
		t.Errorf("database 4: %s are left, want 1", got)
	}
}

// stopping stops the server when it gives its permit.
type stopping struct {
	*guard
	tb     testing.TB
	server *resptest.Server
	cancel context.CancelFunc
}

func (s *stopping) Enter() (Permit, error) {
	s.server.Pause(s.tb)
	time.AfterFunc(50*time.Millisecond, s.cancel) // once the request is in the socket
	return s.guard.Enter()
}

// TestPermitOutlivesTheRequest: a request without an answer may still be run, so the
// permit is kept until it can't be any more, and then nothing is deleted by it.
func TestPermitOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.do(t, 0, []string{"SET", keyOf(600, 0), "x"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	g := &stopping{guard: &guard{left: 300 * time.Millisecond}, tb: t, server: s.Server, cancel: cancel}
	began := time.Now()
	if _, err := DeleteForeign(ctx, s.target, g); err == nil {
		t.Error("no error")
	}
	if held := g.ended.Sub(began); held < g.left {
		t.Errorf("the permit was given back after %s", held)
	}
	s.Continue(t)
	if got := s.do(t, 0, []string{"DBSIZE"}); got != "1" {
		t.Error("the request was run late")
	}
}
