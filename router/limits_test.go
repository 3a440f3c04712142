package router

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// live is a router whose settings a test changes.
type live struct {
	tb    testing.TB
	r     *Router
	state *topology.State
}

// newLive starts n redis-servers and a router over them, with settings as pairs of
// name and value.
func newLive(tb testing.TB, n int, cfg Config, settings ...string) *live {
	tb.Helper()
	r, servers := newCluster(tb, n, cfg)
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	v := &live{tb: tb, r: r, state: newState(tb, addrs...)}
	v.set(settings...)
	return v
}

// set changes settings and returns when every loop has them.
func (v *live) set(settings ...string) {
	v.tb.Helper()
	for i := 0; i < len(settings); i += 2 {
		v.state = apply(v.tb, v.state, topology.SettingSet{Name: settings[i], Value: settings[i+1]})
	}
	v.use(v.state)
}

// use gives the router a state and returns when every loop has it.
func (v *live) use(s *topology.State) {
	v.tb.Helper()
	v.state = s
	v.r.SetState(s)
	if err := v.r.eachLoop(v.tb.Context(), func(*loop) {}); err != nil {
		v.tb.Fatal(err)
	}
}

func array(n int, arg string) string {
	return fmt.Sprintf("*%d\r\n", n) + strings.Repeat(bulk(arg), n)
}

// TestRequestLimits: each limit lets its own size pass and refuses one more, and
// follows the settings while connections are open.
func TestRequestLimits(t *testing.T) {
	t.Parallel()
	v := newLive(t, 1, Config{})
	const mib = 1 << 20
	tests := []struct {
		name    string
		setting []string
		// over is refused with text once the setting is there; fits and, while the
		// setting is the default, over are not.
		fits, over, text string
	}{
		{"proto-max-bulk-len", []string{"proto-max-bulk-len", "1mb"},
			"*2\r\n$4\r\nECHO\r\n" + bulk(strings.Repeat("x", mib)), "*2\r\n$4\r\nECHO\r\n" + bulk(strings.Repeat("x", mib+1)), "invalid bulk length"},
		{"max-args", []string{"max-args", "64"}, array(64, "DEL"), array(65, "DEL"), "invalid multibulk length"},
		{"proto-inline-max-size", []string{"proto-inline-max-size", "1024"},
			"echo " + strings.Repeat("x", 1000) + "\r\n", "echo " + strings.Repeat("x", 1030) + "\r\n", "too big inline request"},
	}
	for _, tt := range tests { // not parallel: they share the settings
		before := dialWire(t, v.r)
		answer, closed := exchange(t, v.r.Addr(), tt.over)
		if closed || strings.HasPrefix(answer, "-") {
			t.Fatalf("%s by default: %.100q, closed %v", tt.name, answer, closed)
		}
		v.set(tt.setting...)
		if answer, closed = exchange(t, v.r.Addr(), tt.fits); closed || strings.HasPrefix(answer, "-") {
			t.Errorf("%s at the limit: %.100q, closed %v", tt.name, answer, closed)
		}
		if answer, closed = exchange(t, v.r.Addr(), tt.over); !closed || answer != protocolErrorReply(tt.text) {
			t.Errorf("%s over the limit: %.100q, closed %v", tt.name, answer, closed)
		}
		_, _ = before.conn.Write([]byte(tt.over)) // it may end before all is sent
		if got := before.read(); got != protocolErrorReply(tt.text) {
			t.Errorf("%s on an old connection: %.100q", tt.name, got)
		}
		before.wantClosed()
		v.set(tt.setting[0], mustDefault(t, tt.setting[0]))
	}
}

func mustDefault(tb testing.TB, name string) string {
	tb.Helper()
	d, ok := topology.FindSetting(name)
	if !ok {
		tb.Fatalf("no setting %q", name)
	}
	return d.Default
}

// TestLimitLoweredInsideAFrame: a limit that changes while a frame is half there
// neither hangs nor harms.
func TestLimitLoweredInsideAFrame(t *testing.T) {
	t.Parallel()
	v := newLive(t, 1, Config{})
	w := dialWire(t, v.r)
	w.send("*2\r\n$4\r\nECHO\r\n$2097152\r\n" + strings.Repeat("x", 100<<10))
	waitUntil(t, "the bytes are there", patience, func() bool { return buffered(v.r) > 0 })
	v.set("proto-max-bulk-len", "1mb")
	w.send(strings.Repeat("x", 2<<20-100<<10) + "\r\n")
	if got := w.read(); got != protocolErrorReply("invalid bulk length") && len(got) != 2<<20+12 {
		t.Errorf("got %.100q", got)
	}
	dialWire(t, v.r).wantReply("+PONG\r\n", "PING")
}

// TestQueryBufferLimit: one request that is larger closes its client; a pipeline
// that is larger does not, because its sender is made to wait.
func TestQueryBufferLimit(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	v := newLive(t, 2, Config{Logger: slog.New(log)}, "client-query-buffer-limit", "4mb")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "SET", "a", strings.Repeat("x", 3<<20))
	over := dialWire(t, v.r)
	_, _ = over.conn.Write(resp.AppendCommandStrings(nil, "SET", "b", strings.Repeat("x", 5<<20))) // it may end before all is sent
	over.wantClosed()
	if n := log.count("query buffer limit"); n != 1 {
		t.Errorf("%d log lines", n)
	}
	w.wantReply("$-1\r\n", "GET", "b")

	s := new(script)
	value := strings.Repeat("v", 1000)
	for i := range 30_000 {
		s.add("+OK\r\n", "SET", strconv.Itoa(i), value)
	}
	s.run(t, w)
}

// TestOutputBufferLimit: a client that never reads is closed at its limit. Others
// work meanwhile, and no more is kept for it than the limit and what servers owed.
func TestOutputBufferLimit(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	v := newLive(t, 2, Config{Logger: slog.New(log)}, "client-output-buffer-limit", "4mb")
	other := dialWire(t, v.r)
	const size = 100_000
	setBig(t, other, "big", size)
	never := dialWire(t, v.r)
	never.send(strings.Repeat("get big\r\n", 1000)) // 100 MB of replies
	for range 20 {
		checkTagged(t, other, "other")
	}
	waitUntil(t, "the client that does not read is closed", patience, func() bool {
		if n := buffered(v.r); n > 150<<20 {
			t.Errorf("%d bytes are buffered", n)
		}
		return v.r.clients.Load() == 1
	})
	if n := log.count("output buffer limit"); n != 1 {
		t.Errorf("%d log lines", n)
	}
	checkTagged(t, other, "other")
	waitServersIdle(t, v.r)
	waitBuffersEmpty(t, v.r)

	v.set("client-output-buffer-limit", "0") // no limit
	free := dialWire(t, v.r)
	free.send(strings.Repeat("get big\r\n", 500))
	want := int64(500 * len(bulk(strings.Repeat("x", size))))
	time.Sleep(100 * time.Millisecond) // so that replies gather
	if got, err := io.CopyN(io.Discard, free.r, want); err != nil {
		t.Errorf("without a limit: %v after %d of %d bytes", err, got, want)
	}
}

// TestOutputOfRepliesThatWait: replies that wait for an earlier one count as the
// client's output too.
func TestOutputOfRepliesThatWait(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	v := &live{tb: t, r: r, state: newState(t, servers[0].Addr, servers[1].Addr)}
	v.set("client-output-buffer-limit", "16mb")
	w := dialWire(t, r)
	slow, fast := keyOf(r, servers[0].Addr), keyOf(r, servers[1].Addr)
	setBig(t, w, fast, 1<<20)
	servers[0].Pause(t)
	defer servers[0].Continue(t)
	w.send("get " + slow + "\r\n" + strings.Repeat("get "+fast+"\r\n", 200))
	var most int64
	waitUntil(t, "the client is closed", patience, func() bool {
		most = max(most, buffered(r))
		return r.clients.Load() == 0
	})
	if most > 100<<20 {
		t.Errorf("%d bytes were buffered", most)
	}
}

// keyOf returns a key of a server's slots.
func keyOf(r *Router, addr string) string {
	t := r.table.Load()
	for i := 0; ; i++ {
		key := "key" + strconv.Itoa(i)
		if t.targets[t.slots[topology.SlotOf([]byte(key))].master].addr == addr {
			return key
		}
	}
}

// TestBackPressure: a client that asks for more than it reads, but does read, gets
// all of it, and the node never holds nearly as much.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	_ = w.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	const size, count = 1 << 20, 200
	setBig(t, w, "big", size)
	w.send(strings.Repeat("get big\r\n", count) + "quit\r\n")
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	want := int64(count*len(bulk(strings.Repeat("x", size))) + len(okText))
	if got, err := readSlowly(w.r); got != want {
		t.Errorf("got %d bytes, want %d: %v", got, want, err)
	}
	waitBuffersEmpty(t, r)
}

// TestWritesOfAClientThatDoesNotRead: a client that only sends is made to wait, not
// fed without end, and gets all once it reads.
func TestWritesOfAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	value := strings.Repeat("v", 10_000)
	w.wantReply("+OK\r\n", "SET", "a", value)
	request := bytes.Repeat(resp.AppendCommandStrings(nil, "GET", "a"), 1000)
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range 50 { // 500 MB of replies
			if _, err := w.conn.Write(request); err != nil {
				done <- err
				return
			}
			sent.Add(1000)
		}
		_, err := w.conn.Write([]byte("quit\r\n"))
		done <- err
	}()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	for range 20 {
		time.Sleep(20 * time.Millisecond) // long enough to fill any buffer without a bound
		if n := buffered(r); n > 200<<20 {
			t.Fatalf("%d bytes are buffered", n)
		}
	}
	want := int64(50_000*len(bulk(value)) + len(okText))
	if got, err := io.Copy(io.Discard, w.r); got != want || err != nil {
		t.Errorf("got %d bytes, want %d: %v", got, want, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestUnsentIsCountedDown: what a slow reader has taken in the end is not held
// against the node, though the client sends nothing more.
func TestUnsentIsCountedDown(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	w := dialWire(t, r)
	_ = w.conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	const size = 900 << 10
	setBig(t, w, "big", size)
	w.send(strings.Repeat("get big\r\n", 8))
	waitUntil(t, "bytes wait for the reader", patience, func() bool { return buffered(r) > 0 })
	for range 8 {
		w.read()
	}
	waitBuffersEmpty(t, r)
}

// TestUnauthenticatedLimits: strangers get Redis's lower limits.
func TestUnauthenticatedLimits(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{Password: "secret"})
	const auth = "auth secret\r\n"
	tests := []struct {
		name, send, want string
		closed           bool
	}{
		{"10 arguments", array(10, "PING"), noAuthText, false},
		{"11 arguments", array(11, "PING"), protocolErrorReply("unauthenticated multibulk length"), true},
		{"16 KB", "*2\r\n" + bulk("PING") + bulk(strings.Repeat("x", 16<<10)), noAuthText, false},
		{"more than 16 KB", "*2\r\n" + bulk("PING") + bulk(strings.Repeat("x", 16<<10+1)), protocolErrorReply("unauthenticated bulk length"), true},
		{"more than 16 KB behind AUTH", auth + "*2\r\n" + bulk("ECHO") + bulk(strings.Repeat("x", 20_000)), okText + bulk(strings.Repeat("x", 20_000)), false},
		{"20 arguments behind AUTH", auth + array(20, "DEL"), okText + ":0\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := dialWire(t, r)
			w.send(tt.send + "quit\r\n")
			want := tt.want
			if !tt.closed {
				want += okText
			}
			if got, err := io.ReadAll(w.r); string(got) != want {
				t.Errorf("got %.100q, want %.100q: %v", got, want, err)
			}
		})
	}
}

// TestMaxClients: one too many is told so and turned away; there is room again when
// one leaves or the limit is raised; those that are connected stay.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	v := newLive(t, 1, Config{Loops: 2}, "maxclients", "3")
	var clients []*wire
	for range 3 {
		w := dialWire(t, v.r)
		w.wantReply("+PONG\r\n", "PING")
		clients = append(clients, w)
	}
	refused := func() {
		t.Helper()
		w := dialWire(t, v.r)
		w.send("PING\r\n")
		got, err := io.ReadAll(w.r)
		if string(got) != maxClientsText || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	refused()
	refused()
	_ = clients[2].conn.Close()
	waitUntil(t, "there is room", patience, func() bool { return v.r.clients.Load() == 2 })
	w := dialWire(t, v.r)
	w.wantReply("+PONG\r\n", "PING")
	refused()
	v.set("maxclients", "4")
	dialWire(t, v.r).wantReply("+PONG\r\n", "PING")
	v.set("maxclients", "1")
	refused()
	clients[0].wantReply("+PONG\r\n", "PING")
	w.wantReply("+PONG\r\n", "PING")
	if n := v.r.rejected.Load(); n != 4 {
		t.Errorf("%d rejected, want 4", n)
	}
}

// TestOperatorsReserve: when maxclients is full, those who look after the node still
// get in, with the password; nobody else stays. The reserve has an end too.
func TestOperatorsReserve(t *testing.T) {
	t.Parallel()
	v := newLive(t, 1, Config{Password: "secret"}, "maxclients", "2")
	var full []*wire
	for range 2 {
		w := dialWire(t, v.r)
		w.wantReply("+OK\r\n", "AUTH", "secret")
		full = append(full, w)
	}
	operator := dialWire(t, v.r)
	operator.wantReply("-NOAUTH Authentication required.\r\n", "CODIS.SLOTS")
	operator.wantReply("+OK\r\n", "AUTH", "secret")
	operator.wantReply("*1\r\n$11\r\nCODIS.SLOTS\r\n", "CODIS.SLOTS")
	operator.wantReply("+OK\r\n", "CLIENT", "SETNAME", "me")
	for _, words := range [][]string{{"GET", "a"}, {"PING"}, {"NOSUCH"}, {"DBSIZE"}} {
		w := dialWire(t, v.r)
		w.wantReply("+OK\r\n", "AUTH", "secret")
		w.wantReply(maxClientsText, words...)
		w.wantClosed()
	}
	for v.r.clients.Load() < 2+adminReserve+localReserve {
		dialWire(t, v.r).wantReply("+OK\r\n", "AUTH", "secret")
	}
	if got, err := io.ReadAll(dialWire(t, v.r).r); string(got) != maxClientsText || err != nil {
		t.Errorf("beyond the reserve: got %q, %v", got, err)
	}
	v.set("maxclients", "100") // there is room: nobody is special any more
	operator.wantReply("+OK\r\n", "SET", "a", "1")
	full[0].wantReply("$1\r\n1\r\n", "GET", "a")
}

// TestDescriptors: with fewer descriptors than maxclients the node lets in as many as
// it has, and says so once.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	v := newLive(t, 1, Config{Logger: slog.New(log)}, "maxclients", "16000000")
	v.set("hold-deadline", "3s")
	if n := log.count("ulimit -n"); n != 1 {
		t.Errorf("%d warnings", n)
	}
	want := fmt.Sprint(clientFiles())
	if got := dialWire(t, v.r).do("CONFIG", "GET", "maxclients"); got != "*2\r\n"+bulk("maxclients")+bulk(want) {
		t.Errorf("got %q, want %s", got, want)
	}
}

// TestIdleTimeout: an idle client is closed, one that works or waits for a server
// is not.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 1, Config{})
	v := &live{tb: t, r: r, state: newState(t, servers[0].Addr)}
	idle, busy, waiting := dialWire(t, r), dialWire(t, r), dialWire(t, r)
	waiting.wantReply("+OK\r\n", "SET", "a", "1")
	v.set("timeout", "300ms", "backend-timeout", "1m")
	idle.wantReply("+PONG\r\n", "PING")
	servers[0].Pause(t)
	waiting.send("get a\r\n")
	closed := make(chan bool)
	go func() {
		_, _ = io.Copy(io.Discard, idle.r)
		close(closed)
	}()
	for open := true; open; {
		select {
		case <-closed:
			open = false
		case <-time.After(20 * time.Millisecond): // less than the timeout, by far
			busy.wantReply("+PONG\r\n", "PING")
		}
	}
	servers[0].Continue(t)
	waiting.wantNext("$1\r\n1\r\n")
}

// TestNodeMemoryLimit: when all buffers together are over the limit, the clients
// that hold the most are closed, and those that hold little work on.
func TestNodeMemoryLimit(t *testing.T) {
	t.Parallel()
	log := new(logRecorder)
	v := newLive(t, 2, Config{Logger: slog.New(log), Loops: 2}, "node-memory-limit", "16mb")
	small := dialWire(t, v.r)
	setBig(t, small, "big", 100_000)
	for range 4 { // each is far below its own limit
		dialWire(t, v.r).send(strings.Repeat("get big\r\n", 200))
	}
	waitUntil(t, "a client is closed for memory", patience, func() bool { return log.count("node-memory-limit") > 0 })
	for range 20 {
		checkTagged(t, small, "small")
	}
	waitUntil(t, "the node is below its limit", patience, func() bool { return buffered(v.r) < 20<<20 })
	hoarder := dialWire(t, v.r)
	_, _ = hoarder.conn.Write(resp.AppendCommandStrings(nil, "SET", "x", strings.Repeat("x", 40<<20)))
	hoarder.wantClosed()
	checkTagged(t, small, "small")
}

// TestUnixSocket: clients of the Unix socket get the same.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "codis.sock")
	r, _ := newCluster(t, 1, Config{Unix: path})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "set a 1\r\nget a\r\nclient info\r\nquit\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "+OK\r\n$1\r\n1\r\n$") || !strings.Contains(string(got), "addr="+path+":0 ") {
		t.Errorf("got %q, %v", got, err)
	}
	dialWire(t, r).wantReply("$1\r\n1\r\n", "GET", "a")
}
