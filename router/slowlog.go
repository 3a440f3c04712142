package router

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/router/command"
	"codis/router/resp"
)

const (
	// headSize is how much of a request is kept while it is under way, for the slow
	// log: its name, its first key, and what follows as far as there is room.
	headSize = 96
	// noSlowLog is a threshold that nothing reaches.
	noSlowLog = math.MaxInt64
	// slowLogCount is how many entries SLOWLOG GET gives by itself, as Redis does.
	slowLogCount = 10
)

// slowLog holds the requests of a node that took longer than the setting
// slowlog-log-slower-than, newest last. Loops add to it from their own goroutines.
type slowLog struct {
	mu      sync.Mutex
	entries []slowEntry
	nextID  int64
}

// slowEntry is one request, with where its time went.
type slowEntry struct {
	id   int64
	at   time.Time
	args []string
	// queued is the time until it was dispatched: for a hold's end or a key on its
	// way. server is the time from then to the reply of addr, or of the last of
	// several servers; it includes connecting. reply is the time until the reply was
	// given to the client's socket: behind replies to earlier requests, or because
	// the client did not read.
	queued, server, reply time.Duration
	addr                  string
	client, name          string
}

func (e *slowEntry) total() time.Duration { return e.queued + e.server + e.reply }

func (g *slowLog) add(e slowEntry, room int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.id = g.nextID
	g.nextID++
	g.entries = append(g.entries, e)
	if extra := len(g.entries) - room; extra > 0 {
		g.entries = append(g.entries[:0], g.entries[extra:]...)
	}
}

// newest returns at most n entries, newest first.
func (g *slowLog) newest(n int) []slowEntry {
	g.mu.Lock()
	defer g.mu.Unlock()
	n = min(n, len(g.entries))
	found := make([]slowEntry, n)
	for i := range found {
		found[i] = g.entries[len(g.entries)-1-i]
	}
	return found
}

func (g *slowLog) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.entries)
}

func (g *slowLog) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.entries = nil
}

// slow is what is known of a slow request while its reply has not left.
type slow struct {
	entry slowEntry
	// replied is when its server had replied, in the loop's time.
	replied int64
}

// noteSlow is called when a server has replied to a slow request, or to one part of
// it, or will not: the last of its parts counts.
func (s *server) noteSlow(q *request) {
	l := s.l
	if q.access != nil {
		return // its clients wait for it, see session.waitsSince
	}
	whole := q
	if q.parent != nil {
		whole = q.parent
	}
	took := l.now - q.start
	whole.slow = &slow{replied: l.now, entry: slowEntry{
		at: time.Now().Add(-time.Duration(took + whole.waited)), queued: time.Duration(whole.waited),
		server: time.Duration(took), addr: s.addr,
	}}
	if who := whole.sess; who != nil {
		whole.slow.entry.client, whole.slow.entry.name = who.addr, who.name
	}
}

// logSlow writes a slow request down once its reply is out.
func (l *loop) logSlow(q *request) {
	e := q.slow.entry
	e.reply = time.Duration(l.now - q.slow.replied)
	e.args = slowArgs(q.head[:q.headLen])
	l.r.slowLog.add(e, l.table.limits.slowLogLen)
}

// noteReader is called with each change of what the client has not taken: a client
// that takes its replies late makes requests slow too.
func (s *session) noteReader() {
	l := s.l
	switch {
	case s.unsent > 0 && s.stuckSince == 0:
		s.stuckSince = l.now
	case s.unsent == 0 && s.stuckSince != 0:
		if stuck := l.now - s.stuckSince; stuck >= l.slowerThan && s.lastCommand != nil {
			l.r.slowLog.add(slowEntry{
				at: time.Now().Add(-time.Duration(stuck)), args: []string{s.lastCommand.Name},
				reply: time.Duration(stuck), client: s.addr, name: s.name,
			}, l.table.limits.slowLogLen)
		}
		s.stuckSince = 0
	}
}

// slowArgs reads the arguments of a request from as much of it as was kept, and
// says what is missing, in Redis's words.
func slowArgs(head []byte) []string {
	n, rest := slowNumber(head)
	var args []string
	for len(rest) > 0 && len(args) < n {
		var size int
		if size, rest = slowNumber(rest); size < 0 {
			break
		}
		if size+2 > len(rest) {
			if missing := size - len(rest); missing > 0 {
				args = append(args, fmt.Sprintf("%s... (%d more bytes)", rest, missing))
			} else {
				args = append(args, string(rest[:size]))
			}
			break
		}
		args = append(args, string(rest[:size]))
		rest = rest[size+2:]
	}
	if missing := n - len(args); missing > 0 {
		args = append(args, fmt.Sprintf("... (%d more arguments)", missing))
	}
	return args
}

// slowNumber reads a header of RESP and returns its number, -1 for none, and what
// follows.
func slowNumber(b []byte) (int, []byte) {
	end := bytes.IndexByte(b, '\n')
	if end < 2 {
		return -1, nil
	}
	n, err := strconv.Atoi(string(b[1 : end-1]))
	if err != nil {
		return -1, nil
	}
	return n, b[end+1:]
}

// slowLogCommand answers SLOWLOG GET, LEN and RESET, for this node.
func (s *session) slowLogCommand(cmd *command.Command, args [][]byte) {
	g := &s.l.r.slowLog
	switch cmd.Local {
	case command.LocalSlowLogLen:
		s.answer(cmd, resp.AppendInt(nil, int64(g.len())))
	case command.LocalSlowLogReset:
		g.reset()
		s.answer(cmd, []byte(okText))
	default:
		n := slowLogCount
		if len(args) > 2 {
			var err error
			if n, err = strconv.Atoi(string(args[2])); err != nil || n < -1 {
				s.answer(cmd, []byte("-ERR count should be greater than or equal to -1\r\n"))
				return
			}
		}
		if n == -1 {
			n = math.MaxInt
		}
		s.answer(cmd, appendSlowLog(nil, g.newest(n)))
	}
}

// appendSlowLog writes entries as Redis does. Clients take six fields and no more,
// so where the time went is a last argument of the command.
func appendSlowLog(b []byte, entries []slowEntry) []byte {
	b = resp.AppendArray(b, len(entries))
	for i := range entries {
		e := &entries[i]
		b = resp.AppendArray(b, 6)
		b = resp.AppendInt(b, e.id)
		b = resp.AppendInt(b, e.at.Unix())
		b = resp.AppendInt(b, e.total().Microseconds())
		b = resp.AppendArray(b, len(e.args)+1)
		for _, arg := range e.args {
			b = resp.AppendBulkString(b, arg)
		}
		b = resp.AppendBulkString(b, e.times())
		b = resp.AppendBulkString(b, e.client)
		b = resp.AppendBulkString(b, e.name)
	}
	return b
}

// times says where the time went.
func (e *slowEntry) times() string {
	parts := []string{fmt.Sprintf("queue=%dus", e.queued.Microseconds())}
	if e.addr != "" {
		parts = append(parts, fmt.Sprintf("server=%dus@%s", e.server.Microseconds(), e.addr))
	}
	return "(" + strings.Join(append(parts, fmt.Sprintf("reply=%dus", e.reply.Microseconds())), " ") + ")"
}
