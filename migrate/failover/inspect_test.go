package failover

import (
	"context"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// fast makes a full copy start at once: Redis 7 waits 5 s for more replicas.
var fast = []string{"--repl-diskless-sync-delay", "0"}

func startRedis(tb testing.TB, args ...string) *resptest.Server {
	tb.Helper()
	return resptest.StartRedis(tb, append(fast[:len(fast):len(fast)], args...)...)
}

func startReplica(tb testing.TB, master *resptest.Server, args ...string) *resptest.Server {
	tb.Helper()
	r := startRedis(tb, args...)
	mustDo(tb, r, "REPLICAOF", "127.0.0.1", portOf(master))
	c := r.Client(tb)
	waitFor(tb, "the replica's link", func() bool {
		got, err := askReplication(tb.Context(), c)
		return err == nil && got.LinkUp
	})
	return r
}

func portOf(s *resptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

func mustDo(tb testing.TB, s *resptest.Server, args ...string) string {
	tb.Helper()
	reply, err := s.Client(tb).Do(tb.Context(), args...)
	if err != nil {
		tb.Fatal(err)
	}
	return reply.Text()
}

func mustInspect(tb testing.TB, t Target) Facts {
	tb.Helper()
	f, err := Inspect(tb.Context(), t)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func target(s *resptest.Server) Target { return Target{Addr: s.Addr} }

func withPassword(s *resptest.Server, user, password string) Target {
	return Target{Addr: s.Addr, Auth: topology.Credentials{User: user, Password: password}}
}

func TestInspectMasterAndReplica(t *testing.T) {
	t.Parallel()
	m := startRedis(t, "--databases", "20")
	c := m.Client(t)
	for _, cmd := range [][]string{{"SET", "a", "1"}, {"SET", "b", "1"}, {"SELECT", "3"}, {"SET", "c", "1"}} {
		if _, err := c.Do(t.Context(), cmd...); err != nil {
			t.Fatal(err)
		}
	}
	r := startReplica(t, m)

	f := mustInspect(t, target(m))
	if f.Role != RoleMaster || f.Replicas != 1 || f.Databases != 20 || f.RunID == "" || f.ReplID == "" || f.Version == "" || !strings.EqualFold(f.Product, resptest.ServerVersion(t).Product) {
		t.Errorf("master: got %+v", f)
	}
	if want := map[int]int64{0: 2, 3: 1}; !maps.Equal(f.Keys, want) {
		t.Errorf("master: got keys %v, want %v", f.Keys, want)
	}
	if resptest.ServerVersion(t).AtLeast(6, 2) && !f.ClockKnown || f.ClockSkew.Abs() > time.Second {
		t.Errorf("master: got clock skew %v, %v on one host", f.ClockSkew, f.ClockKnown)
	}

	g := mustInspect(t, target(r))
	if g.Role != RoleReplica || g.MasterAddr != m.Addr || !g.LinkUp || g.Syncing || g.ReplID != f.ReplID {
		t.Errorf("replica: got %+v", g)
	}
	if g.MasterRunID != f.RunID || g.MasterRole != RoleMaster {
		t.Errorf("replica: got master %v %q, want run id %q", g.MasterRole, g.MasterRunID, f.RunID)
	}
	if v, err := CheckAttach(Attach{Candidate: g, Master: &f}); err != nil || v.Action != ActionNone || len(v.Warnings) != 1 {
		t.Errorf("got %+v, %v: want it attached as it is, with a warning about 16 and 20 databases", v, err)
	}

	t.Run("its master is gone", func(t *testing.T) {
		m.Kill()
		waitFor(t, "the link to break", func() bool { return !mustInspect(t, target(r)).LinkUp })
		if g := mustInspect(t, target(r)); g.MasterRunID != "" {
			t.Errorf("got %+v", g)
		}
	})
	t.Run("and it serves no stale data", func(t *testing.T) {
		mustDo(t, r, "CONFIG", "SET", "replica-serve-stale-data", "no")
		if g := mustInspect(t, target(r)); g.Role != RoleReplica || g.LinkUp {
			t.Errorf("got %+v", g)
		}
	})
}

func TestInspectAccess(t *testing.T) {
	t.Parallel()
	open := startRedis(t)
	locked := startRedis(t, "--requirepass", "secret")
	mustDo(t, locked, "ACL", "SETUSER", "codis", "on", ">pw", "~*", "+@all")
	mustDo(t, locked, "ACL", "SETUSER", "modest", "on", ">pw", "~*", "+ping", "+info")
	mustDo(t, locked, "ACL", "SETUSER", "blind", "on", ">pw", "~*", "+ping")
	for _, tc := range []struct {
		name   string
		target Target
		kind   error
		words  []string
	}{
		{"no password needed", target(open), nil, nil},
		{"password not needed but given", withPassword(open, "", "secret"), ErrAuth, []string{"has no password", "CODIS.GROUP AUTH"}},
		{"password", withPassword(locked, "", "secret"), nil, nil},
		{"user and password", withPassword(locked, "codis", "pw"), nil, nil},
		{"no password", target(locked), ErrAuth, []string{"asks for a password", "backend-password"}},
		{"wrong password", withPassword(locked, "", "wr0ng-one"), ErrAuth, []string{"wrong user name or password", "CODIS.GROUP AUTH"}},
		{"no CONFIG and no CLIENT", withPassword(locked, "modest", "pw"), nil, nil},
		{"no INFO", withPassword(locked, "blind", "pw"), ErrPermission, []string{"info", "ACL SETUSER"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Inspect(t.Context(), tc.target)
			wantError(t, err, tc.kind, append(tc.words, tc.target.Addr)...)
			if err == nil && f.Role != RoleMaster {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestInspectClusterMode(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--cluster-enabled", "yes")
	f, err := Inspect(t.Context(), target(s))
	wantError(t, err, ErrClusterMode, s.Addr, "cluster-enabled no")
	if !f.ClusterEnabled || f.RunID == "" {
		t.Errorf("got %+v, want the facts with the error", f)
	}
}

func TestInspectBusyHungAndGone(t *testing.T) {
	t.Parallel()
	s := startRedis(t, "--busy-reply-threshold", "10")
	c := s.Client(t)
	ended := make(chan struct{})
	go func() { // ends with SCRIPT KILL below
		defer close(ended)
		_, _ = c.Do(context.WithoutCancel(t.Context()), "EVAL", "while true do end", "0")
	}()
	waitFor(t, "the script to block", func() bool {
		_, err := s.Client(t).Do(t.Context(), "PING")
		return err != nil
	})
	_, err := Inspect(t.Context(), target(s))
	wantError(t, err, ErrBusy, "SCRIPT KILL")
	mustDo(t, s, "SCRIPT", "KILL")
	<-ended

	s.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = Inspect(ctx, target(s))
	wantError(t, err, ErrUnreachable, "no answer in time")
	s.Kill()
	_, err = Inspect(t.Context(), target(s))
	wantError(t, err, ErrUnreachable, "connection refused", "bind")
}

func TestInspectMaxClients(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	keep := s.Client(t)
	waitFor(t, "all other clients to be gone", func() bool {
		if _, err := keep.Do(t.Context(), "CONFIG", "SET", "maxclients", "1"); err != nil {
			t.Fatal(err)
		}
		_, err := Inspect(t.Context(), target(s))
		if err == nil {
			return false
		}
		wantError(t, err, ErrRefused, "maxclients")
		return true
	})
}

func TestInspectStrangers(t *testing.T) {
	t.Parallel()
	denied := "-DENIED Redis is running in protected mode because protected mode is enabled.\r\n"
	for _, tc := range []struct {
		name  string
		fake  *fakeServer
		kind  error
		words []string
	}{
		{"loading", infoFake(t, "-LOADING Redis is loading the dataset in memory\r\n", "redis_version:7.0.0", "role:master", "loading:1"), ErrLoading, []string{"loading"}},
		{"loading by PING only", infoFake(t, "-LOADING Redis is loading the dataset in memory\r\n", "redis_version:7.0.0", "role:master"), ErrLoading, nil},
		{"old", infoFake(t, "+PONG\r\n", "redis_version:4.0.14", "role:master"), ErrVersion, []string{"4.0.14", "5.0.0"}},
		{"valkey", infoFake(t, "+PONG\r\n", "redis_version:7.2.4", "valkey_version:8.0.1", "role:master"), nil, nil},
		{"sentinel", infoFake(t, "+PONG\r\n", "redis_version:7.0.0", "redis_mode:sentinel"), ErrSentinel, []string{"Sentinel"}},
		{"codis", infoFake(t, "+PONG\r\n", "redis_version:7.0.0", "codis_version:1", "role:master"), ErrNotRedis, []string{"codis node"}},
		{"something that speaks RESP", infoFake(t, "+PONG\r\n", "version:1"), ErrNotRedis, []string{"redis_version"}},
		{"a proxy without INFO", newFake(t, "", func(string) string { return "-ERR unknown command\r\n" }), ErrNotRedis, []string{"redis-server listens"}},
		{"PING renamed", infoFake(t, "-ERR unknown command\r\n", "redis_version:7.0.0", "role:master"), nil, nil},
		{"protected mode", newFake(t, denied+hangUp, nil), ErrRefused, []string{"protected mode"}},
		{"web server", newFake(t, "", func(string) string { return "HTTP/1.1 400 Bad Request\r\n\r\n" + hangUp }), ErrNotRedis, []string{"Redis protocol"}},
		{"hangs up", newFake(t, "", func(string) string { return hangUp }), ErrUnreachable, []string{"closed the connection"}},
		{"infinite bulk", newFake(t, "", func(string) string { return "$9223372036854775807\r\n" }), ErrNotRedis, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Inspect(t.Context(), Target{Addr: tc.fake.Addr})
			wantError(t, err, tc.kind, tc.words...)
		})
	}
}

func TestInspectNoSuchHost(t *testing.T) {
	t.Parallel()
	_, err := Inspect(t.Context(), Target{Addr: "no-such-host.invalid:6379"})
	wantError(t, err, ErrUnreachable, "server no-such-host.invalid:6379: ", "check the address")
	_, err = Inspect(t.Context(), Target{Addr: "nonsense"})
	wantError(t, err, ErrUnreachable)
}
