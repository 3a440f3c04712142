package router

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// keysOf returns n keys of one group, each with the prefix.
func keysOf(r *Router, group, n int, prefix string) []string {
	t := r.table.Load()
	keys := make([]string, 0, n)
	for i := 0; len(keys) < n; i++ {
		key := fmt.Sprintf("%s%d", prefix, i)
		if owner := t.slots[topology.SlotOf([]byte(key))]; owner != nil && owner.group == group {
			keys = append(keys, key)
		}
	}
	return keys
}

// withSettings returns the state with settings changed: name, value, name, value.
func withSettings(tb testing.TB, s *topology.State, pairs ...string) *topology.State {
	tb.Helper()
	for i := 0; i < len(pairs); i += 2 {
		s = apply(tb, s, topology.SettingSet{Name: pairs[i], Value: pairs[i+1]})
	}
	return s
}

// dialClient opens a blocking client to the router, for use on any goroutine.
func dialClient(tb testing.TB, r *Router) *resp.Client {
	tb.Helper()
	c, err := resp.Dial(context.Background(), resp.ClientOptions{Addr: r.Addr(), Timeout: 20 * time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func TestBackendKilledAndReturned(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	clients, stop := startTagged(t, r, servers[0].Addr, 6)
	waitServed(t, clients, time.Now(), 10*time.Second)
	for _, away := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second} {
		servers[0].Kill()
		time.Sleep(away) // how long the server is away
		servers[0].Restart(t)
		back := time.Now()
		// backoffMax and a little: the machine is busy with the clients.
		waitServed(t, clients, back, backoffMax+2*time.Second)
		t.Logf("away for %v: served %v after its return", away, time.Since(back))
	}
	stop()
	var errors int64
	for _, c := range clients {
		errors += c.errors.Load()
	}
	if errors == 0 {
		t.Error("no client noticed that the server was away")
	}
}

func TestBackendPaused(t *testing.T) {
	t.Parallel()
	servers := []*resptest.Server{resptest.StartRedis(t), resptest.StartRedis(t)}
	state := withSettings(t, newState(t, servers[0].Addr, servers[1].Addr), "backend-timeout", "300ms")
	r := newRouter(t, Config{}, state)
	w, other := dialWire(t, r), dialWire(t, r)
	mine, theirs := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
	w.wantReply("+OK\r\n", "SET", mine, "1")
	other.wantReply("+OK\r\n", "SET", theirs, "2")

	servers[0].Pause(t)
	start := time.Now()
	w.send("GET " + mine + "\r\nINCR " + mine + "\r\n")
	other.wantReply("$1\r\n2\r\n", "GET", theirs)
	if wait := time.Since(start); wait > 250*time.Millisecond {
		t.Errorf("the other group waited %v for the paused server", wait)
	}
	want := "-ERR group 1 server " + servers[0].Addr + ": no answer in time, outcome unknown\r\n"
	for range 2 {
		if got := w.read(); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if wait := time.Since(start); wait < 300*time.Millisecond {
		t.Errorf("timed out after %v already", wait)
	}

	servers[0].Continue(t)
	waitUntil(t, "the server answers again", 5*time.Second, func() bool {
		return w.do("SET", mine, "3") == "+OK\r\n"
	})
	w.wantReply("$1\r\n3\r\n", "GET", mine)
	w.wantReply("$2\r\nhi\r\n", "ECHO", "hi")
}

// newHalfFake starts a router whose group 1 is a fake and group 2 a real server.
func newHalfFake(t *testing.T, script fakeScript, settings ...string) (*Router, *fakeServer) {
	t.Helper()
	real := resptest.StartRedis(t)
	fake := startFake(t, script)
	return newRouter(t, Config{}, withSettings(t, newState(t, fake.addr, real.Addr), settings...)), fake
}

// TestBackendMisbehaves has one server answer badly: only the requests that wait
// for it get an error, and the next ones go over a new connection.
func TestBackendMisbehaves(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]struct {
		act  func(conn net.Conn) bool
		want string // of the error, behind the server's address
	}{
		"garbage":         {func(c net.Conn) bool { return say(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "unexpected bytes from the server"},
		"bad length":      {func(c net.Conn) bool { return say(c, "$99999999999999999999\r\n") }, "unexpected bytes from the server"},
		"negative length": {func(c net.Conn) bool { return say(c, "*-7\r\n") }, "unexpected bytes from the server"},
		"closes at once":  {func(net.Conn) bool { return false }, "connection lost before the reply"},
		"closes in a bulk string": {func(c net.Conn) bool { return say(c, "$10\r\nabc") && false },
			"connection lost before the reply"},
		"closes in an array": {func(c net.Conn) bool { return say(c, "*3\r\n$1\r\na\r\n$1\r\n") && false },
			"connection lost before the reply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var behave atomic.Bool
			r, fake := newHalfFake(t, fakeScript{command: func(conn net.Conn, args []string) bool {
				if behave.Load() {
					return say(conn, "$4\r\ngood\r\n")
				}
				return bad.act(conn)
			}})
			w, other := dialWire(t, r), dialWire(t, r)
			mine, theirs := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
			other.wantReply("+OK\r\n", "SET", theirs, "1")
			got := w.do("GET", mine)
			if !strings.HasPrefix(got, "-ERR group 1 server "+fake.addr+": "+bad.want) {
				t.Errorf("got %q", got)
			}
			other.wantReply("$1\r\n1\r\n", "GET", theirs)
			w.wantReply("$1\r\n1\r\n", "GET", theirs)
			behave.Store(true)
			waitUntil(t, "a new connection", 5*time.Second, func() bool { return w.do("GET", mine) == "$4\r\ngood\r\n" })
		})
	}
}

// TestBackendReplyInPieces has replies arrive one byte at a time.
func TestBackendReplyInPieces(t *testing.T) {
	t.Parallel()
	replies := []string{"$5\r\nhello\r\n", "*2\r\n$1\r\na\r\n*1\r\n:5\r\n", "-ERR no\r\n", "$-1\r\n", "*0\r\n", ":-12\r\n", "+OK\r\n"}
	next := 0 // of the fake's only connection
	r, _ := newHalfFake(t, fakeScript{command: func(conn net.Conn, args []string) bool {
		reply := replies[next]
		next++
		for i := range reply {
			if !say(conn, reply[i:i+1]) {
				return false
			}
			time.Sleep(100 * time.Microsecond) // else the kernel puts the pieces together
		}
		return true
	}})
	w := dialWire(t, r)
	key := keysOf(r, 1, 1, "a")[0]
	w.send(strings.Repeat("GET "+key+"\r\n", len(replies)))
	for _, want := range replies {
		if got := w.read(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestBackendUnaskedReply has a server send a reply that nobody waits for: the
// connection is given up, so that the next request does not get it.
func TestBackendUnaskedReply(t *testing.T) {
	t.Parallel()
	r, fake := newHalfFake(t, fakeScript{command: func(conn net.Conn, args []string) bool {
		return say(conn, "$1\r\n"+args[1][:1]+"\r\n$5\r\nwrong\r\n")
	}})
	w := dialWire(t, r)
	for _, key := range keysOf(r, 1, 20, "a") {
		waitUntil(t, "an answer", 5*time.Second, func() bool {
			got := w.do("GET", key)
			if strings.Contains(got, "wrong") {
				t.Fatalf("%s: got the reply that nobody asked for", key)
			}
			return got == "$1\r\na\r\n"
		})
	}
	if fake.accepts.Load() < 2 {
		t.Error("the connection was kept after an unasked reply")
	}
}

func TestBackendPassword(t *testing.T) {
	t.Parallel()
	locked, open := resptest.StartRedis(t, "--requirepass", "s3cret-right"), resptest.StartRedis(t)
	state := newState(t, locked.Addr, open.Addr)
	r := newRouter(t, Config{}, state)
	w := dialWire(t, r)
	mine, theirs := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]

	prefix := "-ERR group 1 server " + locked.Addr + ": "
	if got := w.do("GET", mine); !strings.HasPrefix(got, prefix) || !strings.Contains(got, "NOAUTH") {
		t.Errorf("no password: got %q", got)
	}
	w.wantReply("$-1\r\n", "GET", theirs)

	wrong := apply(t, state, topology.GroupAuth{Group: 1, Auth: &topology.Credentials{Password: "s3cret-wrong"}})
	r.SetState(wrong)
	var got string
	waitUntil(t, "an error of AUTH", 5*time.Second, func() bool {
		got = w.do("GET", mine)
		return strings.Contains(got, "AUTH: ")
	})
	if !strings.HasPrefix(got, prefix) || !strings.Contains(got, "wrong user or password") || strings.Contains(got, "s3cret") {
		t.Errorf("wrong password: got %q", got)
	}
	r.SetState(apply(t, wrong, topology.GroupAuth{Group: 1, Auth: &topology.Credentials{Password: "s3cret-right"}}))
	waitUntil(t, "an answer", 5*time.Second, func() bool { return w.do("SET", mine, "1") == "+OK\r\n" })
	w.wantReply("$-1\r\n", "GET", theirs)
}

// TestBackendDiesWhileOpening queues requests on a connection that never opens.
func TestBackendDiesWhileOpening(t *testing.T) {
	t.Parallel()
	for name, accepted := range map[string]func(conn net.Conn) bool{
		"closes":           func(net.Conn) bool { return false },
		"closes later":     func(net.Conn) bool { time.Sleep(50 * time.Millisecond); return false },
		"half an answer":   func(c net.Conn) bool { return say(c, "+O") && false },
		"says what it is":  func(c net.Conn) bool { return say(c, "SSH-2.0-OpenSSH_9.6\r\n") && false },
		"answers too much": func(c net.Conn) bool { return say(c, "+OK\r\n:1\r\n+OK\r\n+OK\r\n") },
		"never says a word": func(c net.Conn) bool {
			_, _ = c.Read(make([]byte, 1024))
			time.Sleep(300 * time.Millisecond)
			return false
		},
		"refuses CLIENT": func(c net.Conn) bool { return say(c, "-LOADING Redis is loading the dataset in memory\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, fake := newHalfFake(t, fakeScript{accepted: accepted, command: func(c net.Conn, _ []string) bool { return say(c, "+?\r\n") }},
				"backend-dial-timeout", "100ms")
			w := dialWire(t, r)
			mine, theirs := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
			w.send(strings.Repeat("GET "+mine+"\r\nGET "+theirs+"\r\n", 50))
			prefix := "-ERR group 1 server " + fake.addr + ": "
			for range 50 {
				if got := w.read(); !strings.HasPrefix(got, prefix) || strings.Count(got, fake.addr) != 1 {
					t.Fatalf("got %q", got)
				}
				if got := w.read(); got != "$-1\r\n" {
					t.Fatalf("other group: got %q", got)
				}
			}
		})
	}
}

// TestBackendBackoff hammers a server that can't be used: the attempts to connect
// get fewer, whatever way it fails.
func TestBackendBackoff(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]fakeScript{
		"closes when it has accepted": {accepted: func(net.Conn) bool { return false }},
		"closes at the first command": {command: func(net.Conn, []string) bool { return false }},
		"garbage to every command":    {command: func(c net.Conn, _ []string) bool { return say(c, "?\r\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, fake := newHalfFake(t, script)
			w := dialWire(t, r)
			key := keysOf(r, 1, 1, "a")[0]
			asked := 0
			for start := time.Now(); time.Since(start) < time.Second; asked++ {
				if got := w.do("GET", key); !strings.HasPrefix(got, "-ERR group 1 server "+fake.addr) {
					t.Fatalf("got %q", got)
				}
			}
			// At 0, 50, 150, 350, 750 ms and perhaps one more; and for each that broke with
			// a request under way one that makes sure of that request.
			if n := fake.accepts.Load(); n < 2 || n > 14 {
				t.Errorf("%d connections in a second, for %d requests", n, asked)
			}
		})
	}
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		r := newRouter(t, Config{}, newState(t, fmt.Sprintf("127.0.0.1:%d", resptest.FreePort(t))))
		w := dialWire(t, r)
		for start := time.Now(); time.Since(start) < time.Second; {
			if got := w.do("GET", "a"); !strings.Contains(got, "connection refused") {
				t.Fatalf("got %q", got)
			}
		}
		v, err := r.gather(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for addr, s := range v.servers {
			if s.dials < 2 || s.dials > 7 {
				t.Errorf("%d dials of %s in a second", s.dials, addr)
			}
		}
	})
}
