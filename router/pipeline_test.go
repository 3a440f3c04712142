package router

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// script is a pipeline and what it must be answered with.
type script struct {
	send, want []byte
	// ends[i] is where the answer to the i-th command ends in want.
	ends []int
}

func (s *script) add(want string, words ...string) {
	s.send = resp.AppendCommandStrings(s.send, words...)
	s.want = append(s.want, want...)
	s.ends = append(s.ends, len(s.want))
}

func bulk(text string) string { return string(resp.AppendBulkString(nil, text)) }

// run sends the pipeline with one write, reads what comes and compares.
func (s *script) run(tb testing.TB, w *wire) {
	tb.Helper()
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	sent := make(chan error, 1)
	go func() { // the peer may stop to read until it is read from
		_, err := w.conn.Write(s.send)
		sent <- err
	}()
	got := make([]byte, len(s.want))
	n, err := io.ReadFull(w.r, got)
	if sendErr := <-sent; sendErr != nil {
		tb.Errorf("send: %v", sendErr)
	}
	s.compare(tb, got[:n], err)
}

// compare names the first command whose answer differs.
func (s *script) compare(tb testing.TB, got []byte, err error) {
	tb.Helper()
	if string(got) == string(s.want) {
		return
	}
	start := 0
	for i, end := range s.ends {
		if end > len(got) || string(got[start:end]) != string(s.want[start:end]) {
			tb.Fatalf("command %d of %d: got %.200q, want %.200q (%v)", i, len(s.ends), got[start:min(len(got), end+100)], s.want[start:end], err)
		}
		start = end
	}
}

// mixed makes n commands of all sorts with answers that name their command.
func mixed(n int, tag string) *script {
	s := new(script)
	last := map[string]string{}
	for i := range n {
		id := strconv.Itoa(i)
		key := tag + strconv.Itoa(i%997)
		switch i % 8 {
		case 0, 1:
			last[key] = tag + "=" + id
			s.add("+OK\r\n", "SET", key, last[key])
		case 2, 3:
			if value, set := last[key]; set {
				s.add(bulk(value), "GET", key)
			} else {
				s.add("$-1\r\n", "GET", key)
			}
		case 4:
			other := tag + strconv.Itoa((i+500)%997)
			want := "*3\r\n"
			for _, k := range []string{key, other, key} {
				if value, set := last[k]; set {
					want += bulk(value)
				} else {
					want += "$-1\r\n"
				}
			}
			s.add(want, "MGET", key, other, key)
		case 5:
			s.add(bulk(id), "ECHO", id)
		case 6:
			s.add("-ERR unknown command 'nosuch', with args beginning with: '"+id+"' \r\n", "nosuch", id)
		case 7:
			s.add("-ERR wrong number of arguments for 'get' command\r\n", "GET")
		}
	}
	return s
}

// TestHundredThousandInOneWrite: all are answered, in order.
func TestHundredThousandInOneWrite(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	mixed(100_000, "k").run(t, dialWire(t, r))
	waitServersIdle(t, r)
}

// TestPipelinesOfManyClients: pipelines of several clients at once, over two
// loops, do not meet.
func TestPipelinesOfManyClients(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		w := dialWire(t, r)
		wg.Go(func() {
			for round := range 5 {
				mixed(1000, fmt.Sprint("client", i, "round", round, ":")).run(t, w)
			}
		})
	}
	wg.Wait()
}

// TestPipelineBeyondMax: more requests than may be under way wait in the query
// buffer while a server does not answer, and are answered in order when it does.
func TestPipelineBeyondMax(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	s := new(script)
	for i := range 5 * maxPipeline {
		key := "key" + strconv.Itoa(i%100)
		s.add("+OK\r\n", "SET", key, strconv.Itoa(i))
		s.add(bulk(strconv.Itoa(i)), "GET", key)
	}
	servers[0].Pause(t)
	resume := time.AfterFunc(300*time.Millisecond, func() { servers[0].Continue(t) })
	defer resume.Stop()
	s.run(t, w)
}

// TestParkedCommandKeepsOrder: commands that a goroutine answers stand among
// those that servers and the loop answer, and see what was asked before them.
func TestParkedCommandKeepsOrder(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	w := dialWire(t, r)
	var send []byte
	const rounds = 50
	for i := range rounds {
		id := strconv.Itoa(i)
		for _, words := range [][]string{
			{"SET", "a", id}, {"CODIS.SLOTS", id}, {"GET", "a"}, {"CLIENT", "LIST", "ID", "9000" + id}, {"PING", id},
			{"CLIENT", "SETNAME", "n" + id}, {"CLIENT", "LIST"}, {"INFO", "replication"}, {"MGET", "a", "b"}, {"codis.x"}, {"ECHO", id},
		} {
			send = resp.AppendCommandStrings(send, words...)
		}
	}
	w.send(string(send))
	for i := range rounds {
		id := strconv.Itoa(i)
		w.wantNext("+OK\r\n")
		w.wantNext("*2\r\n" + bulk("CODIS.SLOTS") + bulk(id))
		w.wantNext(bulk(id))
		w.wantNext("$0\r\n\r\n")
		w.wantNext(bulk(id))
		w.wantNext("+OK\r\n")
		if got := w.read(); !strings.Contains(got, "name=n"+id+" ") {
			t.Fatalf("CLIENT LIST %d: %q", i, got)
		}
		if got := w.read(); !strings.Contains(got, "role:master") {
			t.Fatalf("INFO %d: %q", i, got)
		}
		w.wantNext("*2\r\n" + bulk(id) + "$-1\r\n")
		w.wantNext("*1\r\n" + bulk("codis.x"))
		w.wantNext(bulk(id))
	}
}

func (w *wire) wantNext(want string) {
	w.tb.Helper()
	if got := w.read(); got != want {
		w.tb.Fatalf("got %q, want %q", got, want)
	}
}

// TestClientReply: CLIENT REPLY inside pipelines over servers, splits, parked and
// local commands; what is silent is run all the same.
func TestClientReply(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	tests := []struct {
		name, send, want string
	}{
		{"OFF and ON", "set a 1\r\nclient reply off\r\nset a 2\r\nget a\r\nmget a b\r\nping\r\nclient list\r\nnosuch\r\nget\r\nclient reply on\r\nget a\r\n",
			"+OK\r\n+OK\r\n$1\r\n2\r\n"},
		{"SKIP one", "client reply skip\r\nset b 1\r\nget b\r\n", "$1\r\n1\r\n"},
		{"SKIP a split", "client reply skip\r\nmset c 1 d 2 e 3\r\nmget c d e\r\n", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
		{"SKIP a local one", "client reply skip\r\nping\r\necho x\r\n", "$1\r\nx\r\n"},
		{"SKIP a parked one", "client reply skip\r\ncodis.x\r\necho x\r\n", "$1\r\nx\r\n"},
		{"SKIP an error", "client reply skip\r\nnosuch\r\necho x\r\n", "$1\r\nx\r\n"},
		{"SKIP SKIP", "client reply skip\r\nclient reply skip\r\nset f 1\r\nget f\r\n", "$1\r\n1\r\n"},
		{"SKIP ON", "client reply skip\r\nclient reply on\r\nping\r\n", "+OK\r\n+PONG\r\n"},
		{"OFF SKIP ON", "client reply off\r\nclient reply skip\r\nping\r\nping\r\nclient reply on\r\nping\r\n", "+OK\r\n+PONG\r\n"},
		{"ON", "client reply on\r\n", "+OK\r\n"},
		{"wrong word", "client reply maybe\r\nping\r\n", "-ERR syntax error\r\n+PONG\r\n"},
		{"RESET ends OFF", "client reply off\r\nping\r\nreset\r\nping\r\n", "+RESET\r\n+PONG\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, closed := exchange(t, r.Addr(), tt.send); got != tt.want || closed {
				t.Errorf("got %q, closed %v; want %q", got, closed, tt.want)
			}
		})
	}
}

// setBig gives a key a value of n bytes on the server that owns it.
func setBig(tb testing.TB, w *wire, key string, n int) {
	tb.Helper()
	w.wantReply(":"+strconv.Itoa(n)+"\r\n", "SETRANGE", key, strconv.Itoa(n-1), "x")
}

// readSlowly reads to the end with pauses, so that the peer has more to send than
// the kernel takes, and returns how many bytes came.
func readSlowly(r io.Reader) (n int64, err error) {
	buf := make([]byte, 1<<20)
	for {
		got, err := io.ReadFull(r, buf)
		n += int64(got)
		switch err {
		case nil:
			time.Sleep(2 * time.Millisecond) // it is what the reader is about
		case io.EOF, io.ErrUnexpectedEOF:
			return n, nil
		default:
			return n, err
		}
	}
}

// TestQuitAfterPendingReplies: what was asked before QUIT is delivered whole
// before the connection closes, also to a slow reader.
func TestQuitAfterPendingReplies(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	const size = 64 << 20
	w := dialWire(t, r)
	setBig(t, w, "big", size)
	w.send("get big\r\nget none\r\nping\r\nquit\r\nset after quit\r\n")
	header := fmt.Sprintf("$%d\r\n", size)
	want := int64(len(header) + size + 2 + len("$-1\r\n+PONG\r\n+OK\r\n"))
	_ = w.conn.SetDeadline(time.Now().Add(time.Minute))
	got, err := readSlowly(w.r)
	if err != nil || got != want {
		t.Fatalf("got %d bytes, want %d: %v", got, want, err)
	}
	dialWire(t, r).wantReply("$-1\r\n", "GET", "after")
}

// TestHalfClosed: a client that has said all it will say, as `printf ... | nc`
// does, gets its replies and is closed then.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	setBig(t, dialWire(t, r), "big", 4<<20)
	big := fmt.Sprintf("$%d\r\n%s\r\n", 4<<20, strings.Repeat("\x00", 4<<20-1)+"x")
	pipeline := mixed(20_000, "half")
	tests := []struct{ name, send, want string }{
		{"nothing", "", ""},
		{"one of each sort", "set a 1\r\nget a\r\nmget a b\r\ncodis.x\r\nping\r\n", "+OK\r\n$1\r\n1\r\n*2\r\n$1\r\n1\r\n$-1\r\n*1\r\n$7\r\ncodis.x\r\n+PONG\r\n"},
		{"half a frame", "ping\r\n*2\r\n$3\r\nGET\r\n$1", "+PONG\r\n"},
		{"silent", "client reply off\r\nset c 1\r\ncodis.x\r\n\r\n", ""},
		{"large replies", "get big\r\nget big\r\ncodis.x\r\nget big\r\n", big + big + "*1\r\n$7\r\ncodis.x\r\n" + big},
		{"a long pipeline", string(pipeline.send), string(pipeline.want)},
		{"a bad frame", "get none\r\n*x\r\n", "$-1\r\n" + protocolErrorReply("invalid multibulk length")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := dialWire(t, r)
			sent := make(chan error, 1)
			go func() {
				_, err := io.WriteString(w.conn, tt.send)
				sent <- errors.Join(err, w.conn.(*net.TCPConn).CloseWrite())
			}()
			got, err := io.ReadAll(w.r)
			if string(got) != tt.want || err != nil {
				t.Errorf("got %d bytes %.100q, want %d bytes %.100q: %v", len(got), got, len(tt.want), tt.want, err)
			}
			if err := <-sent; err != nil {
				t.Errorf("send: %v", err)
			}
		})
	}
}

// TestHalfClosedBehindASlowReply: so many replies wait for a slow one that the rest
// of the pipeline is not taken; the client's end does not lose it.
func TestHalfClosedBehindASlowReply(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 1, Config{})
	w := dialWire(t, r)
	s := new(script)
	s.add("$-1\r\n", "GET", "slow")
	text := strings.Repeat("x", 1000)
	for range 1200 { // more than outputHighWater
		s.add(bulk(text), "ECHO", text)
	}
	for i := range 100 {
		s.add(bulk(strconv.Itoa(i)), "PING", strconv.Itoa(i))
	}
	servers[0].Pause(t)
	if _, err := w.conn.Write(s.send); err != nil {
		t.Fatal(err)
	}
	if err := w.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "all that may wait waits", patience, func() bool { return buffered(r) > outputHighWater })
	servers[0].Continue(t)
	got, err := io.ReadAll(w.r)
	if err != nil || len(got) > len(s.want) {
		t.Errorf("%d bytes instead of %d, %v", len(got), len(s.want), err)
	}
	s.compare(t, got, err)
}

// TestDisconnectWithRequestsUnderWay: clients go away while servers owe them
// replies; the replies of others are not harmed and nothing is kept.
func TestDisconnectWithRequestsUnderWay(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	stay := dialWire(t, r)
	s := mixed(2000, "stay")
	for range 5 {
		for _, server := range servers {
			server.Pause(t)
		}
		for i := range 20 {
			w := dialWire(t, r)
			s := mixed(500, fmt.Sprint("leave", i))
			w.send(string(s.send))
			if i%2 == 0 {
				_ = w.conn.(interface{ SetLinger(int) error }).SetLinger(0) // a reset, not an end
			}
			_ = w.conn.Close()
		}
		time.AfterFunc(50*time.Millisecond, func() {
			for _, server := range servers {
				server.Continue(t)
			}
		})
		s.run(t, stay)
		stay.do("FLUSHALL")
	}
	waitServersIdle(t, r)
	waitUntil(t, "only one client is left", patience, func() bool { return r.clients.Load() == 1 })
	waitBuffersEmpty(t, r)
}

// waitBuffersEmpty fails unless all that was lent for requests and replies comes
// back. Loops tell every tick.
func waitBuffersEmpty(tb testing.TB, r *Router) {
	tb.Helper()
	waitUntil(tb, "buffers are empty", patience, func() bool { return buffered(r) == 0 })
}

func buffered(r *Router) (n int64) {
	for i := range r.buffered {
		n += r.buffered[i].Load()
	}
	return n
}

// TestParkedClientDisconnects: the goroutine's reply finds nobody.
func TestParkedClientDisconnects(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 1, Config{})
	servers[0].Pause(t) // INFO keyspace waits for the server
	for range 10 {
		w := dialWire(t, r)
		w.send("info keyspace\r\nget a\r\nping\r\n")
		_ = w.conn.Close()
	}
	waitUntil(t, "the clients are gone", patience, func() bool { return r.clients.Load() == 0 })
	servers[0].Continue(t)
	dialWire(t, r).wantReply("+PONG\r\n", "PING")
	waitServersIdle(t, r)
	waitBuffersEmpty(t, r)
}

// TestPipelineOfLargeReplies: a client that asks for more at once than may be kept
// for it, and reads it steadily, gets all of it (USERS.md 13).
func TestPipelineOfLargeReplies(t *testing.T) {
	t.Parallel()
	server := resptest.StartRedis(t)
	r := newRouter(t, Config{}, withSettings(t, newState(t, server.Addr), "client-output-buffer-limit", "128mb"))
	w := dialWire(t, r)
	value := strings.Repeat("v", 1<<20)
	w.wantReply("+OK\r\n", "SET", "k", value)
	const asked = 400
	go w.send(strings.Repeat("GET k\r\n", asked))
	want := fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
	for i := range asked {
		if got := w.read(); got != want {
			t.Fatalf("reply %d: %d bytes, beginning with %.40q", i, len(got), got)
		}
	}
}
