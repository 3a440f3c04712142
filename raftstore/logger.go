package raftstore

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLogger is Raft's logger on top of slog. Raft's informational lines are
// chatter to a person who runs a proxy, so they go one level down; this package
// says itself what matters of them.
type raftLogger struct {
	out  *slog.Logger
	name string
	args []any
	// quiet makes all lines ones for debugging: before the node is a member Raft
	// complains that it has no peers, and while it stops, about its connections.
	quiet func() bool
	seen  *repeats
}

// repeats remembers which lines were written lately: Raft repeats its complaints
// about a peer that is away many times a second.
type repeats struct {
	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

const (
	repeatAfter = 30 * time.Second
	maxRepeats  = 256
)

// fresh says whether a line has not been written for a while.
func (r *repeats) fresh(line string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last[line]; ok && now.Sub(last) < repeatAfter {
		return false
	}
	if len(r.last) >= maxRepeats {
		clear(r.last)
	}
	r.last[line] = now
	return true
}

func (s *Store) newRaftLogger() hclog.Logger {
	return &raftLogger{out: s.log, name: "raft", seen: s.raftLines,
		quiet: func() bool { return s.ctx.Err() != nil || !s.seen.Load() }}
}

// newQuietRaftLogger is for work on a directory that no node runs in.
func newQuietRaftLogger(log *slog.Logger) hclog.Logger {
	return &raftLogger{out: log, name: "raft", seen: &repeats{last: map[string]time.Time{}}, quiet: func() bool { return true }}
}

// lessNews has the level of Raft's lines that are less to a person than Raft makes of
// them: what happens whenever a node joins, or leadership is handed over, and a peer
// that is away, which is not this node's error.
var lessNews = map[string]slog.Level{
	"appendEntries rejected, sending older logs":   slog.LevelDebug,
	"peer has newer term, stopping replication":    slog.LevelDebug,
	"failed to commit logs":                        slog.LevelDebug, // logStore tells
	"heartbeat timeout reached, starting election": slog.LevelDebug, // "there is no leader" was said
	"failed to contact":                            slog.LevelDebug, // failed heartbeats say more
	"failed to heartbeat to":                       slog.LevelWarn,
	"failed to appendEntries to":                   slog.LevelWarn,
	"failed to make requestVote RPC":               slog.LevelWarn,
	"failed to make requestPreVote RPC":            slog.LevelWarn,
	"failed to pipeline appendEntries":             slog.LevelWarn,
}

func (l *raftLogger) levelOf(level hclog.Level) slog.Level {
	switch {
	case l.quiet():
		return slog.LevelDebug
	case level == hclog.Warn:
		return slog.LevelWarn
	case level == hclog.Error:
		return slog.LevelError
	}
	return slog.LevelDebug
}

func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	severity := l.levelOf(level)
	if less, ok := lessNews[msg]; ok {
		severity = min(severity, less)
	}
	if severity > slog.LevelDebug {
		// The first argument is the peer that a line is about, if it is about one.
		line := msg
		if len(args) >= 2 {
			line = fmt.Sprint(msg, args[1])
		}
		if !l.seen.fresh(line, time.Now()) {
			severity = slog.LevelDebug
		}
	}
	l.out.Log(context.Background(), severity, "raft: "+msg, args...)
}

func (l *raftLogger) Trace(string, ...any)           {}
func (l *raftLogger) Debug(msg string, args ...any)  { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)   { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)   { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any)  { l.Log(hclog.Error, msg, args...) }
func (l *raftLogger) IsTrace() bool                  { return false }
func (l *raftLogger) IsDebug() bool                  { return l.enabled(hclog.Debug) }
func (l *raftLogger) IsInfo() bool                   { return l.enabled(hclog.Info) }
func (l *raftLogger) IsWarn() bool                   { return l.enabled(hclog.Warn) }
func (l *raftLogger) IsError() bool                  { return l.enabled(hclog.Error) }
func (l *raftLogger) ImpliedArgs() []any             { return l.args }
func (l *raftLogger) Name() string                   { return l.name }
func (l *raftLogger) Named(string) hclog.Logger      { return l }
func (l *raftLogger) ResetNamed(string) hclog.Logger { return l }
func (l *raftLogger) SetLevel(hclog.Level)           {}
func (l *raftLogger) GetLevel() hclog.Level          { return hclog.NoLevel }

func (l *raftLogger) With(args ...any) hclog.Logger {
	return &raftLogger{out: l.out.With(args...), name: l.name, quiet: l.quiet, seen: l.seen, args: append(l.args[:len(l.args):len(l.args)], args...)}
}

func (l *raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.out.Handler(), slog.LevelDebug)
}

func (l *raftLogger) StandardWriter(options *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(options).Writer()
}

func (l *raftLogger) enabled(level hclog.Level) bool {
	return l.out.Enabled(context.Background(), l.levelOf(level))
}
