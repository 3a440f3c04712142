package router

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// pair runs the same commands through a router and on a plain redis-server.
type pair struct {
	tb            testing.TB
	routed, plain *wire
}

// newPair starts groups of one server each, a router over them, and one server
// more that stands for what the client would see without a router.
func newPair(tb testing.TB, groups int, settings ...string) (*pair, *Router) {
	tb.Helper()
	var addrs []string
	for range groups {
		addrs = append(addrs, resptest.StartRedis(tb).Addr)
	}
	r := newRouter(tb, Config{}, withSettings(tb, newState(tb, addrs...), settings...))
	return &pair{tb: tb, routed: dialWire(tb, r), plain: dialAddr(tb, resptest.StartRedis(tb).Addr)}, r
}

// same runs a command on both sides and fails when the replies differ.
func (p *pair) same(words ...string) string {
	p.tb.Helper()
	got, want := p.routed.do(words...), p.plain.do(words...)
	if got != want {
		p.tb.Errorf("%.200q:\nrouted %.300q\nplain  %.300q", words, got, want)
	}
	return got
}

// splitWords makes the words of a command that is split: its name and keys, with
// values behind the keys for MSET.
func splitWords(name string, keys []string) []string {
	words := []string{name}
	for i, key := range keys {
		words = append(words, key)
		if name == "MSET" {
			words = append(words, fmt.Sprintf("value %d of %s", i, key))
		}
	}
	return words
}

func TestSplitAsPlain(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	p, r := newPair(t, 3)
	group1 := keysOf(r, 1, 3, "g")
	manyKeys := func(n int) []string {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = fmt.Sprintf("many%d", i)
		}
		return keys
	}
	sets := map[string][]string{
		"one":            {"a"},
		"one group":      group1,
		"one slot":       {"{t}1", "{t}2", "{t}3"},
		"over groups":    {"a", "b", "c", "d", "e", "f"},
		"twice":          {"a", "b", "a", "c", "b", "a"},
		"wrong types":    {"list", "a", "hash", "b", "zset"},
		"strange":        {"", "{}", "{}x", "a\r\nb", "\x00\xff", "{", "}{", "$5"},
		"ten":            manyKeys(10),
		"two hundred":    manyKeys(200),
		"two thousand":   manyKeys(2000),
		"missing mostly": append(manyKeys(5), "no1", "no2", "no3", "no4"),
	}
	for name, keys := range sets {
		for _, step := range []string{"MGET", "EXISTS", "MSET", "MGET", "TOUCH", "EXISTS", "DEL", "MGET", "DEL", "MSET", "UNLINK", "UNLINK"} {
			p.same("RPUSH", "list", "1", "2")
			p.same("HSET", "hash", "f", "v")
			p.same("ZADD", "zset", "1", "m")
			p.same(splitWords(step, keys)...)
			p.same("DBSIZE")
			if t.Failed() {
				t.Fatalf("%s: %s", name, step)
			}
		}
		p.same("DEL", "list", "hash", "zset")
	}
	for _, bad := range [][]string{{"MSET", "a"}, {"MSET", "a", "1", "b"}, {"MGET"}, {"DEL"}, {"EXISTS"}, {"TOUCH"}, {"UNLINK"}, {"MSET"}} {
		p.same(bad...)
	}
	p.same("MSETNX", "{u}1", "x", "{u}2", "y")
	p.same("MSETNX", "{u}2", "x", "{u}3", "y")
	p.same("MGET", "{u}1", "{u}2", "{u}3")
	p.routed.wantReply("-CROSSSLOT Keys in request don't hash to the same slot\r\n", "MSETNX", "a", "1", "b", "2")
	p.routed.wantReply("*2\r\n$-1\r\n$-1\r\n", "MGET", "a", "b")
}

// TestSplitRandom compares random commands over a small key space, in pipelines.
func TestSplitRandom(t *testing.T) {
	t.Parallel()
	p, _ := newPair(t, 3)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	names := []string{"MGET", "MGET", "MSET", "MSET", "DEL", "UNLINK", "EXISTS", "TOUCH"}
	for range 40 {
		var all [][]string
		var request []byte
		for range 1 + random.IntN(50) {
			keys := make([]string, 1+random.IntN(30))
			for i := range keys {
				keys[i] = fmt.Sprintf("k%d", random.IntN(60))
			}
			words := splitWords(names[random.IntN(len(names))], keys)
			if words[0] == "MSET" {
				words[2] = strings.Repeat("x", random.IntN(40000)) // some go the way of large writes
			}
			all = append(all, words)
			request = resp.AppendCommandStrings(request, words...)
		}
		sent := make(chan error, 2)
		for _, w := range []*wire{p.routed, p.plain} {
			go func() { // ends with the write, which the connection's deadline bounds
				_, err := w.conn.Write(request)
				sent <- err
			}()
		}
		for _, words := range all {
			if got, want := p.routed.read(), p.plain.read(); got != want {
				t.Fatalf("seed %d: %.200q:\nrouted %.300q\nplain  %.300q", seed, words, got, want)
			}
		}
		for range 2 {
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSplitGroupAway has one of three groups down: what needs it fails and names
// it, what does not goes on, also on the same connection.
func TestSplitGroupAway(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 3, Config{})
	w := dialWire(t, r)
	one, two, three := keysOf(r, 1, 2, "k"), keysOf(r, 2, 2, "k"), keysOf(r, 3, 2, "k")
	w.wantReply("+OK\r\n", "MSET", one[0], "1", two[0], "2", three[0], "3")
	servers[1].Kill()
	prefix := "-ERR group 2 server " + servers[1].Addr + ": "
	for _, words := range [][]string{
		{"MGET", one[0], two[0], three[0]},
		{"MSET", one[1], "x", two[1], "y", three[1], "z"},
		{"EXISTS", one[0], two[0]},
		{"DEL", two[0], two[1]},
		{"TOUCH", two[0], one[0]},
		{"UNLINK", three[1], two[0]},
		{"GET", two[0]},
		{"DBSIZE"},
	} {
		if got := w.do(words...); !strings.HasPrefix(got, prefix) {
			t.Errorf("%q: got %q", words, got)
		}
		w.wantReply("*2\r\n$1\r\n1\r\n$1\r\n3\r\n", "MGET", one[0], three[0])
	}
	servers[1].Restart(t)
	waitUntil(t, "the group is back", backoffMax*3, func() bool { return w.do("SET", two[0], "4") == "+OK\r\n" })
	w.wantReply("*3\r\n$1\r\n1\r\n$1\r\n4\r\n$1\r\n3\r\n", "MGET", one[0], two[0], three[0])
}

// TestSplitUnassigned has no owner for half of the slots.
func TestSplitUnassigned(t *testing.T) {
	t.Parallel()
	server := resptest.StartRedis(t)
	state := apply(t, newState(t), topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: server.Addr}}})
	state = apply(t, state, topology.SlotsAssign{Ranges: []topology.SlotRange{{Start: 0, End: 511, Group: 1}}})
	r := newRouter(t, Config{}, state)
	w := dialWire(t, r)
	mine := keysOf(r, 1, 1, "k")[0]
	w.wantReply("+OK\r\n", "MSET", mine, "1")
	homeless := "h0"
	for i := 0; topology.SlotOf([]byte(homeless)) < 512; i++ {
		homeless = fmt.Sprintf("h%d", i)
	}
	want := fmt.Sprintf("-CLUSTERDOWN slot %d is not assigned to a group: see CODIS.SLOTS and CODIS.ASSIGN\r\n", topology.SlotOf([]byte(homeless)))
	w.wantReply(want, "GET", homeless)
	w.wantReply(want, "MGET", mine, homeless)
	w.wantReply(want, "MSET", homeless, "1", mine, "2")
	w.wantReply("$1\r\n1\r\n", "GET", mine)

	fresh := dialWire(t, newRouter(t, Config{}, nil))
	for _, words := range [][]string{{"GET", "a"}, {"MGET", "a", "b"}, {"DBSIZE"}, {"EVAL", "return 1", "0"}} {
		if got := fresh.do(words...); !strings.HasPrefix(got, "-CLUSTERDOWN this node has no slot table yet") {
			t.Errorf("%q: got %q", words, got)
		}
	}
}

// FuzzJoin joins whatever whole replies servers may give: it never panics, and the
// result is one whole reply.
func FuzzJoin(f *testing.F) {
	for _, seed := range []string{
		"*2\r\n$1\r\na\r\n$-1\r\n*1\r\n$1\r\nb\r\n", ":1\r\n:2\r\n", "+OK\r\n+OK\r\n", "-ERR x\r\n+OK\r\n", "*2\r\n:1\r\n:0\r\n*2\r\n:0\r\n:1\r\n",
		"*-1\r\n*0\r\n", "$3\r\nabc\r\n*1\r\n*1\r\n:1\r\n", "%1\r\n+a\r\n+b\r\n", "*1\r\n$0\r\n\r\n*3\r\n:1\r\n$2\r\n\r\n\r\n$-1\r\n", "_\r\n", "*1\r\n_\r\n*1\r\n|1\r\n+a\r\n+b\r\n$1\r\nc\r\n",
	} {
		f.Add([]byte(seed), []byte{0, 1, 0}, uint8(command.JoinArray))
	}
	f.Fuzz(func(t *testing.T, stream, order []byte, kind uint8) {
		j := &join{kind: command.Join(kind % 6)}
		var scan resp.ReplyScanner
		for len(stream) > 0 && len(j.replies) < 8 {
			n, err := scan.Next(stream)
			if err != nil || n == 0 {
				break
			}
			j.replies = append(j.replies, stream[:n:n])
			j.cursor = append(j.cursor, 0)
			stream = stream[n:]
		}
		if len(j.replies) == 0 {
			return
		}
		for _, part := range order {
			j.order = append(j.order, uint16(int(part)%len(j.replies)))
		}
		got := j.appendTo([]byte("before"))
		reply, ok := bytes.CutPrefix(got, []byte("before"))
		if !ok {
			t.Fatalf("what stood before is gone: %q", got)
		}
		scan.Reset()
		if n, err := scan.Next(reply); err != nil || n != len(reply) {
			t.Fatalf("%q is not one reply: %d, %v", reply, n, err)
		}
	})
}
