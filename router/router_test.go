package router

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// echoAdmin answers CODIS.* with what it was asked.
type echoAdmin struct{}

func (echoAdmin) ServeRESP(_ context.Context, caller string, args [][]byte) []byte {
	b := resp.AppendArray(nil, len(args))
	for _, arg := range args {
		b = resp.AppendBulk(b, arg)
	}
	return b
}

// ServeReadOnly says who asks.
func (echoAdmin) ServeReadOnly(context.Context, string, [][]byte) []byte {
	return []byte("-NOPERM\r\n")
}

// newState makes a topology with the given masters as groups 1, 2, ... and all
// slots spread over them.
func newState(tb testing.TB, masters ...string) *topology.State {
	tb.Helper()
	s := topology.NewState()
	s = apply(tb, s, topology.ClusterInit{ClusterID: "c1", Format: topology.StateFormat, Node: topology.Node{ID: "n1", Incarnation: "i1", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2", HTTPAddr: "127.0.0.1:3", Voter: true}})
	for i, addr := range masters {
		s = apply(tb, s, topology.GroupAdd{ID: i + 1, Servers: []topology.Server{{Addr: addr, Version: "7.0.15"}}})
	}
	if len(masters) > 0 {
		plan, err := topology.PlanAssignAuto(s)
		if err != nil {
			tb.Fatal(err)
		}
		s = apply(tb, s, topology.SlotsAssign{Ranges: plan})
	}
	return s
}

// apply returns the state after one command.
func apply(tb testing.TB, s *topology.State, body topology.Body) *topology.State {
	tb.Helper()
	next, outcome := topology.Apply(s, s.Epoch+1, topology.Command{Who: "test", Body: body})
	if err := outcome.Err(); err != nil {
		tb.Fatalf("apply %T: %v", body, err)
	}
	return next
}

// routers numbers the routers of this test binary.
var routers atomic.Int64

// newRouter starts a router with a state; it is stopped at the end of the test.
func newRouter(tb testing.TB, cfg Config, state *topology.State) *Router {
	tb.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.NodeID == "" { // another process of a node ends its predecessor's connections
		cfg.NodeID = fmt.Sprint("test", routers.Add(1))
	}
	cfg.Host = "127.0.0.1"
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	r, err := New(cfg, echoAdmin{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			tb.Errorf("stop: %v", err)
		}
	})
	if err := r.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	if state != nil {
		r.SetState(state)
	}
	return r
}

// newCluster starts n redis-servers and a router over them.
func newCluster(tb testing.TB, n int, cfg Config) (*Router, []*resptest.Server) {
	tb.Helper()
	var servers []*resptest.Server
	var addrs []string
	for range n {
		s := resptest.StartRedis(tb)
		servers = append(servers, s)
		addrs = append(addrs, s.Addr)
	}
	return newRouter(tb, cfg, newState(tb, addrs...)), servers
}

// wire is a raw client connection, for what no client library sends.
type wire struct {
	tb   testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dialWire(tb testing.TB, r *Router) *wire {
	tb.Helper()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &wire{tb: tb, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

func (w *wire) send(bytes string) {
	w.tb.Helper()
	if _, err := io.WriteString(w.conn, bytes); err != nil {
		w.tb.Fatalf("send: %v", err)
	}
}

// read returns one reply as it came, nested ones whole.
func (w *wire) read() string {
	w.tb.Helper()
	var b strings.Builder
	for left := 1; left > 0; left-- {
		line, err := w.r.ReadString('\n')
		if err != nil {
			w.tb.Fatalf("read: %v after %q", err, b.String())
		}
		b.WriteString(line)
		n := 0
		for _, c := range line[1 : len(line)-2] {
			if c < '0' || c > '9' {
				n = 0
				break
			}
			n = n*10 + int(c-'0')
		}
		switch {
		case line[0] == '*' && line[1] != '-':
			left += n
		case line[0] == '$' && line[1] != '-':
			bulk := make([]byte, n+2)
			if _, err := io.ReadFull(w.r, bulk); err != nil {
				w.tb.Fatalf("read bulk: %v", err)
			}
			b.Write(bulk)
		}
	}
	return b.String()
}

// do sends one command made of words and returns its reply.
func (w *wire) do(words ...string) string {
	w.tb.Helper()
	w.send(string(resp.AppendCommandStrings(nil, words...)))
	return w.read()
}

// wantReply fails unless the command is answered with want.
func (w *wire) wantReply(want string, words ...string) {
	w.tb.Helper()
	if got := w.do(words...); got != want {
		w.tb.Fatalf("%q: got %q, want %q", words, got, want)
	}
}

// wantClosed fails unless the peer closes the connection.
func (w *wire) wantClosed() {
	w.tb.Helper()
	rest, err := io.ReadAll(w.r)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		w.tb.Fatalf("still open after %q", rest)
	}
}

func TestBasics(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	w.wantReply("+PONG\r\n", "PING")
	w.wantReply("$2\r\nhi\r\n", "ping", "hi")
	w.wantReply("+OK\r\n", "SET", "a", "1")
	w.wantReply("$1\r\n1\r\n", "GET", "a")
	w.wantReply("+OK\r\n", "MSET", "a", "x", "b", "y", "c", "z", "d", "w")
	w.wantReply("*5\r\n$1\r\nx\r\n$1\r\ny\r\n$-1\r\n$1\r\nz\r\n$1\r\nw\r\n", "MGET", "a", "b", "nope", "c", "d")
	w.wantReply(":4\r\n", "EXISTS", "a", "b", "c", "d", "e")
	w.wantReply(":4\r\n", "DBSIZE")
	w.wantReply(":3\r\n", "DEL", "a", "b", "c", "zz")
	w.wantReply("-CROSSSLOT Keys in request don't hash to the same slot\r\n", "SUNION", "a", "b")
	w.wantReply("*2\r\n$11\r\nCODIS.SLOTS\r\n$1\r\n5\r\n", "CODIS.SLOTS", "5")
	w.wantReply("+OK\r\n", "FLUSHALL")
	w.wantReply(":0\r\n", "DBSIZE")
	w.wantReply("-ERR unknown command 'nosuch', with args beginning with: 'x' \r\n", "nosuch", "x")
	w.wantReply("+OK\r\n", "SELECT", "3")
	w.wantReply("+OK\r\n", "SET", "a", "db3")
	w.wantReply("+OK\r\n", "SELECT", "0")
	w.wantReply("$-1\r\n", "GET", "a")
	w.wantReply("-ERR DB index is out of range\r\n", "SELECT", "16")
	w.send("set inline value\r\nget inline\r\n")
	if got := w.read() + w.read(); got != "+OK\r\n$5\r\nvalue\r\n" {
		t.Fatalf("inline: %q", got)
	}
}
