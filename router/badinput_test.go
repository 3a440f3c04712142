package router

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// patience bounds what should happen at once, on a machine that is busy.
const patience = 15 * time.Second

// logRecorder keeps the messages of a logger.
type logRecorder struct {
	mu       sync.Mutex
	messages []string
}

func (l *logRecorder) Enabled(context.Context, slog.Level) bool { return true }
func (l *logRecorder) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logRecorder) WithGroup(string) slog.Handler            { return l }
func (l *logRecorder) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.messages = append(l.messages, r.Message)
	}
	return nil
}

// count returns how many messages contain part.
func (l *logRecorder) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages {
		if strings.Contains(m, part) {
			n++
		}
	}
	return n
}

// exchange sends bytes on a connection of its own and returns all that comes
// back until the peer closes, or until `+END`, which is the answer to a last
// command that only an open connection gets.
func exchange(tb testing.TB, addr string, bytes string) (answer string, closed bool) {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	const end = "$5\r\n*END*\r\n"
	// A peer that closes early may refuse the last bytes.
	_, _ = io.WriteString(conn, bytes+"*2\r\n$4\r\nECHO\r\n"+end)
	var got strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		got.Write(buf[:n])
		if before, ok := strings.CutSuffix(got.String(), end); ok {
			return before, false
		}
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			tb.Fatalf("%.60q: neither an answer nor the end; got %q", bytes, got.String())
		}
		if err != nil {
			return got.String(), true
		}
	}
}

func protocolErrorReply(text string) string { return "-ERR Protocol error: " + text + "\r\n" }

// TestBadInput sends what no client should; where same is set, a real
// redis-server must give the same answer and keep or close the connection alike.
// It is stricter about trailers and about max-args, and judges a line without end
// by its length even when the end comes in the same read.
func TestBadInput(t *testing.T) {
	resptest.Reference(t)
	t.Parallel()
	r, servers := newCluster(t, 1, Config{})
	bystander := dialWire(t, r)
	bystander.wantReply("+OK\r\n", "SET", "bystander", "unharmed")
	long := strings.Repeat("1", 70<<10)
	tests := []struct {
		name, send, want string
		closed, same     bool
	}{
		{"no arguments", "*0\r\n", "", false, true},
		{"minus one arguments", "*-1\r\n", "", false, true},
		{"very few arguments", "*-9223372036854775808\r\n", "", false, true},
		{"empty lines", "\r\n\n\r\n\r\n", "", false, true},
		{"spaces", "   \r\n \t \r\n", "", false, true},
		{"count is no number", "*abc\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"count is empty", "*\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"count with sign", "*+1\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"count too large for 64 bits", "*99999999999999999999\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"redcon spins on this", "*9223372036854775807\r\n$1\r\na\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"redcon panics on this", "*1\r\n$9223372036854775807\r\nabc\r\n", protocolErrorReply("invalid bulk length"), true, true},
		{"redcon panics on negative lengths", "*1\r\n$-1\r\n", protocolErrorReply("invalid bulk length"), true, true},
		{"lowest length", "*1\r\n$-9223372036854775808\r\n", protocolErrorReply("invalid bulk length"), true, true},
		{"length is no number", "*2\r\n$3\r\nGET\r\n$x\r\nk\r\n", protocolErrorReply("invalid bulk length"), true, true},
		{"length over the limit", "*2\r\n$3\r\nGET\r\n$536870913\r\n", protocolErrorReply("invalid bulk length"), true, true},
		{"over max-args", "*1048577\r\n", protocolErrorReply("invalid multibulk length"), true, false},
		{"argument is an integer", "*2\r\n$3\r\nGET\r\n:1\r\n", protocolErrorReply("expected '$', got ':'"), true, true},
		{"argument is an array", "*1\r\n*1\r\n$4\r\nPING\r\n", protocolErrorReply("expected '$', got '*'"), true, true},
		{"argument is an empty line", "*1\r\n\r\n", protocolErrorReply("expected '$', got ' '"), true, true},
		{"wrong trailer", "*2\r\n$3\r\nGET\r\n$1\r\nkXX", protocolErrorReply("expected CRLF after bulk"), true, false},
		{"quotes", "GET \"abc\r\n", protocolErrorReply("unbalanced quotes in request"), true, true},
		{"quote after quote", "GET 'a'b\r\n", protocolErrorReply("unbalanced quotes in request"), true, true},
		{"inline without end", strings.Repeat("x", 70<<10), protocolErrorReply("too big inline request"), true, false},
		{"count without end", "*" + long, protocolErrorReply("too big mbulk count string"), true, false},
		{"length without end", "*1\r\n$" + long, protocolErrorReply("too big bulk count string"), true, false},
		{"a reply as a request", "$4\r\nPING\r\n", "-ERR unknown command '$4', with args beginning with: \r\n+PONG\r\n", false, true},
		{"commands before the bad bytes are answered", "PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n", "+PONG\r\n+PONG\r\n" + protocolErrorReply("invalid multibulk length"), true, true},
		{"a backend's answer comes before the error", "get bystander\r\n*x\r\n", "$8\r\nunharmed\r\n" + protocolErrorReply("invalid multibulk length"), true, true},
		{"nothing after the bad bytes is run", "*x\r\nset bystander harmed\r\n", protocolErrorReply("invalid multibulk length"), true, true},
		{"empty command name", "*1\r\n$0\r\n\r\n", "-ERR unknown command '', with args beginning with: \r\n", false, true},
		{"zero bytes in a name", "*1\r\n$3\r\n\x00\x01\x02\r\n", "-ERR unknown command '', with args beginning with: \r\n", false, true},
		{"line ends in a name", "*1\r\n$5\r\nA\r\nBC\r\n", "-ERR unknown command 'A  BC', with args beginning with: \r\n", false, true},
		{"empty key", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "$-1\r\n", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, closed := exchange(t, r.Addr(), tt.send)
			if got != tt.want || closed != tt.closed {
				t.Errorf("got %q, closed %v; want %q, closed %v", got, closed, tt.want, tt.closed)
			}
			if tt.same {
				if real, closed := exchange(t, servers[0].Addr, tt.send); real != tt.want || closed != tt.closed {
					t.Errorf("redis-server: got %q, closed %v; want %q, closed %v", real, closed, tt.want, tt.closed)
				}
			}
			if got := dialWire(t, r).do("GET", "bystander"); got != "$8\r\nunharmed\r\n" {
				t.Errorf("a new client got %q", got)
			}
		})
	}
	t.Cleanup(func() {
		_ = bystander.conn.SetDeadline(time.Now().Add(patience)) // the tests may have waited for each other for long
		bystander.wantReply("$8\r\nunharmed\r\n", "GET", "bystander")
	})
}

// TestCrossProtocolAttack: a browser that was made to talk to the port is cut off
// before what it smuggles in its body is run.
func TestCrossProtocolAttack(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, send, want string }{
		{"POST", "POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nset smuggled 1\r\n", ""},
		{"post, lower case", "post /\r\nset smuggled 1\r\n", ""},
		{"Host", "Host: localhost:19000\r\nset smuggled 1\r\n", ""},
		{"POST as an array", "*1\r\n$4\r\nPOST\r\n*3\r\n$3\r\nset\r\n$8\r\nsmuggled\r\n$1\r\n1\r\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := new(logRecorder)
			r, _ := newCluster(t, 1, Config{Logger: slog.New(log)})
			got, closed := exchange(t, r.Addr(), tt.send)
			if !closed || got != tt.want {
				t.Errorf("got %q, closed %v", got, closed)
			}
			if n := log.count("cross-protocol attack"); n != 1 {
				t.Errorf("%d log lines, want 1", n)
			}
			dialWire(t, r).wantReply("$-1\r\n", "GET", "smuggled")
		})
	}
}

// TestComplaintsAreLimited: a flood of clients that are closed does not flood the log.
func TestComplaintsAreLimited(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	r := newRouter(t, Config{Logger: slog.New(log), Loops: 1}, nil)
	start := time.Now()
	for range 200 {
		w := dialWire(t, r)
		w.send("POST / HTTP/1.1\r\n")
		w.wantClosed()
	}
	seconds := int(time.Since(start).Seconds()) + 1
	if n := log.count("cross-protocol attack"); n < 1 || n > maxComplaints*(seconds+1) {
		t.Errorf("%d log lines in %d seconds", n, seconds)
	}
	if n := log.count("are not logged"); n < 1 {
		t.Error("the log does not say that there was more")
	}
}

// TestRefusedCommands: what would break the cluster is refused with a text, and
// the connection lives.
func TestRefusedCommands(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	w := dialWire(t, r)
	for _, line := range []string{
		"CONFIG SET maxmemory 1", "CONFIG RESETSTAT", "CONFIG REWRITE", "DEBUG SEGFAULT", "DEBUG SLEEP 0", "SHUTDOWN", "SHUTDOWN NOSAVE",
		"REPLICAOF NO ONE", "SLAVEOF 127.0.0.1 1", "MIGRATE 127.0.0.1 1 k 0 1", "MODULE LIST", "MODULE LOAD x",
		"SAVE", "BGSAVE", "BGREWRITEAOF", "SWAPDB 0 1", "ACL LIST", "ACL SETUSER x", "PSYNC ? -1", "SYNC",
		"REPLCONF listening-port 1", "FAILOVER", "LATENCY DOCTOR", "MONITOR", "CLIENT PAUSE 1", "SCRIPT DEBUG YES",
	} {
		got := w.do(strings.Fields(line)...)
		if !strings.HasPrefix(got, "-ERR ") || !strings.Contains(got, "not supported") {
			t.Errorf("%s: got %q", line, got)
		}
	}
	w.wantReply("+PONG\r\n", "PING")
}

// TestFramesCutAtEveryByte sends one stream in two writes, cut at every place,
// and byte by byte.
func TestFramesCutAtEveryByte(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	const stream = "*3\r\n$3\r\nSET\r\n$3\r\nk:1\r\n$4\r\n\r\n*1\r\n" +
		"get k:1\r\n*0\r\n\r\n" +
		"*5\r\n$4\r\nMSET\r\n$3\r\nk:2\r\n$1\r\nb\r\n$3\r\nk:3\r\n$0\r\n\r\n" +
		"*4\r\n$4\r\nMGET\r\n$3\r\nk:1\r\n$3\r\nk:2\r\n$3\r\nk:3\r\n" +
		"echo \"a\\r\\nb\"\r\n*1\r\n$7\r\nCODIS.X\r\nnosuch\r\n"
	const want = "+OK\r\n$4\r\n\r\n*1\r\n+OK\r\n*3\r\n$4\r\n\r\n*1\r\n$1\r\nb\r\n$0\r\n\r\n$4\r\na\r\nb\r\n" +
		"*1\r\n$7\r\nCODIS.X\r\n-ERR unknown command 'nosuch', with args beginning with: \r\n"
	check := func(t *testing.T, w *wire, cut string) {
		t.Helper()
		got := make([]byte, len(want))
		if n, err := io.ReadFull(w.r, got); err != nil {
			t.Fatalf("cut %s: %v after %q", cut, err, got[:n])
		}
		if string(got) != want {
			t.Fatalf("cut %s: got %q", cut, got)
		}
	}
	const workers = 8
	for worker := range workers {
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			t.Parallel()
			w := dialWire(t, r)
			for cut := 1 + worker; cut < len(stream); cut += workers {
				w.send(stream[:cut])
				time.Sleep(time.Millisecond) // so that the node reads the first part by itself
				w.send(stream[cut:])
				check(t, w, fmt.Sprint(cut))
			}
		})
	}
	t.Run("byte by byte", func(t *testing.T) {
		t.Parallel()
		w := dialWire(t, r)
		for i := range len(stream) {
			w.send(stream[i : i+1])
		}
		check(t, w, "everywhere")
	})
}

// hostileBytes makes a request stream of pieces that are nearly right.
func hostileBytes(rng *rand.Rand) []byte {
	pieces := []string{
		"*", "$", "\r\n", "\n", "\r", "*1\r\n", "*2\r\n", "*3\r\n", "$1\r\n", "$3\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
		"GET", "SET", "MGET", "MSET", "DEL", "EVAL", "XREAD", "STREAMS", "SORT", "BY", "ZUNIONSTORE", "CLIENT", "LIST", "REPLY", "SKIP",
		"PING\r\n", "INFO\r\n", "CODIS.SLOTS\r\n", "HELLO 2\r\n", "COMMAND GETKEYS", "hostile", "99999999999", "-5", " ", "\"", "'", "\\x",
		"\x00", "\xff", "*3\r\n$3\r\nSET\r\n$7\r\nhostile\r\n$1\r\nx\r\n", "*2\r\n$3\r\nGET\r\n$7\r\nhostile\r\n",
		"*2\r\n$4\r\nMGET\r\n$1\r\nh\r\n", "*1\r\n$512\r\n", "*4\r\n$4\r\nEVAL\r\n", "SLOTSINFO 0 1\r\n", "QUIT\r\n", "RESET\r\n",
	}
	var b []byte
	for range 1 + rng.IntN(30) {
		switch rng.IntN(8) {
		case 0:
			for range rng.IntN(40) {
				b = append(b, byte(rng.Uint32()))
			}
		default:
			b = append(b, pieces[rng.IntN(len(pieces))]...)
		}
	}
	return b
}

// TestHostileBytes: connections send random bytes while other clients work.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	stop := time.Now().Add(1500 * time.Millisecond)
	var attackers sync.WaitGroup
	for i := range 8 {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		attackers.Go(func() {
			for time.Now().Before(stop) {
				conn, err := net.Dial("tcp", r.Addr())
				if err != nil {
					t.Errorf("dial: %v", err)
					return
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Millisecond))
				for range 1 + rng.IntN(4) {
					if _, err := conn.Write(hostileBytes(rng)); err != nil {
						break
					}
					if rng.IntN(3) == 0 {
						_, _ = conn.Read(make([]byte, 1<<10)) // some read, some don't
					}
				}
				_ = conn.Close()
			}
		})
	}
	var checkers sync.WaitGroup
	for i := range 2 {
		w := dialWire(t, r)
		checkers.Go(func() {
			for n := 0; time.Now().Before(stop); n++ {
				checkTagged(t, w, fmt.Sprintf("tag:%d:%d", i, n))
			}
		})
	}
	attackers.Wait()
	checkers.Wait()
	waitServersIdle(t, r)
	for _, s := range servers {
		if reply, err := s.Client(t).Do(t.Context(), "PING"); err != nil || reply.Text() != "PONG" {
			t.Errorf("server %s: %v", s.Addr, err)
		}
	}
	dialWire(t, r).wantReply("+PONG\r\n", "PING")
}

// checkTagged writes and reads values that belong to one tag, in one pipeline.
func checkTagged(tb testing.TB, w *wire, tag string) {
	tb.Helper()
	var b []byte
	b = resp.AppendCommandStrings(b, "MSET", tag+":a", tag, tag+":b", "b"+tag)
	b = resp.AppendCommandStrings(b, "GET", tag+":a")
	b = resp.AppendCommandStrings(b, "MGET", tag+":b", tag+":a", tag+":none")
	b = resp.AppendCommandStrings(b, "ECHO", tag)
	b = resp.AppendCommandStrings(b, "DEL", tag+":a", tag+":b")
	want := fmt.Sprintf("+OK\r\n$%[1]d\r\n%[2]s\r\n*3\r\n$%[3]d\r\nb%[2]s\r\n$%[1]d\r\n%[2]s\r\n$-1\r\n$%[1]d\r\n%[2]s\r\n:2\r\n", len(tag), tag, len(tag)+1)
	if _, err := w.conn.Write(b); err != nil {
		tb.Errorf("%s: %v", tag, err)
		return
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(w.r, got); err != nil || string(got) != want {
		tb.Errorf("%s: got %q, %v; want %q", tag, got[:n], err, want)
	}
}

// waitServersIdle fails unless no server owes a reply any more.
func waitServersIdle(tb testing.TB, r *Router) {
	tb.Helper()
	waitUntil(tb, "no request is in flight", patience, func() bool {
		servers, err := r.gatherServers(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		for _, s := range servers {
			if s.inflight > 0 {
				return false
			}
		}
		return true
	})
}
