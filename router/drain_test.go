package router

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codis/router/resp/resptest"
)

// TestStopDelivers: what is under way when the router stops is answered first.
func TestStopDelivers(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	var clients []*wire
	var scripts []*script
	for range 6 {
		clients = append(clients, dialWire(t, r))
	}
	idle := dialWire(t, r)
	idle.wantReply("+PONG\r\n", "PING")
	setBig(t, idle, "big", 8<<20)
	for _, s := range servers {
		s.Pause(t)
	}
	for i, w := range clients {
		s := mixed(200, string(rune('a'+i)))
		w.send(string(s.send))
		scripts = append(scripts, s)
	}
	clients[0].send("get big\r\n") // larger than the kernel's buffers: the reader is waited for
	waitUntil(t, "all is with the servers", patience, func() bool {
		stats, err := r.gatherServers(t.Context())
		sum := 0
		for _, s := range stats {
			sum += s.inflight
		}
		return err == nil && sum > 200
	})
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- r.Stop(ctx)
	}()
	waitUntil(t, "the port is closed", patience, func() bool { return !connects(r.Addr()) })
	if ok, why := r.Ready(); ok || why == "" {
		t.Errorf("Ready: %v, %q", ok, why)
	}
	for _, s := range servers {
		s.Continue(t)
	}
	for i, w := range clients {
		got := make([]byte, len(scripts[i].want))
		n, err := io.ReadFull(w.r, got)
		scripts[i].compare(t, got[:n], err)
	}
	if got := clients[0].read(); len(got) < 8<<20 {
		t.Errorf("%d bytes of the large reply", len(got))
	}
	for _, w := range append(clients, idle) {
		if rest, err := io.ReadAll(w.r); err != nil || len(rest) > 0 {
			t.Errorf("after the replies: %q, %v", rest, err)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func connects(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// TestStopIsBounded: servers that do not answer, readers that do not read and admin
// commands that wait do not keep a router from stopping.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	setBig(t, dialWire(t, r), "big", 16<<20)
	never := dialWire(t, r)
	never.send("get big\r\nget big\r\n")
	waitUntil(t, "replies wait for the reader", patience, func() bool { return buffered(r) > 1<<20 })
	for _, s := range servers {
		s.Pause(t)
	}
	for range 10 {
		dialWire(t, r).send("set a 1\r\nget a\r\ninfo keyspace\r\n")
	}
	dialWire(t, r).send("info keyspace\r\n")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if n := r.clients.Load(); n != 0 {
		t.Errorf("%d clients are left", n)
	}
}

// TestDrain: clients leave where nothing of theirs is under way: an idle one at
// once, one with a request at its server with the reply, one in the middle of a
// request after it, and no client in the middle of a pipeline.
func TestDrain(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	if ok, why := r.Ready(); !ok {
		t.Fatalf("not ready: %s", why)
	}
	idle, waiting, half := dialWire(t, r), dialWire(t, r), dialWire(t, r)
	key := keysOf(r, 1, 1, "k")[0]
	waiting.wantReply("+OK\r\n", "SET", key, "v")
	idle.wantReply("+PONG\r\n", "PING")
	half.send("*2\r\n$3\r\nGET\r\n$")
	servers[0].Pause(t)
	waiting.send("GET " + key + "\r\n")
	waitInflight(t, r, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.Drain(context.Background())
		r.Drain(context.Background())
	}()
	idle.wantClosed()
	if ok, why := r.Ready(); ok || !strings.Contains(why, "shutting down") {
		t.Errorf("Ready: %v, %q", ok, why)
	}
	if connects(r.Addr()) {
		t.Error("a new client was let in")
	}
	waiting.send("PING\r\nEXISTS " + key + "\r\n")
	servers[0].Continue(t)
	for _, want := range []string{"$1\r\nv\r\n", drainingText, ":1\r\n"} {
		waiting.wantNext(want)
	}
	waiting.wantClosed()
	half.send("4\r\nnone\r\n")
	half.wantNext("$-1\r\n")
	half.wantClosed()
	<-drained
}

// TestDrainDelay: for drain-delay the node serves, old clients and new ones, but
// says to those who ask that it is about to go.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	v := newLive(t, 1, Config{}, "drain-delay", "1m")
	old := dialWire(t, v.r)
	old.wantReply("+PONG\r\n", "PING")
	ctx, cancel := context.WithCancel(context.Background())
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		v.r.Drain(ctx)
	}()
	waitUntil(t, "readiness is off", patience, func() bool { ok, _ := v.r.Ready(); return !ok })
	for _, w := range []*wire{old, dialWire(t, v.r)} {
		w.wantReply(drainingText, "PING")
		w.wantReply("+OK\r\n", "SET", "k", "v")
	}
	cancel()
	<-drained
	if connects(v.r.Addr()) {
		t.Error("a new client was let in after the delay")
	}
}

// TestStopInAPipeline: a client that never comes to a boundary is stopped in the
// middle of what it sends. All replies to what was taken reach it, in order, and
// then the end, not a reset.
func TestStopInAPipeline(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "n", "0")
	ended := make(chan struct{})
	go func() { // until the node does not read any more
		defer close(ended)
		batch := strings.Repeat("INCR n\r\n", 1000)
		for {
			if _, err := io.WriteString(w.conn, batch); err != nil {
				return
			}
		}
	}()
	got := 0
	stopped := make(chan error, 1)
	for {
		line, err := w.r.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d replies: %v", got, err)
		}
		if got++; line != ":"+strconv.Itoa(got)+"\r\n" {
			t.Fatalf("reply %d is %q", got, line)
		}
		if got == 5000 {
			go func() { stopped <- r.Stop(context.Background()) }()
		}
	}
	_ = w.conn.Close()
	<-ended
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestStopWhileConnecting: clients and servers that are being connected when the
// router stops neither hang it nor stay.
func TestStopWhileConnecting(t *testing.T) {
	t.Parallel()
	servers := startNamed(t, "a", "b")
	for round := range 15 {
		r := newRouter(t, Config{Loops: 2}, newState(t, servers[0].Addr, servers[1].Addr))
		addr := r.Addr()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 200 {
					conn, err := net.Dial("tcp", addr)
					if err != nil {
						return
					}
					defer conn.Close() // not before the router has closed it
					_ = conn.SetDeadline(time.Now().Add(patience))
					_, _ = io.WriteString(conn, "select 3\r\nget who\r\nmget a b c d\r\ncodis.x\r\nselect 4\r\nget who\r\n")
					wg.Go(func() {
						if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
							t.Error("a client was left open")
						}
					})
				}
			})
		}
		time.Sleep(time.Duration(round) * time.Millisecond) // another moment each round
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- errors.Join(r.Stop(ctx), ctx.Err())
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		case <-time.After(2 * patience):
			t.Fatal("Stop hangs")
		}
		wg.Wait()
		if n := r.clients.Load(); n != 0 {
			t.Errorf("%d clients are left", n)
		}
	}
}

// TestStopLeavesNothing: no goroutine, no descriptor. Not parallel: it counts those
// of the process.
func TestStopLeavesNothing(t *testing.T) {
	resptest.CheckLeaks(t)
	servers := startNamed(t, "a", "b")
	before := descriptors(t)
	for range 5 {
		r := newRouter(t, Config{Loops: 3, Unix: filepath.Join(t.TempDir(), "s")}, newState(t, servers[0].Addr, servers[1].Addr))
		for i := range 10 {
			w := dialWire(t, r)
			checkTagged(t, w, "tag")
			switch i % 5 {
			case 0:
				w.send("*x\r\n")
			case 1:
				w.send("get a\r\n*2\r\n$3")
			case 2:
				_ = w.conn.Close()
			case 3:
				w.send("codis.x\r\ninfo\r\n")
			}
			defer w.conn.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		if err := r.Stop(context.Background()); err != nil {
			t.Errorf("second stop: %v", err)
		}
		if _, err := os.Stat(r.cfg.Unix); err == nil {
			t.Error("the socket's file is left")
		}
	}
	// 40 client ends are still open on the test's side.
	const own = 50 - 10
	waitUntil(t, "descriptors are closed", patience, func() bool { return descriptors(t)-before <= own })
}

func descriptors(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skipf("the descriptors of the process can't be counted here: %v", err)
	}
	return len(entries)
}

// TestStopOfARouterThatNeverRan: Stop is for every state.
func TestStopOfARouterThatNeverRan(t *testing.T) {
	t.Parallel()
	r, err := New(Config{Addr: "127.0.0.1:0"}, echoAdmin{})
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := r.Ready(); ok || why == "" {
		t.Errorf("Ready: %v, %q", ok, why)
	}
	r.SetState(newState(t, "127.0.0.1:1"))
	r.SetHealth(nil)
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- errors.Join(r.Stop(ctx), ctx.Err())
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * patience):
		t.Fatal("Stop hangs")
	}
}

// TestStartErrors: each names the flag and the address, and leaves nothing open.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	busyTCP, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busyTCP.Close()
	busyUnix, err := net.Listen("unix", path("busy"))
	if err != nil {
		t.Fatal(err)
	}
	defer busyUnix.Close()
	if err := os.WriteFile(path("file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	crowded(t, path("crowded"))
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"port in use", Config{Addr: busyTCP.Addr().String()}, []string{"--addr", busyTCP.Addr().String(), "in use"}},
		{"foreign address", Config{Addr: "192.0.2.1:0"}, []string{"--addr", "192.0.2.1:0"}},
		{"socket in use", Config{Unix: path("busy")}, []string{"--unix", path("busy"), "another process"}},
		{"socket in use by somebody who is busy", Config{Unix: path("crowded")}, []string{"--unix", path("crowded")}},
		{"a regular file", Config{Unix: path("file")}, []string{"--unix", path("file"), "in use"}},
		{"a directory", Config{Unix: dir}, []string{"--unix", dir}},
		{"no such directory", Config{Unix: path("none/s")}, []string{"--unix", path("none/s")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cfg.Addr == "" {
				tt.cfg.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(resptest.FreePort(t)))
			}
			r, err := New(tt.cfg, echoAdmin{})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Start(context.Background())
			if err == nil {
				_ = r.Stop(context.Background())
				t.Fatal("it started")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if tt.cfg.Unix != "" && connects(tt.cfg.Addr) {
				t.Error("the client port is left open")
			}
			if err := r.Stop(context.Background()); err != nil {
				t.Errorf("stop after it: %v", err)
			}
		})
	}
	if got, err := os.ReadFile(path("file")); string(got) != "precious" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	for _, name := range []string{"busy", "crowded"} {
		if _, err := os.Stat(path(name)); err != nil {
			t.Errorf("the socket of another process is gone: %v", err)
		}
	}
}

// crowded listens on a Unix socket and lets its queue be full, so that a connection
// is refused though somebody is there.
func crowded(tb testing.TB, path string) {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		tb.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		tb.Fatal(err)
	}
	for range 10 {
		c, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = unix.Close(c) })
		if unix.Connect(c, &unix.SockaddrUnix{Name: path}) == unix.EAGAIN {
			return
		}
	}
	tb.Fatal("the queue does not fill")
}

// TestDeadSocketIsReplaced: a killed process leaves its socket's file behind.
func TestDeadSocketIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dead")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = ln.Close()
	newRouter(t, Config{Unix: path}, nil)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "ping\r\nquit\r\n")
	if got, err := io.ReadAll(conn); string(got) != "+PONG\r\n+OK\r\n" {
		t.Errorf("got %q, %v", got, err)
	}
}
