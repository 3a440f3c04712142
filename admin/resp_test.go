package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// ask sends one command and returns the reply.
func ask(tb testing.TB, s *fakeStore, command string) resp.Reply {
	tb.Helper()
	r, _, err := resp.ParseReply(s.ops.ServeRESP(tb.Context(), "10.0.0.9:5000", split(command)))
	if err != nil {
		tb.Fatalf("%s: %v", command, err)
	}
	return r
}

func TestForwardWaitsForItsOwnTable(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	n2 := c.nodes["n2"]
	if r := ask(t, n2, "CODIS.CONFIG SET timeout 5m"); r.Text() != "OK" {
		t.Fatalf("got %q", r.Text())
	}
	if n2.forwards != 1 {
		t.Errorf("forwarded %d times, want once", n2.forwards)
	}
	if want := c.state.Epoch; n2.waited != want {
		t.Errorf("waited for epoch %d, want %d", n2.waited, want)
	}
	last := c.state.History[len(c.state.History)-1]
	if last.Who != "10.0.0.9:5000 via n2" {
		t.Errorf("the history names %q", last.Who)
	}
}

func TestMistakesAreNotForwarded(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	for _, command := range []string{"CODIS.ASSIGN 9 3 1", "CODIS.GROUP ADD x", "CODIS.NOPE", "CODIS.CONFIG SET timeout"} {
		if r := ask(t, c.nodes["n2"], command); r.Err() == nil {
			t.Errorf("%s: no error", command)
		}
	}
	if n := c.nodes["n2"].forwards; n != 0 {
		t.Errorf("%d commands were forwarded", n)
	}
}

func TestForwardedCommandIsNeverForwardedAgain(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	raw := c.nodes["n2"].ops.ServeForwarded(t.Context(), "x via n3", split("CODIS.CONFIG SET timeout 5m"))
	_, reply, err := unwrap(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(reply, []byte("-NOLEADER node n2 is no longer the leader")) {
		t.Errorf("got %q", reply)
	}
	if n := c.nodes["n2"].forwards; n != 0 {
		t.Errorf("forwarded %d times", n)
	}
}

func TestUnwrapRefusesOtherForms(t *testing.T) {
	for _, raw := range []string{"", "+OK\r\n", "*2\r\n:1\r\n", "*1\r\n:1\r\n", "*2\r\n$1\r\n1\r\n$1\r\nx\r\n", "*2\r\n:1\r\n$1\r\nx\r\n+OK\r\n"} {
		if _, _, err := unwrap([]byte(raw)); err == nil {
			t.Errorf("%q: no error", raw)
		}
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"deadline", fmt.Errorf("propose: %w", context.DeadlineExceeded), "-UNKNOWN propose: context deadline exceeded: the change may still happen"},
		{"anything else", errors.New("disk full"), "-ERR disk full"},
		{"line breaks", errors.New("a\r\n+OK"), "-ERR a  +OK"},
		{"refusal", fmt.Errorf("apply: %w", &topology.Error{Code: topology.CodeStale, Message: "too late"}), "-STALE too late"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newFakeCluster(t, newFakeServers())
			c.nodes["n1"].proposeErr = tt.err
			got := string(c.nodes["n1"].ops.ServeRESP(t.Context(), "x", split("CODIS.CONFIG SET timeout 5m")))
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q...", got, tt.want)
			}
		})
	}
}

func TestNoSecretInLogs(t *testing.T) {
	servers := newFakeServers()
	c := newFakeCluster(t, servers)
	var text bytes.Buffer
	ops := c.nodes["n1"].ops
	ops.log = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, command := range []string{
		"CODIS.GROUP ADD 1 127.0.0.1:7000 AUTH HUNTER", "CODIS.GROUP ADD 1 127.0.0.1:7000", "CODIS.GROUP AUTH 1 HUNTER",
		"CODIS.CONFIG SET backend-password HUNTER", "CODIS.CONFIG SET backend-pasword HUNTER",
	} {
		if raw := ops.ServeRESP(t.Context(), "x", split(command)); bytes.Contains(raw, []byte("HUNTER")) {
			t.Errorf("%s: the reply tells: %q", command, raw)
		}
	}
	if !strings.Contains(text.String(), "CONFIG SET") || strings.Contains(text.String(), "HUNTER") {
		t.Errorf("the log:\n%s", text.String())
	}
}

func TestNewCaller(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "10.0.0.9:1 alice via n1", "10.0.0.9:1 alice via n1"},
		{"control characters", "a\r\nb\x00c\x1b[1m", "abc[1m"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("x", 500), strings.Repeat("x", maxCaller)},
		{"cut inside of a rune", strings.Repeat("x", maxCaller-1) + "é", strings.Repeat("x", maxCaller-1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := newCaller(tt.in); string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestKeysOfUnassignedSlotsAreNoted(t *testing.T) {
	servers := newFakeServers()
	servers.list["127.0.0.1:7000"].keys = []string{"foo", "bar"}
	c := newFakeCluster(t, servers)
	r := ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000")
	if len(r.Array) != 2 || !strings.Contains(r.Array[1].Text(), "about 2 keys of slots that no group serves") {
		t.Errorf("got %q", r.Strings())
	}
}

// TestLineBreaksOfServers: what a redis-server says can't add lines to INFO.
func TestLineBreaksOfServers(t *testing.T) {
	servers := newFakeServers()
	c := newFakeCluster(t, servers)
	ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000")
	servers.list["127.0.0.1:7000"].state = ServerHealth{State: "denied", Err: "no\r\ncodis_health:ok"}
	text := ask(t, c.nodes["n1"], "CODIS.INFO").Text()
	if !strings.Contains(text, "(no codis_health:ok)") || strings.Count(text, "\ncodis_health:") != 1 {
		t.Errorf("got %q", text)
	}
}

// TestParallel is for the race detector: all operations at once.
func TestParallel(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			node := c.nodes[fmt.Sprintf("n%d", 1+i%3)]
			node.ops.ServeRESP(t.Context(), "x", split(fmt.Sprintf("CODIS.GROUP ADD %d 127.0.0.1:%d", i+1, 7000+i)))
			node.ops.ServeRESP(t.Context(), "x", split("CODIS.ASSIGN AUTO"))
			for _, command := range []string{"CODIS.INFO", "CODIS.SLOTS", "CODIS.GROUPS", "CODIS.NODES", "CODIS.EXPORT"} {
				node.ops.ServeRESP(t.Context(), "x", split(command))
			}
		})
	}
	wg.Wait()
	if got := len(c.state.Groups); got != 6 {
		t.Errorf("%d groups, want 6", got)
	}
	if got := c.state.Unassigned(); got != 0 {
		t.Errorf("%d slots are unassigned", got)
	}
}

// FuzzServeRESP: whatever the words are, the answer is exactly one reply, and
// the state stays sound (the fake cluster checks its invariants at each change).
func FuzzServeRESP(f *testing.F) {
	for _, row := range commands() {
		f.Add([]byte(row.words() + " 1 127.0.0.1:7000 127.0.0.1:7001"))
	}
	for _, line := range []string{"", "CODIS.ASSIGN 0 1023 1", "CODIS.GROUP ADD 1 a:1 AUTH u p", "CODIS.GROUP ADD 1 127.0.0.1:7000 FORCE AUTH",
		"CODIS.CONFIG SET maxclients -1", "CODIS.HISTORY 99999999999", "CODIS.SLOTS 0 1023 FORCE", "CODIS.CONFIG GET [a-", "CODIS.ASSIGN AUTO",
		"CODIS.MIGRATE 0 9 2 CONSENT KEYS 5 BYTES 9 DRYRUN", "CODIS.REBALANCE BY keys WEIGHT 1 0 2 9", "CODIS.JOB 9 WAIT 99999", "CODIS.FSCK REPAIR ORPHANS", "codis.\u017flots"} {
		f.Add([]byte(line))
	}
	c := newFakeCluster(f, newFakeServers())
	f.Fuzz(func(t *testing.T, line []byte) {
		args := bytes.Split(line, []byte(" "))
		if len(line) == 0 {
			args = nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond) // it may be a WAIT
		defer cancel()
		for _, node := range []string{"n1", "n2"} {
			raw := c.nodes[node].ops.ServeRESP(ctx, "x", args)
			if _, n, err := resp.ParseReply(raw); err != nil || n != len(raw) {
				t.Fatalf("%q: the answer is not one reply: %q", line, raw)
			}
		}
	})
}

// TestLogSaysWhatChanged: the line of a change is what the history says of it.
func TestLogSaysWhatChanged(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	var log strings.Builder
	c.nodes["n1"].ops.log = slog.New(slog.NewTextHandler(&log, nil))
	ask(t, c.nodes["n1"], "CODIS.CONFIG SET timeout 7m")
	ask(t, c.nodes["n1"], "CODIS.CONFIG SET backend-password hush")
	ask(t, c.nodes["n1"], "CODIS.NODE TRANSFER n2")
	for _, want := range []string{`what="setting timeout is \"7m\""`, `what="setting backend-password changed"`, `msg="command carried out" command="CODIS.NODE TRANSFER"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "hush") {
		t.Errorf("a secret in\n%s", &log)
	}
}

// TestReadOnly: who is not the operator may look at everything and change nothing.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	c := newMoving(t)
	for _, row := range commands() {
		if row.json {
			continue // see below
		}
		words := []string{row.name}
		if row.sub != "" {
			words = slices.Insert(slices.Concat(words, slices.Repeat([]string{"1"}, row.place()-1)), row.place(), row.sub)
		}
		own := len(strings.Fields(row.words()))
		for len(words) < own+row.min {
			words = append(words, "1")
		}
		raw := c.nodes["n1"].ops.ServeReadOnly(t.Context(), "x", split(strings.Join(words, " ")))
		if refused := bytes.HasPrefix(raw, []byte("-NOPERM ")); refused != (row.change != nil) {
			t.Errorf("%s: %q", strings.Join(words, " "), raw)
		}
	}
	if raw := c.nodes["n1"].ops.ServeReadOnly(t.Context(), "x", split("CODIS.JSON CODIS.ASSIGN AUTO")); !bytes.HasPrefix(raw, []byte("-NOPERM ")) {
		t.Errorf("as JSON: %q", raw)
	}
}
