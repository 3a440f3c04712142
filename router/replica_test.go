package router

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/command"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// member is a server of group 1. It is a redis-server of its own, whatever its
// part in the group, so that its answers tell it from the others.
type member struct {
	server *resptest.Server
	// far members are addressed by another name than the router's host.
	far    bool
	zone   string
	health *Health
}

func (m member) addr() string {
	if m.far {
		return net.JoinHostPort("localhost", strconv.Itoa(m.server.Port))
	}
	return m.server.Addr
}

// newGroup starts a router over one group; its first member is the master.
func newGroup(tb testing.TB, cfg Config, readFrom string, members ...member) *live {
	tb.Helper()
	s := newState(tb)
	var servers []topology.Server
	health := make(map[string]Health)
	for _, m := range members {
		servers = append(servers, topology.Server{Addr: m.addr(), Zone: m.zone, Version: "7.0.15"})
		if m.health != nil {
			health[m.addr()] = *m.health
		}
	}
	s = apply(tb, s, topology.GroupAdd{ID: 1, Servers: servers})
	plan, err := topology.PlanAssignAuto(s)
	if err != nil {
		tb.Fatal(err)
	}
	s = apply(tb, s, topology.SlotsAssign{Ranges: plan})
	v := &live{tb: tb, r: newRouter(tb, cfg, s), state: s}
	v.r.SetHealth(health)
	v.set("read-from", readFrom, "backend-dial-timeout", "10s")
	return v
}

// startNamed starts redis-servers whose keys who and {who}2 hold their names.
func startNamed(tb testing.TB, names ...string) []*resptest.Server {
	tb.Helper()
	var servers []*resptest.Server
	for _, name := range names {
		s := resptest.StartRedis(tb)
		if _, err := s.Client(tb).Do(tb.Context(), "MSET", "who", name, "{who}2", name); err != nil {
			tb.Fatal(err)
		}
		servers = append(servers, s)
	}
	return servers
}

// answerers says which servers answer a read, over enough reads to meet all.
func answerers(w *wire, words ...string) string {
	w.tb.Helper()
	seen := make(map[string]bool)
	for range 12 {
		reply := strings.Fields(w.do(words...))
		seen[reply[len(reply)-1]] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

// TestReadFrom: which servers of a group get the reads.
func TestReadFrom(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	servers := startNamed(t, "m", "r1", "r2")
	good := &Health{Usable: true}
	near := func(i int, h *Health) member { return member{server: servers[i], health: h} }
	far := func(i int, zone string) member {
		return member{server: servers[i], far: true, zone: zone, health: good}
	}
	tests := []struct {
		name, readFrom, first, zone string
		members                     []member
		want                        string
	}{
		{"master by default", "master", "", "", []member{near(0, good), near(1, good)}, "m"},
		{"replicas", "replica", "", "", []member{near(0, good), near(1, good), near(2, good)}, "r1 r2"},
		{"no replica", "replica", "", "", []member{near(0, good)}, "m"},
		{"replica unknown to health", "replica", "", "", []member{near(0, good), near(1, nil)}, "m"},
		{"replica that loads", "replica", "", "", []member{near(0, good), near(1, &Health{}), near(2, good)}, "r2"},
		{"no replica is usable", "replica", "", "", []member{near(0, good), near(1, &Health{}), near(2, &Health{})}, "m"},
		{"lag at the limit", "replica", "", "", []member{near(0, good), near(1, &Health{Usable: true, LagBytes: 10 << 20})}, "r1"},
		{"lag over the limit", "replica", "", "", []member{near(0, good), near(1, &Health{Usable: true, LagBytes: 10<<20 + 1})}, "m"},
		{"nearest: all are here", "nearest", "", "", []member{near(0, good), near(1, good), near(2, good)}, "m r1 r2"},
		{"nearest: this host", "nearest", "", "z", []member{far(0, "z"), near(1, good), far(2, "z")}, "r1"},
		{"nearest: this host is down", "nearest", "", "z", []member{far(0, ""), near(1, &Health{}), far(2, "z")}, "r2"},
		{"nearest: this zone", "nearest", "", "z", []member{far(0, "a"), far(1, "z"), far(2, "b")}, "r1"},
		{"nearest: master in this zone", "nearest", "", "z", []member{far(0, "z"), far(1, "a"), far(2, "b")}, "m"},
		{"nearest: any", "nearest", "", "z", []member{far(0, ""), far(1, "a"), far(2, "b")}, "m r1 r2"},
		{"nearest: no zone is no zone", "nearest", "", "", []member{far(0, "a"), far(1, ""), far(2, "")}, "m r1 r2"},
		{"READONLY", "master", "READONLY", "", []member{near(0, good), near(1, good)}, "r1"},
		{"READONLY with nearest", "nearest", "READONLY", "", []member{near(0, good), near(1, good)}, "m r1"},
		{"READWRITE", "replica", "READWRITE", "", []member{near(0, good), near(1, good)}, "m"},
		{"READWRITE with nearest", "nearest", "READWRITE", "", []member{far(0, ""), near(1, good)}, "m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newGroup(t, Config{Zone: tt.zone}, tt.readFrom, tt.members...)
			w := dialWire(t, v.r)
			if tt.first != "" {
				w.wantReply("+OK\r\n", tt.first)
			}
			for _, read := range [][]string{{"GET", "who"}, {"MGET", "who", "{who}2"}, {"GETRANGE", "who", "0", "-1"}, {"EVAL_RO", "return redis.call('get', KEYS[1])", "1", "who"}} {
				if got := answerers(w, read...); got != tt.want {
					t.Errorf("%s: %q answered, want %q", read[0], got, tt.want)
				}
			}
			if got := answerers(w, "EVAL", "return redis.call('get', KEYS[1])", "1", "who"); got != "m" {
				t.Errorf("EVAL, which may write: %q answered", got)
			}
			if tt.first != "" {
				w.wantReply("+RESET\r\n", "RESET")
				plain := dialWire(t, v.r)
				if got, want := answerers(w, "GET", "who"), answerers(plain, "GET", "who"); got != want {
					t.Errorf("after RESET: %q, a new client: %q", got, want)
				}
			}
		})
	}
}

// TestReadFromIsLive: the setting and the health take effect on open connections.
func TestReadFromIsLive(t *testing.T) {
	t.Parallel()
	servers := startNamed(t, "m", "r")
	v := newGroup(t, Config{}, "master", member{server: servers[0]}, member{server: servers[1]})
	w := dialWire(t, v.r)
	step := func(want string) {
		t.Helper()
		if err := v.r.eachLoop(t.Context(), func(*loop) {}); err != nil {
			t.Fatal(err)
		}
		if got := answerers(w, "GET", "who"); got != want {
			t.Fatalf("%q answered, want %q", got, want)
		}
	}
	step("m")
	v.set("read-from", "replica")
	step("m") // nobody has looked at the replica yet
	v.r.SetHealth(map[string]Health{servers[1].Addr: {Usable: true, LagBytes: 2000}})
	step("r")
	v.set("replica-max-lag", "1000")
	step("m")
	v.set("replica-max-lag", "2000")
	step("r")
	v.r.SetHealth(nil)
	step("m")
}

// TestWritesGoToTheMaster: a replica gets no command that writes, whatever is set.
func TestWritesGoToTheMaster(t *testing.T) {
	resptest.Needs(t, 7, 0)
	t.Parallel()
	servers := startNamed(t, "m", "r")
	good := &Health{Usable: true}
	v := newGroup(t, Config{}, "replica", member{server: servers[0]}, member{server: servers[1], health: good})
	v.set("dump-restore", "yes")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "READONLY")
	for _, line := range []string{
		"SET a 1", "APPEND a 1", "INCR n", "GETSET a 2", "GETDEL a", "GETEX who EX 100", "SETRANGE a 0 x", "MSET {a}1 1 {a}2 2", "MSETNX {b}1 1 {b}2 2",
		"LPUSH l 1 2 3", "LPOP l", "RPOPLPUSH l l", "SORT l", "SORT l STORE l", "SADD s 1 2", "SPOP s", "SUNIONSTORE s s", "HSET h f v", "HINCRBY h n 1",
		"ZADD z 1 a 2 b", "ZPOPMIN z", "ZRANGESTORE z z 0 -1", "GEOADD g 1 1 x", "GEORADIUS g 1 1 5 km", "PFADD p 1", "PFMERGE p p", "SETBIT bits 1 1",
		"BITFIELD bits SET u8 0 1", "BITFIELD bits GET u8 0", "XADD x * f v", "XGROUP CREATE x grp $", "XREADGROUP GROUP grp c STREAMS x >", "XTRIM x MAXLEN 1", "EXPIRE h 100", "PERSIST h",
		"RENAME h {h}2", "COPY {h}2 {h}3", "DEL {h}2", "UNLINK {h}3", "EVAL return(1) 1 a", "FLUSHDB", "FLUSHALL",
	} {
		if got := w.do(strings.Fields(line)...); strings.HasPrefix(got, "-CROSS") || strings.HasPrefix(got, "-ERR unk") {
			t.Errorf("%s: %q", line, got)
		}
	}
	w.do("GET", "who") // the replica's only request of these
	info, err := servers[1].Client(t).Do(t.Context(), "INFO", "commandstats")
	if err != nil {
		t.Fatal(err)
	}
	for name, stats := range resp.ParseInfo(info.Text()) {
		name, ok := strings.CutPrefix(name, "cmdstat_")
		if !ok || name == "mset" { // startNamed's
			continue
		}
		top, _, _ := strings.Cut(name, "|")
		switch cmd := command.Lookup([]byte(top)); {
		case cmd == nil, cmd.Flags.Has(command.FlagWrite), name == "eval", strings.HasPrefix(name, "flush"):
			t.Errorf("the replica got %s: %s", name, stats)
		}
	}
}

// TestOneServerForOneCommand: the keys of one group and one command are read from
// one server, so that they are of one time.
func TestOneServerForOneCommand(t *testing.T) {
	t.Parallel()
	servers := startNamed(t, "m", "r1", "r2")
	good := &Health{Usable: true}
	v := newGroup(t, Config{}, "nearest", member{server: servers[0]}, member{server: servers[1], health: good}, member{server: servers[2], health: good})
	for i, s := range servers {
		c := s.Client(t)
		for k := range 20 {
			if _, err := c.Do(t.Context(), "SET", fmt.Sprint("key", k), strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	words := []string{"MGET"}
	for k := range 20 {
		words = append(words, fmt.Sprint("key", k))
	}
	w := dialWire(t, v.r)
	for range 20 {
		got := w.do(words...)
		if strings.Count(got, "\r\n0\r\n") != 20 && strings.Count(got, "\r\n1\r\n") != 20 && strings.Count(got, "\r\n2\r\n") != 20 {
			t.Fatalf("answers of several servers: %q", got)
		}
	}
}

// TestRealReplica: reads and writes over a master and a replica that follows it.
func TestRealReplica(t *testing.T) {
	t.Parallel()
	master := resptest.StartRedis(t, "--repl-diskless-sync-delay", "0")
	replica := resptest.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.Port))
	c := replica.Client(t)
	waitUntil(t, "the replica follows", 2*patience, func() bool {
		reply, err := c.Do(t.Context(), "INFO", "replication")
		return err == nil && resp.ParseInfo(reply.Text())["master_link_status"] == "up"
	})
	v := newGroup(t, Config{}, "replica", member{server: master}, member{server: replica, health: &Health{Usable: true}})
	w := dialWire(t, v.r)
	for i := range 50 {
		key := fmt.Sprint("key", i)
		w.wantReply("+OK\r\n", "SET", key, key) // never -READONLY
		waitUntil(t, "the write is on the replica", patience, func() bool { return w.do("GET", key) == bulk(key) })
	}
	w.wantReply(":50\r\n", "DBSIZE")
}

// TestRouteChangeUnderLoad: the table changes every few milliseconds while clients
// work: other masters, servers that leave and come back. No client gets an error
// or the answer to another request.
func TestRouteChangeUnderLoad(t *testing.T) {
	t.Parallel()
	servers := startNamed(t, "same", "same")
	const keys = 500
	for _, s := range servers { // both know the same
		var cmds [][]string
		for k := range keys {
			cmds = append(cmds, []string{"SET", fmt.Sprint("key", k), fmt.Sprint("value", k)})
		}
		if _, err := s.Client(t).Pipeline(t.Context(), cmds...); err != nil {
			t.Fatal(err)
		}
	}
	v := newGroup(t, Config{Loops: 2}, "master", member{server: servers[0]}, member{server: servers[1]})
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 6 {
		w := dialWire(t, v.r)
		wg.Go(func() {
			for n := i; ctx.Err() == nil && !t.Failed(); n++ {
				s := new(script)
				for j := range 100 {
					k := (n*31 + j*7) % keys
					key, value := fmt.Sprint("key", k), fmt.Sprint("value", k)
					switch j % 4 {
					case 0:
						s.add(bulk(value), "GET", key)
					case 1:
						next := (k + 1) % keys
						s.add("*2\r\n"+bulk(value)+bulk(fmt.Sprint("value", next)), "MGET", key, fmt.Sprint("key", next))
					case 2:
						s.add("+OK\r\n", "SET", key, value)
					case 3:
						s.add(bulk(key), "ECHO", key)
					}
				}
				if _, err := w.conn.Write(s.send); err != nil {
					t.Error(err)
					return
				}
				got := make([]byte, len(s.want))
				for read := 0; read < len(got); {
					n, err := w.r.Read(got[read:])
					if read += n; err != nil || string(got[:read]) != string(s.want[:read]) {
						t.Errorf("%v: got %.300q, want %.300q", err, got[:read], s.want)
						return
					}
				}
			}
		})
	}
	base := v.state
	for n := 1; ctx.Err() == nil; n++ {
		v.use(variant(base, v.state.Epoch+1, n%4))
		time.Sleep(2 * time.Millisecond) // so that some requests go by this table
	}
	wg.Wait()
	waitServersIdle(t, v.r)
	v.use(variant(base, v.state.Epoch+1, 3))
	waitUntil(t, "the connections to the server that left are closed", patience, func() bool {
		open := 0
		_ = v.r.eachLoop(t.Context(), func(l *loop) {
			for _, s := range l.retired {
				if s.open() {
					open++
				}
			}
		})
		return open == 0
	})
}

// variant is a state with one of four shapes of group 1: either server is its
// master, and the other one is in the group or has left.
func variant(base *topology.State, epoch uint64, shape int) *topology.State {
	next := *base
	next.Epoch = epoch
	g := base.Groups[1]
	g.Master = g.Servers[shape%2].Addr
	if shape >= 2 {
		g.Servers = g.Servers[shape%2 : shape%2+1]
	}
	next.Groups = map[int]topology.Group{1: g}
	return &next
}
