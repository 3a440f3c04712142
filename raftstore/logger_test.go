package raftstore

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestRaftLogger(t *testing.T) {
	var out bytes.Buffer
	quiet := false
	l := &raftLogger{
		out:  slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})),
		seen: &repeats{last: map[string]time.Time{}}, quiet: func() bool { return quiet },
	}
	for range 5 {
		l.Error("failed to heartbeat to", "peer", "n2", "error", "x")
		l.Error("failed to heartbeat to", "peer", "n3", "error", "x")
		l.With("a", 1).Named("b").Info("chatter")
	}
	quiet = true
	l.Error("not while stopping")
	if got := strings.Count(out.String(), "level=WARN"); got != 2 || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("one line a peer is wanted, got:\n%s", out.String())
	}
}

func TestRepeats(t *testing.T) {
	r := &repeats{last: map[string]time.Time{}}
	now := time.Unix(1000, 0)
	if !r.fresh("a", now) || r.fresh("a", now.Add(repeatAfter-1)) || !r.fresh("a", now.Add(repeatAfter)) {
		t.Error("a line is written once in a while")
	}
	for i := range 10 * maxRepeats {
		r.fresh(fmt.Sprint(i), now)
	}
	if len(r.last) > maxRepeats {
		t.Errorf("%d lines are remembered", len(r.last))
	}
}
