package failover

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// quick is a prober's configuration for tests: everything ten to fifty times as
// fast as by default.
func quick() ProberConfig {
	cfg := DefaultProberConfig()
	cfg.Interval, cfg.Timeout = 20*time.Millisecond, 300*time.Millisecond
	cfg.MaxBackoff, cfg.PublishEvery = 60*time.Millisecond, 2*time.Millisecond
	return cfg
}

func newProber(tb testing.TB, cfg ProberConfig, targets ...Target) *Prober {
	tb.Helper()
	p, err := NewProber(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	p.SetServers(targets)
	return p
}

// waitHealth waits by subscription until a server's health is as wanted.
func waitHealth(tb testing.TB, p *Prober, addr, what string, want func(Health) bool) Health {
	tb.Helper()
	changed, cancel := p.Subscribe()
	defer cancel()
	deadline := time.After(10 * time.Second)
	for {
		h, ok := p.Snapshot()[addr]
		if ok && want(h) {
			return h
		}
		select {
		case <-changed:
		case <-deadline:
			tb.Fatalf("timed out waiting for %s of %s; it is %+v", what, addr, h)
		}
	}
}

func waitState(tb testing.TB, p *Prober, addr string, want State) Health {
	tb.Helper()
	return waitHealth(tb, p, addr, want.String(), func(h Health) bool { return h.State == want })
}

func TestProberReplicas(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	r := startReplica(t, m)
	other := startRedis(t)
	stray := startReplica(t, other)
	p := newProber(t, quick(), target(m), target(r), target(stray))

	h := waitHealth(t, p, r.Addr, "a lag", func(h Health) bool { return h.LagBytes != LagUnknown })
	if !h.FreshReplica(m.Addr, 1<<20) || h.Version == "" || h.RunID == "" || h.Err != nil {
		t.Errorf("got %+v, want a fresh replica of %s", h, m.Addr)
	}
	if h := p.Snapshot()[m.Addr]; h.State != StateUp || h.Role != RoleMaster || h.LagBytes != 0 {
		t.Errorf("got %+v", h)
	}
	// Its master is not watched: nothing is known of how far behind it is.
	if h := waitState(t, p, stray.Addr, StateUp); !h.LinkUp || h.Follows != "" || h.LagBytes != LagUnknown {
		t.Errorf("got %+v", h)
	}

	// A replica that stops reading falls behind; its master's offset goes on.
	big := strings.Repeat("x", 1<<20)
	r.Pause(t)
	waitState(t, p, r.Addr, StateDown)
	for i := range 4 {
		mustDo(t, m, "SET", fmt.Sprint("big", i), big)
	}
	r.Continue(t)
	waitHealth(t, p, r.Addr, "the end of the lag", func(h Health) bool {
		return h.Offset > 4<<20 && h.FreshReplica(m.Addr, 100)
	})

	// The master goes: the link breaks, and no read may go there.
	m.Kill()
	waitState(t, p, m.Addr, StateDown)
	waitHealth(t, p, r.Addr, "a broken link", func(h Health) bool { return h.State == StateUp && !h.LinkUp })
	// It comes back empty, under another run id and history.
	before := p.Snapshot()[m.Addr].RunID
	m.Restart(t)
	waitHealth(t, p, m.Addr, "another run id", func(h Health) bool { return h.State == StateUp && h.RunID != before })
	waitHealth(t, p, r.Addr, "a new link", func(h Health) bool { return h.FreshReplica(m.Addr, 100) })

	// Another master for the replica: it is fresh, but not for this group.
	p.SetServers([]Target{target(m), target(r), target(other)})
	mustDo(t, r, "REPLICAOF", "127.0.0.1", portOf(other))
	h = waitHealth(t, p, r.Addr, "its new master", func(h Health) bool { return h.Follows == other.Addr })
	if h.FreshReplica(m.Addr, 1<<30) {
		t.Errorf("got %+v: it does not follow %s any more", h, m.Addr)
	}
	if _, ok := p.Snapshot()[stray.Addr]; ok {
		t.Error("a server that is not watched any more is in the snapshot")
	}
}

func TestProberDownAndBack(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	p := newProber(t, quick(), target(s))
	waitState(t, p, s.Addr, StateUp)

	s.Pause(t)
	h := waitState(t, p, s.Addr, StateSuspect)
	if !errors.Is(h.Err, ErrUnreachable) || h.Failures != 1 {
		t.Errorf("got %+v", h)
	}
	waitState(t, p, s.Addr, StateDown)
	s.Continue(t)
	waitState(t, p, s.Addr, StateUp)

	s.Kill()
	if h := waitState(t, p, s.Addr, StateDown); h.Err == nil || !strings.Contains(h.Err.Error(), s.Addr) {
		t.Errorf("got error %v", h.Err)
	}
	s.Restart(t)
	waitState(t, p, s.Addr, StateUp)
}

func TestProberBusy(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--busy-reply-threshold", "10")
	p := newProber(t, quick(), target(s))
	waitState(t, p, s.Addr, StateUp)
	c := s.Client(t)
	ended := make(chan struct{})
	go func() { // ends with SCRIPT KILL below
		defer close(ended)
		_, _ = c.Do(context.WithoutCancel(t.Context()), "EVAL", "while true do end", "0")
	}()
	if h := waitState(t, p, s.Addr, StateBusy); h.Role != RoleMaster || !errors.Is(h.Err, ErrBusy) {
		t.Errorf("got %+v", h)
	}
	// Also who meets it busy, on a first connection, takes it for alive.
	p2 := newProber(t, quick(), target(s))
	waitState(t, p2, s.Addr, StateBusy)
	mustDo(t, s, "SCRIPT", "KILL")
	<-ended
	waitState(t, p, s.Addr, StateUp)
	waitHealth(t, p2, s.Addr, "run id", func(h Health) bool { return h.State == StateUp && h.RunID != "" })
}

func TestProberLogin(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--requirepass", "secret")
	p := newProber(t, quick(), target(s))
	if h := waitState(t, p, s.Addr, StateDenied); !errors.Is(h.Err, ErrAuth) {
		t.Errorf("got %+v", h)
	}
	p.SetServers([]Target{withPassword(s, "", "secret")})
	waitState(t, p, s.Addr, StateUp)
	p.SetServers([]Target{withPassword(s, "", "wr0ng-one")})
	if h := p.Snapshot()[s.Addr]; h.Role != RoleMaster {
		t.Errorf("got %+v: what was known is forgotten", h)
	}
	if h := waitState(t, p, s.Addr, StateDenied); !errors.Is(h.Err, ErrAuth) || strings.Contains(h.Err.Error(), "wr0ng-one") {
		t.Errorf("got error %v", h.Err)
	}
}

// SAFETY F.1: -BUSY, -LOADING, -MASTERDOWN are signs of life, and so is every
// other answer. Of fakes, since a real server loads only for as long as it must;
// TestProberBusy has the real -BUSY.
func TestSafetyF1SignsOfLife(t *testing.T) {
	t.Parallel()
	replica := []string{"role:slave", "master_host:127.0.0.1", "master_port:1", "master_link_status:down", "master_replid:a"}
	for _, tc := range []struct {
		name string
		fake *fakeServer
		want State
		role Role
		kind error
	}{
		{"loading", infoFake(t, "-LOADING Redis is loading the dataset in memory\r\n", "role:master"), StateLoading, RoleMaster, ErrLoading},
		{"no master", infoFake(t, "-MASTERDOWN Link with MASTER is down\r\n", replica...), StateUp, RoleReplica, nil},
		{"copying", infoFake(t, "+PONG\r\n", append(replica, "master_sync_in_progress:1")...), StateSyncing, RoleReplica, nil},
		{"loading its copy", infoFake(t, "-LOADING x\r\n", append(replica, "master_sync_in_progress:1")...), StateLoading, RoleReplica, ErrLoading},
		{"PING renamed", infoFake(t, "-ERR unknown command\r\n", "role:master"), StateUp, RoleMaster, nil},
		{"INFO forbidden", newFake(t, "", func(string) string { return "-NOPERM no\r\n" }), StateDenied, RoleUnknown, ErrPermission},
		{"maxclients", newFake(t, "-ERR max number of clients reached\r\n"+hangUp, nil), StateDenied, RoleUnknown, ErrRefused},
		{"protected mode", newFake(t, "-DENIED Redis is running in protected mode\r\n"+hangUp, nil), StateDenied, RoleUnknown, ErrRefused},
		{"no Redis", newFake(t, "", func(string) string { return "HTTP/1.1 400\r\n" }), StateDown, RoleUnknown, ErrNotRedis},
		{"hangs up", newFake(t, hangUp, nil), StateDown, RoleUnknown, ErrUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProber(t, quick(), Target{Addr: tc.fake.Addr})
			h := waitState(t, p, tc.fake.Addr, tc.want)
			if h.Role != tc.role {
				t.Errorf("got %+v, want role %v", h, tc.role)
			}
			if tc.kind == nil && h.Err != nil || tc.kind != nil && !errors.Is(h.Err, tc.kind) {
				t.Errorf("got error %v, want kind %v", h.Err, tc.kind)
			}
		})
	}
}

// A connection that the server closes between two probes is not a failure.
func TestProberKeepsUpOverHangUps(t *testing.T) {
	t.Parallel()
	f := infoFake(t, "+PONG\r\n", "role:master", "master_replid:a")
	p := newProber(t, quick(), Target{Addr: f.Addr})
	since := waitState(t, p, f.Addr, StateUp).Since
	for range 5 {
		at := p.Snapshot()[f.Addr].At
		f.HangUp()
		h := waitHealth(t, p, f.Addr, "next probes", func(h Health) bool { return h.At.Sub(at) > 50*time.Millisecond })
		if !h.Since.Equal(since) {
			t.Fatalf("got up since %v, want %v", h.Since, since)
		}
	}
}

func TestProberBacksOff(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	f := newFake(t, "", func(string) string { dials.Add(1); return "-NOAUTH Authentication required.\r\n" })
	cfg := quick()
	cfg.Interval, cfg.MaxBackoff = 10*time.Millisecond, time.Hour
	p := newProber(t, cfg, Target{Addr: f.Addr})
	waitState(t, p, f.Addr, StateDenied)
	time.Sleep(300 * time.Millisecond) // what is counted is what happens in a time
	// 10, 20, 40, 80, 160 ms: 6 or 7 probes of 7 commands, where 30 would be without back-off.
	if n := dials.Load(); n > 8*7 {
		t.Errorf("got %d commands in 300 ms", n)
	}
}

func TestSnapshotIsImmutable(t *testing.T) {
	t.Parallel()
	f := infoFake(t, "+PONG\r\n", "role:master", "master_replid:a")
	p := newProber(t, quick(), Target{Addr: f.Addr})
	old := p.Snapshot()
	if len(old) > 1 {
		t.Fatalf("got %v", old)
	}
	was, had := old[f.Addr]
	waitState(t, p, f.Addr, StateUp)
	if now, has := old[f.Addr]; has != had || !reflect.DeepEqual(now, was) {
		t.Errorf("a snapshot that was handed out has changed from %+v to %+v", was, now)
	}
	p.SetServers(nil)
	waitFor(t, "an empty snapshot", func() bool { return len(p.Snapshot()) == 0 })
}

// Serial: it looks at all goroutines of the process.
func TestCloseLeavesNothing(t *testing.T) {
	resptest.CheckLeaks(t)
	s := startRedis(t)
	hung := startRedis(t)
	targets := []Target{target(s), target(hung), {Addr: "127.0.0.1:1"}}
	for i := range 100 { // nothing listens there
		targets = append(targets, Target{Addr: fmt.Sprint("127.0.0.1:", 2+i), Auth: topology.Credentials{Password: "p"}})
	}
	cfg := quick()
	cfg.Timeout = time.Minute // Close may not wait for it
	p := newProber(t, cfg, targets...)
	waitState(t, p, hung.Addr, StateUp)
	hung.Pause(t)
	waitFor(t, "the probe that hangs", func() bool { return time.Since(p.Snapshot()[hung.Addr].At) > 60*time.Millisecond })
	for range 20 {
		p.SetServers(targets[:1])
		p.SetServers(targets)
	}
	start := time.Now()
	p.Close()
	p.Close()
	p.SetServers(targets)
	if d := time.Since(start); d > time.Second {
		t.Errorf("Close took %v", d)
	}
	if len(p.Snapshot()) == 0 {
		t.Error("the last snapshot is gone")
	}
}

func TestProberConfigValidate(t *testing.T) {
	t.Parallel()
	if err := DefaultProberConfig().Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*ProberConfig){
		"Interval":     func(c *ProberConfig) { c.Interval = 0 },
		"Timeout":      func(c *ProberConfig) { c.Timeout = -1 },
		"PublishEvery": func(c *ProberConfig) { c.PublishEvery = 0 },
		"MaxBackoff":   func(c *ProberConfig) { c.MaxBackoff = 1 },
		"DownFailures": func(c *ProberConfig) { c.DownFailures = 0 },
	} {
		cfg := DefaultProberConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := NewProber(cfg); err == nil {
			t.Errorf("%s: a prober was made", name)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	p := newProber(b, quick())
	for i := range 420 {
		addr := fmt.Sprint("10.0.0.1:", i)
		o := masterAt(1, fmt.Sprint(i/2), int64(i))
		if i%2 == 1 {
			o.replication.Role = RoleReplica
		}
		p.watches[addr] = &watch{health: Health{Addr: addr}.after(o, 2), track: track{}.after(o)}
	}
	b.ReportAllocs()
	for b.Loop() {
		p.publishOnce()
	}
}
