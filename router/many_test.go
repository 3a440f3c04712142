package router

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codis/router/resp/resptest"
)

const (
	// manyClients is what the default of maxclients lets in.
	manyClients = 10_000
	// spareFiles is what the test leaves of the process's descriptors.
	spareFiles = 1000
)

// rawClient is a blocking client socket without any of Go's memory for it, so that
// what a connection costs is what it costs the router.
type rawClient int

func dialRaw(tb testing.TB, addr string) rawClient {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		tb.Fatal(err)
	}
	unix.CloseOnExec(fd)
	to := netip.MustParseAddrPort(addr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		_ = unix.Close(fd)
		tb.Fatal(err)
	}
	patience := unix.Timeval{Sec: 20}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		tb.Fatal(err)
	}
	return rawClient(fd)
}

func (c rawClient) send(tb testing.TB, text string) {
	tb.Helper()
	if n, err := unix.Write(int(c), []byte(text)); err != nil || n != len(text) {
		tb.Fatalf("write: %d, %v", n, err)
	}
}

func (c rawClient) want(tb testing.TB, reply string) {
	tb.Helper()
	var buf [256]byte
	got := ""
	for len(got) < len(reply) {
		n, err := unix.Read(int(c), buf[:])
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			tb.Fatalf("read: %v after %q", err, got)
		}
		got += string(buf[:n])
	}
	if got != reply {
		tb.Fatalf("got %q, want %q", got, reply)
	}
}

// liveBytes are the bytes of heap and stacks that are in use after a collection.
func liveBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers of the first let go of
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// affordable is how many clients this process has descriptors for: each takes one
// at either end.
func affordable(tb testing.TB) int {
	tb.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		tb.Fatal(err)
	}
	n := manyClients
	if most := (int64(limit.Cur) - spareFiles) / 2; most < manyClients {
		n = int(most)
		tb.Logf("%d clients instead of %d: the process may open %d files", n, manyClients, limit.Cur)
	}
	return n
}

// TestManyClients is not parallel: it measures memory and takes most descriptors.
func TestManyClients(t *testing.T) {
	r, servers := newCluster(t, 2, Config{Loops: 2})
	n := affordable(t)
	one, two := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
	warm := dialWire(t, r) // so that the backends' connections are there
	for range 4 {
		warm.wantReply("+OK\r\n", "MSET", one, "1", two, "2")
	}
	n -= 10
	goroutines, before := runtime.NumGoroutine(), liveBytes()

	clients := make([]rawClient, 0, n)
	defer func() {
		for _, c := range clients {
			_ = unix.Close(int(c))
		}
	}()
	for i := range n {
		clients = append(clients, dialRaw(t, r.Addr()))
		if i%500 == 499 { // the listener's queue is not endless
			waitClients(t, r, len(clients)+1)
		}
	}
	waitClients(t, r, n+1)
	for round := range 3 {
		for i, c := range clients {
			key := one
			if (i+round)%2 == 0 {
				key = two
			}
			c.send(t, fmt.Sprintf("*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n*2\r\n$4\r\nECHO\r\n$6\r\n%06d\r\n", len(key), key, i))
		}
		for i, c := range clients {
			value := "1"
			if (i+round)%2 == 0 {
				value = "2"
			}
			c.want(t, fmt.Sprintf("$1\r\n%s\r\n$6\r\n%06d\r\n", value, i))
		}
	}
	if more := runtime.NumGoroutine() - goroutines; more > 20 {
		t.Errorf("%d goroutines more for %d clients", more, n)
	}
	each := (liveBytes() - before - int64(8*cap(clients))) / int64(n)
	t.Logf("%d idle clients, %d bytes of heap and stack each", n, each)
	if each >= 4096 {
		t.Errorf("an idle client takes %d bytes", each)
	}
	total, err := r.gatherServers(context.Background())
	if err != nil || total[servers[0].Addr].ready != 2 || total[servers[1].Addr].ready != 2 {
		t.Errorf("connections to servers: %v, %v", total, err)
	}
	if got := strings.Count(bulkText(t, warm.do("CLIENT", "LIST")), "\n"); got != n+1 {
		t.Errorf("CLIENT LIST has %d lines for %d clients", got, n+1)
	}

	for _, c := range clients {
		_ = unix.Close(int(c))
	}
	clients = clients[:0]
	waitClients(t, r, 1)
	warm.wantReply("$1\r\n1\r\n", "GET", one)
	sessions := 0
	if err := r.eachLoop(context.Background(), func(l *loop) { sessions += len(l.sessions) }); err != nil || sessions != 1 {
		t.Errorf("%d sessions are left, %v", sessions, err)
	}
}

func waitClients(t *testing.T, r *Router, n int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d clients", n), 30*time.Second, func() bool { return int(r.clients.Load()) == n })
}

// TestLoops has the same work done by one loop and by several.
func TestLoops(t *testing.T) {
	t.Parallel()
	servers := []string{resptest.StartRedis(t).Addr, resptest.StartRedis(t).Addr}
	for _, loops := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(loops), func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, Config{Loops: loops, Unix: t.TempDir() + "/s"}, newState(t, servers...))
			var clients []*wire
			for i := range 3 * loops {
				network, addr := "tcp", r.Addr()
				if i%2 == 1 {
					network, addr = "unix", r.cfg.Unix
				}
				w := dialNetwork(t, network, addr)
				clients = append(clients, w)
			}
			for i, w := range clients {
				key := fmt.Sprintf("%d.%d", loops, i)
				w.wantReply("+OK\r\n", "MSET", key+"a", key, key+"b", key, key+"c", "x")
				w.wantReply(fmt.Sprintf("*3\r\n$%d\r\n%s\r\n$1\r\nx\r\n$%d\r\n%s\r\n", len(key), key, len(key), key), "MGET", key+"a", key+"c", key+"b")
				w.wantReply("+OK\r\n", "CLIENT", "SETNAME", key)
			}
			waitClients(t, r, len(clients))
			used := 0
			if err := r.eachLoop(t.Context(), func(l *loop) {
				if len(l.sessions) > 0 {
					used++
				}
			}); err != nil || used != loops {
				t.Errorf("%d of %d loops have clients, %v", used, loops, err)
			}
			if lines := clients[0].clientList(); len(lines) != len(clients) {
				t.Errorf("%d clients are listed, want %d", len(lines), len(clients))
			}
		})
	}
}
