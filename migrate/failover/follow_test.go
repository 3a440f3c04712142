package failover

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/router/resp/resptest"
)

// followFor is Follow with a deadline.
func followFor(t *testing.T, d time.Duration, r FollowRequest) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return Follow(ctx, r)
}

func TestFollow(t *testing.T) {
	t.Parallel()
	m, r := startRedis(t), startRedis(t)
	mustDo(t, m, "SET", "k", "v")
	mustDo(t, r, "CONFIG", "SET", "masterauth", "left over from another master")

	var looks []FollowProgress
	if err := followFor(t, 10*time.Second, FollowRequest{Replica: target(r), Master: target(m),
		Progress: func(p FollowProgress) { looks = append(looks, p) }}); err != nil {
		t.Fatal(err)
	}
	if got := mustDo(t, r, "GET", "k"); got != "v" {
		t.Errorf("got %q from the replica", got)
	}
	if n := len(looks); n == 0 || !looks[n-1].LinkUp {
		t.Errorf("got progress %+v, want the last one to say that the link is up", looks)
	}
	f, g := mustInspect(t, target(m)), mustInspect(t, target(r))
	if v, err := CheckAttach(Attach{Candidate: g, Master: &f}); err != nil || v.Action != ActionNone {
		t.Errorf("got %+v, %v", v, err)
	}

	t.Run("is kept over a restart", func(t *testing.T) {
		// This server has no configuration file: it is enough that it was asked.
		if stats := mustDo(t, r, "INFO", "commandstats"); !strings.Contains(stats, "cmdstat_config|rewrite:calls=1") && resptest.ServerVersion(t).AtLeast(7, 0) {
			t.Errorf("CONFIG REWRITE was not called:\n%s", stats)
		}
	})
	t.Run("again", func(t *testing.T) {
		if err := followFor(t, 10*time.Second, FollowRequest{Replica: target(r), Master: target(m)}); err != nil {
			t.Error(err)
		}
	})
	t.Run("itself", func(t *testing.T) {
		err := followFor(t, 10*time.Second, FollowRequest{Replica: target(m), Master: target(m)})
		wantError(t, err, ErrSameServer)
	})
	t.Run("a replica", func(t *testing.T) {
		third := startRedis(t)
		err := followFor(t, 10*time.Second, FollowRequest{Replica: target(third), Master: target(r)})
		wantError(t, err, ErrNotMaster, r.Addr)
		if f := mustInspect(t, target(third)); f.Role != RoleMaster {
			t.Errorf("got %v: it was touched", f.Role)
		}
		f, g := mustInspect(t, target(m)), chain(t, third.Addr, r.Addr)
		_, err = CheckAttach(Attach{Candidate: g, Master: &f})
		wantError(t, err, ErrChain, third.Addr, r.Addr)
	})
}

// chain makes a replica of a replica and returns its facts once its link is up.
func chain(t *testing.T, addr, master string) Facts {
	t.Helper()
	c, err := dial(t.Context(), Target{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	host, port, _ := strings.Cut(master, ":")
	if _, err := c.Do(t.Context(), "REPLICAOF", host, port); err != nil {
		t.Fatal(err)
	}
	var f Facts
	waitFor(t, "the chained link", func() bool {
		f = mustInspect(t, Target{Addr: addr})
		return f.LinkUp
	})
	return f
}

func TestFollowWithPassword(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	m := startRedis(t, "--requirepass", "secret")
	mustDo(t, m, "ACL", "SETUSER", "codis", "on", ">pw", "~*", "&*", "+@all")
	r := startRedis(t, "--requirepass", "other")
	if err := followFor(t, 10*time.Second, FollowRequest{Replica: withPassword(r, "", "other"), Master: withPassword(m, "codis", "pw")}); err != nil {
		t.Fatal(err)
	}
	if f := mustInspect(t, withPassword(r, "", "other")); !f.LinkUp || f.MasterRunID != "" {
		t.Errorf("got %+v: want a link up, and a master that can't be asked with the replica's password", f)
	}

	t.Run("wrong password", func(t *testing.T) {
		blank := startRedis(t)
		err := followFor(t, 10*time.Second, FollowRequest{Replica: target(blank), Master: withPassword(m, "", "wr0ng-one")})
		wantError(t, err, ErrAuth, m.Addr)
		if strings.Contains(err.Error(), "wr0ng-one") {
			t.Errorf("the password is in the error: %v", err)
		}
		if f := mustInspect(t, target(blank)); f.Role != RoleMaster {
			t.Errorf("got %v: it was touched", f.Role)
		}
	})
	t.Run("CONFIG is renamed", func(t *testing.T) {
		blank := startRedis(t, "--rename-command", "CONFIG", "")
		err := followFor(t, 400*time.Millisecond, FollowRequest{Replica: target(blank), Master: withPassword(m, "", "secret")})
		wantError(t, err, ErrNoLink, "masterauth could not be set", "unknown command")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in the error: %v", err)
		}
	})
	t.Run("masterauth can't be set", func(t *testing.T) {
		blank := startRedis(t)
		mustDo(t, blank, "ACL", "SETUSER", "noconfig", "on", ">pw", "~*", "+@all", "-config")
		err := followFor(t, 400*time.Millisecond, FollowRequest{Replica: withPassword(blank, "noconfig", "pw"), Master: withPassword(m, "", "secret")})
		wantError(t, err, ErrNoLink, "masterauth could not be set", "NOPERM")
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in the error: %v", err)
		}
	})
}

func TestFollowSaysWhy(t *testing.T) {
	t.Parallel()
	t.Run("master hangs", func(t *testing.T) {
		t.Parallel()
		m, r := startRedis(t), startRedis(t)
		m.Pause(t)
		err := followFor(t, 300*time.Millisecond, FollowRequest{Replica: target(r), Master: target(m)})
		wantError(t, err, ErrUnreachable, m.Addr)
	})
	t.Run("copy takes long", func(t *testing.T) {
		t.Parallel()
		m, r := startRedis(t, "--rdb-key-save-delay", "10000"), startRedis(t)
		fill(t, m.Addr, 300) // 3 s
		err := followFor(t, 2*time.Second, FollowRequest{Replica: target(r), Master: target(m)})
		wantError(t, err, ErrNoLink, "still copying from "+m.Addr, "goes on by itself")
	})
	t.Run("master is not reached from the replica", func(t *testing.T) {
		t.Parallel()
		// It answers like a master, and refuses replicas.
		m := infoFake(t, "+PONG\r\n", "redis_version:7.0.0", "role:master", "run_id:x")
		r := startRedis(t)
		err := followFor(t, 400*time.Millisecond, FollowRequest{Replica: target(r), Master: Target{Addr: m.Addr}})
		wantError(t, err, ErrNoLink, "no link to "+m.Addr, "firewall")
	})
}

func fill(t *testing.T, addr string, n int) {
	t.Helper()
	c, err := dial(t.Context(), Target{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	script := "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'fill:' .. i, string.rep('x', 2000)) end"
	if _, err := c.Do(t.Context(), "EVAL", script, "0", strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}

func TestNoLinkReasons(t *testing.T) {
	denied := errors.New("CONFIG SET forbidden")
	progress := func(looks int, r Replication) FollowProgress {
		return FollowProgress{Elapsed: 3210 * time.Millisecond, Looks: looks, Replication: r}
	}
	for _, tc := range []struct {
		name   string
		last   FollowProgress
		denied error
		want   string
	}{
		{"copies a file", progress(1, Replication{Syncing: true, SyncRead: 10, SyncTotal: 30}), denied, "after 3.2s it is still copying from m:1 (10 of 30 bytes)"},
		{"copies a stream", progress(1, Replication{Syncing: true, SyncRead: 10}), nil, "still copying from m:1;"},
		{"waits for the master's save", progress(followSteady, Replication{Syncing: true}), nil, "still copying"},
		{"is refused again and again", progress(followSteady-1, Replication{Syncing: true}), nil, "no link to m:1"},
		{"has no password", progress(1, Replication{Syncing: true}), denied, "masterauth could not be set (CONFIG SET forbidden)"},
		{"down", progress(0, Replication{LinkDownFor: 7 * time.Second}), nil, "no link to m:1 (down for 7s)"},
	} {
		err := noLink(t.Context(), FollowRequest{Replica: Target{Addr: "r:1"}, Master: Target{Addr: "m:1"}}, tc.last, tc.denied)
		wantError(t, err, ErrNoLink, "server r:1: ", tc.want)
	}
}

// TestBeginFollow: it returns while the copy is under way, and AwaitCopy at its end.
func TestBeginFollow(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	m, r := startRedis(t, "--rdb-key-save-delay", "10000"), startRedis(t)
	fill(t, m.Addr, 300) // 3 s
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request := FollowRequest{Replica: target(r), Master: target(m)}
	p, err := BeginFollow(ctx, request)
	if err != nil || p.Done() || !p.Syncing {
		t.Fatalf("got %+v, %v, want a copy that is under way", p, err)
	}
	soon, cancelSoon := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancelSoon()
	if p, err := AwaitCopy(soon, request); err == nil || p.Done() {
		t.Errorf("got %+v, %v, want that the copy goes on", p, err)
	}
	if p, err := AwaitCopy(ctx, request); err != nil || !p.Done() {
		t.Errorf("got %+v, %v, want the end of the copy", p, err)
	}
	if n := mustDo(t, r, "EXISTS", "fill:300"); n != "1" {
		t.Error("the data is not there")
	}
}
