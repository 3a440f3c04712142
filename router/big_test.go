package router

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// tenElements are those of every big list of these tests; those of more than three are big.
var tenElements = strings.Fields("0 1 2 3 4 5 6 7 8 9")

func (m *mover) bigLists(w *wire, keys ...string) {
	m.tb.Helper()
	for _, key := range keys {
		w.wantReply(":10\r\n", append([]string{"RPUSH", key}, tenElements...)...)
	}
}

// commitBig moves a big list as the leader does: a copy at the target, and the commit.
func (m *mover) commitBig(key string) {
	m.tb.Helper()
	c := fence.Copy{Key: fence.Key{Slot: 3, Name: []byte(key)}, Epoch: m.epoch, Attempt: 1}
	push := [][]byte{[]byte("RPUSH"), c.Name()}
	for _, element := range tenElements {
		push = append(push, []byte(element))
	}
	for _, request := range [][]byte{
		c.AppendBegin(nil), c.AppendChunk(nil, fence.Chunk{First: true, Commands: [][][]byte{push}}),
		c.AppendCommit(nil, fence.Whole{Length: "LLEN", Min: 10, Max: 10, TTL: -1}),
	} {
		if got := m.raw(1, 0, request); got.Text() != "OK" {
			m.tb.Fatalf("a step of the copy: %q", got.Text())
		}
	}
}

// moveBig is commitBig with the deletion at the source behind it.
func (m *mover) moveBig(key string) {
	m.tb.Helper()
	m.commitBig(key)
	m.at(0, "UNLINK", key)
}

// TestK_BigKeysAreReadAtTheSource until the leader has moved them, and written after it.
func TestK_BigKeysAreReadAtTheSource(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "migrate-big-elements", "3")
	keys := m.keys(2, "k")
	w := dialWire(t, m.r)
	m.bigLists(w, keys...)
	w.wantReply(":3\r\n", "RPUSH", "small{"+tagOf(3)+"}", "a", "b", "c")
	m.migrate()
	reads := func() {
		t.Helper()
		w.wantReply("*2\r\n$1\r\n8\r\n$1\r\n9\r\n", "LRANGE", keys[0], "8", "-1")
		w.wantReply(":10\r\n", "LLEN", keys[0])
		w.wantReply(":1\r\n", "EXISTS", keys[0])
		w.wantReply(":2\r\n", "EXISTS", keys[0], keys[1])
		if got := w.do("GET", keys[0]); !strings.HasPrefix(got, "-WRONGTYPE") {
			t.Errorf("GET of a list: %q", got)
		}
		w.wantReply(":10\r\n", "EVAL_RO", "return redis.call('llen',KEYS[1])", "1", keys[0])
	}
	reads()
	if m.at(1, "EXISTS", keys[0]) != "0" {
		t.Error("a read has moved a big key")
	}
	w.wantReply(":3\r\n", "LLEN", "small{"+tagOf(3)+"}")
	if m.at(1, "LLEN", "small{"+tagOf(3)+"}") != "3" {
		t.Error("a key that is not big was not moved")
	}
	m.moveBig(keys[0])
	m.moveBig(keys[1])
	reads()
	w.wantReply(":11\r\n", "RPUSH", keys[0], "x")
	if m.at(1, "LLEN", keys[0]) != "11" || m.at(0, "EXISTS", keys[0]) != "0" {
		t.Error("the write was not at the target")
	}
}

// TestK_WritesWaitForTheBigKey, and the leader is told; others do not wait.
func TestK_WritesWaitForTheBigKey(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{Loops: 2}, "migrate-big-elements", "3")
	keys, tag := m.keys(3, "k"), "{"+tagOf(3)+"}"
	w, bystander := dialWire(t, m.r), dialWire(t, m.r)
	m.bigLists(w, keys...)
	w.wantReply("+OK\r\n", "SET", "small"+tag, "v")
	m.migrate()
	var pipeline []byte
	for _, line := range []string{
		"LLEN " + keys[0], "RPUSH " + keys[0] + " x", "LLEN " + keys[0],
		"EVAL return{redis.call('llen',KEYS[1]),redis.call('get',KEYS[2])} 2 " + keys[1] + " small" + tag,
		"DEL " + keys[2] + " small" + tag, "PING",
	} {
		pipeline = resp.AppendCommandStrings(pipeline, strings.Fields(line)...)
	}
	w.send(string(pipeline))
	if got := w.read(); got != ":10\r\n" {
		t.Fatalf("the read before the write: %q", got)
	}
	bystander.wantReply("$1\r\nv\r\n", "GET", "small"+tag)
	bystander.wantReply(":10\r\n", "LLEN", keys[0])
	w.wantSilent()
	for i, want := range [][]string{{":11\r\n", ":11\r\n"}, {"*2\r\n:10\r\n$1\r\nv\r\n"}, {":2\r\n", "+PONG\r\n"}} {
		waitUntil(t, "wish for "+keys[i], 5*time.Second, func() bool {
			r := m.raw(1, 0, fence.AppendWanted(nil, m.epoch))
			return len(r.Array) == 1 && r.Array[0].Text() == keys[i]
		})
		m.moveBig(keys[i])
		for _, want := range want {
			if got := w.read(); got != want {
				t.Errorf("behind %s: %q, want %q", keys[i], got, want)
			}
		}
	}
}

// TestK_WritesDoNotWaitForEver: past migrate-big-wait a client is told to try again.
func TestK_WritesDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "migrate-big-elements", "3", "migrate-big-wait", "300ms")
	keys := m.keys(2, "k")
	w := dialWire(t, m.r)
	m.bigLists(w, keys...)
	m.migrate()
	for range 2 { // each request has its own time
		start := time.Now()
		if got := w.do("RPUSH", keys[0], "x"); !strings.HasPrefix(got, "-TRYAGAIN ") || time.Since(start) < 250*time.Millisecond {
			t.Errorf("after %v: %q", time.Since(start), got)
		}
	}
	w.wantReply(":10\r\n", "LLEN", keys[0])
	m.moveBig(keys[0])
	w.wantReply(":11\r\n", "RPUSH", keys[0], "x")
	// One of two has moved: the command can be run nowhere.
	if got := w.do("SINTERCARD", "2", keys[0], keys[1]); !strings.HasPrefix(got, "-TRYAGAIN ") {
		t.Errorf("keys at both groups: %q", got)
	}
}

// holdingProxy passes connections on. What clients send is held back from a piece on
// that contains a text, until release.
type holdingProxy struct {
	addr    string
	text    []byte
	holding chan struct{} // closed when something is held back
	open    chan struct{}
	once    sync.Once
}

func newHoldingProxy(tb testing.TB, to, text string) *holdingProxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &holdingProxy{addr: listener.Addr().String(), text: []byte(text), holding: make(chan struct{}), open: make(chan struct{})}
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			tb.Cleanup(func() { client.Close(); server.Close() })
			pumps.Go(func() { _, _ = io.Copy(client, server); client.Close() })
			pumps.Go(func() { p.pump(client, server) })
		}
	})
	tb.Cleanup(func() { listener.Close() })
	return p
}

func (p *holdingProxy) pump(client, server net.Conn) {
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], p.text) {
			p.once.Do(func() { close(p.holding) })
			<-p.open
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// storyOfABigRead: between the reply of the source and the check behind it the key moves
// and is written at the target. The old reply must not be given.
func storyOfABigRead(t *testing.T, f faults) (wrong string) {
	var proxy *holdingProxy
	m := newMoverVia(t, Config{faults: f}, func(addr string) string {
		check, _, err := resp.ParseReply(fence.AppendReadCheck(nil, 3, 1, nil))
		if err != nil {
			t.Fatal(err)
		}
		proxy = newHoldingProxy(t, addr, check.Array[1].Text()) // the script
		return proxy.addr
	}, "migrate-big-elements", "3")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	m.bigLists(w, key)
	m.migrate()
	w.send("LLEN " + key + "\r\n")
	select {
	case <-proxy.holding: // the source has answered
	case <-time.After(patience):
		t.Fatal("no check behind the reply")
	}
	m.moveBig(key)
	m.at(1, "RPUSH", key, "acknowledged")
	close(proxy.open)
	if got := w.read(); got != ":11\r\n" {
		return fmt.Sprintf("a write before the end of the read is not in it: %q", got)
	}
	return ""
}

// TestK_ReadsAtTheSourceAreAccesses: what belongs to a move is not removed while one is under way.
func TestK_ReadsAtTheSourceAreAccesses(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "migrate-big-elements", "3")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	m.bigLists(w, key)
	m.migrate()
	w.wantReply(":10\r\n", "LLEN", key)
	m.servers[0].Pause(t)
	w.send("LLEN " + key + "\r\n")
	waitUntil(t, "a read at the source", 5*time.Second, func() bool {
		var n int32
		_ = m.r.eachLoop(context.Background(), func(l *loop) { n += l.accesses[3] })
		return n == 1
	})
	m.commitBig(key)
	before := m.state.Epoch
	m.apply(topology.SlotsDone{Job: m.job, Epoch: m.epoch})
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Errorf("acknowledged %d while a read was under way", got)
	}
	m.servers[0].Continue(t)
	m.waitAcked()
	if got := w.read(); got != ":10\r\n" {
		t.Errorf("got %q", got)
	}
}

// TestK_ManyClientsOneBigKey: writers and readers from several loops, each with its own
// order, while the key moves.
func TestK_ManyClientsOneBigKey(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{Loops: 2}, "migrate-big-elements", "3")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	m.bigLists(w, key)
	m.migrate()
	const clients, writes = 6, 5
	var wg sync.WaitGroup
	for i := range clients {
		c := dialClient(t, m.r)
		wg.Go(func() {
			last := int64(0)
			for range writes {
				replies, err := c.Pipeline(context.Background(), []string{"LLEN", key}, []string{"LLEN", key}, []string{"RPUSH", key, fmt.Sprint(i)}, []string{"LLEN", key})
				if err != nil {
					t.Error(err)
					return
				}
				for _, reply := range replies {
					if err := reply.Err(); err != nil || reply.Int < last {
						t.Errorf("%d elements after %d, %v", reply.Int, last, err)
						return
					}
					last = reply.Int
				}
			}
		})
	}
	time.Sleep(250 * time.Millisecond) // two ticks, in which all wait
	m.moveBig(key)
	wg.Wait()
	w.wantReply(fmt.Sprintf(":%d\r\n", 10+clients*writes), "LLEN", key)
}
