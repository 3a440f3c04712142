package router

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestL3HoldParksNewRequests: requests of slots on hold wait, in their order, and
// all others are answered.
func TestL3HoldParksNewRequests(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	key, other := m.keys(1, "k")[0], keysOf(m.r, 2, 1, "other")[0]
	w, bystander := dialWire(t, m.r), dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	m.hold()
	m.waitAcked()
	w.send("INCR " + key + "\r\nPING\r\nMGET " + key + " " + other + "\r\nINCR " + key + "\r\n")
	bystander.wantReply("+OK\r\n", "SET", other, "x")
	bystander.send("MGET " + other + " " + key + "\r\n") // one of its keys is on hold
	w.wantSilent()
	bystander.wantSilent()
	m.apply(topology.SlotsRelease{Job: m.job, Epoch: m.epoch})
	for _, want := range []string{":1\r\n", "+PONG\r\n", "*2\r\n$1\r\n1\r\n$1\r\nx\r\n", ":2\r\n"} {
		if got := w.read(); got != want {
			t.Fatalf("after the hold: got %q, want %q", got, want)
		}
	}
	if got := bystander.read(); !strings.HasPrefix(got, "*2\r\n$1\r\nx\r\n") {
		t.Fatalf("after the hold: got %q", got)
	}
}

// TestL3HoldWaitsForRequestsInFlight: no acknowledgement while a request of the
// slots is at its server, whatever other slots do.
func TestL3HoldWaitsForRequestsInFlight(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{Loops: 2})
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	m.servers[0].Pause(t)
	w.send("INCR " + key + "\r\n")
	waitInflight(t, m.r, 1)
	before := m.state.Epoch
	m.hold()
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d with a request in flight", got)
	}
	m.servers[0].Continue(t)
	if got := w.read(); got != ":1\r\n" {
		t.Fatalf("got %q", got)
	}
	m.waitAcked()
}

// waitInflight waits until so many requests are in flight in slots.
func waitInflight(tb testing.TB, r *Router, want int32) {
	tb.Helper()
	waitUntil(tb, "requests in flight", 5*time.Second, func() bool {
		var sum int32
		_ = r.eachLoop(context.Background(), func(l *loop) {
			for _, n := range l.inflight {
				sum += n
			}
		})
		return sum == want
	})
}

// TestL3TimedOutRequestsAreInFlight: a write whose client has got a timeout still
// runs later. The hold is not drained before its connection is known dead.
func TestL3TimedOutRequestsAreInFlight(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "backend-timeout", "150ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	m.servers[0].Pause(t)
	if got := w.do("INCR", key); !strings.Contains(got, "outcome unknown") {
		t.Fatalf("got %q", got)
	}
	before := m.state.Epoch
	m.hold()
	time.Sleep(200 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d though the server may run the request still", got)
	}
	m.servers[0].Continue(t)
	m.waitAcked()
	value := m.at(0, "GET", key)
	time.Sleep(100 * time.Millisecond) // a late write would come now
	if later := m.at(0, "GET", key); later != value {
		t.Errorf("%s became %s after the acknowledgement", value, later)
	}
}

// TestL3RestartedServerRunsNothingOld: a server with another run ID can't run what
// its predecessor was sent.
func TestL3RestartedServerRunsNothingOld(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "backend-timeout", "150ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	m.servers[0].Pause(t)
	w.do("INCR", key)
	m.servers[0].Kill()
	before := m.state.Epoch
	m.hold()
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d though the server is only away", got)
	}
	m.servers[0].Restart(t)
	m.waitAcked()
}

// TestL5HoldDeadline: past hold-deadline waiting requests are told to try again.
func TestL5HoldDeadline(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "hold-deadline", "150ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	m.hold()
	start := time.Now()
	w.send("SET " + key + " 1\r\nPING\r\n")
	if got := w.read(); !strings.HasPrefix(got, "-TRYAGAIN slot 3 ") {
		t.Fatalf("got %q", got)
	}
	if waited := time.Since(start); waited < 100*time.Millisecond {
		t.Errorf("only %v later", waited)
	}
	if got := w.read(); got != "+PONG\r\n" {
		t.Fatalf("got %q", got)
	}
	m.apply(topology.SlotsRelease{Job: m.job, Epoch: m.epoch})
	w.wantReply("$-1\r\n", "GET", key)
}

// TestL5HoldQueueIsBounded: over hold-max-requests nobody else waits.
func TestL5HoldQueueIsBounded(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "hold-max-requests", "2")
	key := m.keys(1, "k")[0]
	m.hold()
	var waiting []*wire
	for range 2 {
		w := dialWire(t, m.r)
		w.send("PING\r\nGET " + key + "\r\n")
		w.read()
		waiting = append(waiting, w)
	}
	late := dialWire(t, m.r)
	if got := late.do("GET", key); !strings.HasPrefix(got, "-TRYAGAIN ") {
		t.Fatalf("got %q", got)
	}
	m.apply(topology.SlotsRelease{Job: m.job, Epoch: m.epoch})
	for _, w := range waiting {
		if got := w.read(); got != "$-1\r\n" {
			t.Fatalf("got %q", got)
		}
	}
}

// TestM5KeysMoveOnAccess: whatever a command does with a key, it finds it.
func TestM5KeysMoveOnAccess(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	w := dialWire(t, m.r)
	tag := "{" + tagOf(3) + "}"
	for _, line := range []string{
		"SET s" + tag + " v PX 100000", "RPUSH l" + tag + " a b c", "SADD set" + tag + " x y", "HSET h" + tag + " f v",
		"ZADD z" + tag + " 1 one 2 two", "XADD x" + tag + " 1-1 f v", "XGROUP CREATE x" + tag + " g 0",
		"XREADGROUP GROUP g me STREAMS x" + tag + " >", "SET gone" + tag + " v", "SET expires" + tag + " v PX 1", "SET r" + tag + " v",
		"SET other 1",
	} {
		if got := w.do(strings.Fields(line)...); got[0] == '-' {
			t.Fatalf("%s: %q", line, got)
		}
	}
	m.migrate()
	for _, c := range []struct{ command, want string }{
		{"GET s" + tag, "$1\r\nv\r\n"},
		{"LRANGE l" + tag + " 0 -1", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
		{"SCARD set" + tag, ":2\r\n"},
		{"HGET h" + tag + " f", "$1\r\nv\r\n"},
		{"ZUNIONSTORE both" + tag + " 2 z" + tag + " nothing" + tag, ":2\r\n"},
		{"XPENDING x" + tag + " g", "*4\r\n:1\r\n$3\r\n1-1\r\n$3\r\n1-1\r\n*1\r\n*2\r\n$2\r\nme\r\n$1\r\n1\r\n"},
		{"DEL gone" + tag, ":1\r\n"},
		{"GET gone" + tag, "$-1\r\n"},
		{"EXISTS expires" + tag, ":0\r\n"},
		{"MGET s" + tag + " other new" + tag, "*3\r\n$1\r\nv\r\n$1\r\n1\r\n$-1\r\n"},
		{"RENAME r" + tag + " r2" + tag, "+OK\r\n"},
		{"GET r2" + tag, "$1\r\nv\r\n"},
		{"EVAL return{redis.call('get',KEYS[1]),redis.call('get',KEYS[2])} 2 s" + tag + " r2" + tag, "*2\r\n$1\r\nv\r\n$1\r\nv\r\n"},
		{"SETNX s" + tag + " w", ":0\r\n"},
		{"MSET s" + tag + " 1 other 2 new" + tag + " 3", "+OK\r\n"},
		{"MGET s" + tag + " other new" + tag, "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
	} {
		if got := w.do(strings.Fields(c.command)...); got != c.want {
			t.Errorf("%s: got %q, want %q", c.command, got, c.want)
		}
	}
	if ttl := m.at(1, "EXISTS", "l"+tag); ttl != "1" {
		t.Error("the list is not at the target")
	}
	// What was deleted at the target is still at the source: nothing is deleted there
	// by an access. It must not come back.
	if m.at(0, "EXISTS", "gone"+tag) != "1" {
		t.Error("an access deleted a key at the source")
	}
	w.wantReply(":0\r\n", "EXISTS", "gone"+tag)
}

// TestM5ManyClientsOneColdKey: clients that want the same cold keys at once, from
// several loops, in pipelines: every increment counts once.
func TestM5ManyClientsOneColdKey(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{Loops: 2})
	keys := m.keys(50, "n")
	w := dialWire(t, m.r)
	for _, key := range keys {
		w.wantReply("+OK\r\n", "SET", key, "1000")
	}
	const clients, rounds = 8, 4
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range clients {
		c := dialClient(t, m.r)
		wg.Go(func() {
			<-start
			for range rounds {
				var cmds [][]string
				for _, key := range keys {
					cmds = append(cmds, []string{"INCR", key})
				}
				replies, err := c.Pipeline(context.Background(), cmds...)
				if err != nil {
					t.Error(err)
					return
				}
				for _, reply := range replies {
					if err := reply.Err(); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	close(start)
	m.migrate()
	wg.Wait()
	for _, key := range keys {
		if got, want := w.do("GET", key), fmt.Sprintf("$4\r\n%d\r\n", 1000+clients*rounds); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

// TestM5FencedWaitsForTheTable: a node whose table is behind, or whose slot's fence
// is gone, writes nowhere and says so.
func TestM5FencedWaitsForTheTable(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "hold-deadline", "200ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "1")
	m.hold()
	m.waitAcked()
	m.apply(topology.SlotsMigrate{Job: m.job, Epoch: m.epoch}) // and no fence was set
	if got := w.do("INCR", key); !strings.HasPrefix(got, "-TRYAGAIN ") {
		t.Fatalf("got %q", got)
	}
	if m.at(0, "GET", key) != "1" || m.at(1, "EXISTS", key) != "0" {
		t.Error("the key was written or moved without a fence")
	}
	m.fence()
	w.wantReply(":2\r\n", "INCR", key)
}

// TestM5MovedCacheEndsWithTheServer: what a loop knows to have moved it must forget
// when the target restarts, since the target may have lost it.
func TestM5MovedCacheEndsWithTheServer(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "hold-deadline", "200ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "1")
	m.migrate()
	w.wantReply("$1\r\n1\r\n", "GET", key)
	m.servers[1].Kill()
	m.servers[1].Restart(t) // empty: it has neither the key nor the moved set
	var got string
	waitUntil(t, "the server's return", 5*time.Second, func() bool {
		got = w.do("GET", key)
		return !strings.HasPrefix(got, "-ERR")
	})
	if !strings.HasPrefix(got, "-TRYAGAIN ") {
		t.Fatalf("got %q: the key counts as moved, though the target has lost it", got)
	}
}

// TestM7AcknowledgedWhenAccessesHaveEnded: fences may be dropped only when no access
// of the plan is under way.
func TestM7AcknowledgedWhenAccessesHaveEnded(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "1")
	m.migrate()
	m.waitAcked()
	m.servers[1].Pause(t)
	w.send("GET " + key + "\r\n")
	waitUntil(t, "an access", 5*time.Second, func() bool {
		var n int32
		_ = m.r.eachLoop(context.Background(), func(l *loop) { n += l.accesses[3] })
		return n == 1
	})
	before := m.state.Epoch
	m.apply(topology.SlotsDone{Job: m.job, Epoch: m.epoch})
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d with an access under way", got)
	}
	m.servers[1].Continue(t)
	if got := w.read(); got != "$1\r\n1\r\n" {
		t.Fatalf("got %q", got)
	}
	m.waitAcked()
}

// TestM9WholeDatabasesWhileSlotsMove: reserved keys are nobody's, no key counts
// twice, nothing is flushed.
func TestM9WholeDatabasesWhileSlotsMove(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	w := dialWire(t, m.r)
	keys := append(m.keys(20, "k"), keysOf(m.r, 1, 5, "stay")...)
	for _, key := range keys {
		w.wantReply("+OK\r\n", "SET", key, "1")
	}
	m.migrate()
	for _, key := range keys[:10] {
		w.wantReply("$1\r\n1\r\n", "GET", key) // at both now
	}
	w.wantReply(":2\r\n", "DEL", keys[0], keys[1])
	w.wantReply(":23\r\n", "DBSIZE")
	w.wantReply("*1\r\n*2\r\n:3\r\n:18\r\n", "SLOTSINFO", "3", "1")
	for _, words := range [][]string{{"FLUSHALL"}, {"FLUSHDB"}} {
		if got := w.do(words...); !strings.HasPrefix(got, "-TRYAGAIN ") {
			t.Errorf("%v: got %q", words, got)
		}
	}
	reserved := string(fence.AppendFenceKey(nil, 3))
	for _, words := range [][]string{{"GET", reserved}, {"MGET", "a", reserved}, {"DEL", string(fence.AppendMovedKey(nil, 3, m.epoch))}} {
		if got := w.do(words...); !strings.HasPrefix(got, "-ERR keys that begin with ") {
			t.Errorf("%q: got %q", words, got)
		}
	}
	seen := make(map[string]bool)
	for cursor, first := "0", true; first || cursor != "0"; first = false {
		reply, _, err := resp.ParseReply([]byte(w.do("SLOTSSCAN", "3", cursor, "COUNT", "3")))
		if err != nil {
			t.Fatal(err)
		}
		cursor = reply.Array[0].Text()
		for _, key := range reply.Array[1].Strings() {
			seen[key] = true
		}
	}
	if len(seen) != 18 || seen[keys[0]] {
		t.Errorf("SLOTSSCAN saw %d keys, want 18: %v", len(seen), seen)
	}
}

// TestLeases: L1 and L2 of SAFETY.md at the router.
func TestLeases(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]struct{ read, write string }{
		"stop":  {noLeaseText, noLeaseText},
		"reads": {"$1\r\n1\r\n", noLeaseText},
		"serve": {"$1\r\n1\r\n", "+OK\r\n"},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var now, until atomic.Int64
			now.Store(1)
			until.Store(1 << 60)
			server := resptest.StartRedis(t)
			r := newRouter(t, Config{Clock: now.Load, LeaseUntil: until.Load},
				withSettings(t, newState(t, server.Addr), "on-quorum-loss", mode, "backend-timeout", "1h"))
			w := dialWire(t, r)
			w.wantReply("+OK\r\n", "SET", "k", "1")
			until.Store(1)
			w.wantReply(want.read, "GET", "k")
			w.wantReply(want.write, "SET", "k", "2")
			w.wantReply("+PONG\r\n", "PING")
			if ok, reason := r.Ready(); ok != (mode != "stop") {
				t.Errorf("ready: %v, %s", ok, reason)
			}
			until.Store(1 << 60)
			w.wantReply("+OK\r\n", "SET", "k", "3")
		})
	}
}

// TestL2LeaseIsCheckedAgainAtReply: a lease that ran out while the request was at
// its server makes the outcome unknown, and ends the connection.
func TestL2LeaseIsCheckedAgainAtReply(t *testing.T) {
	t.Parallel()
	var now, until atomic.Int64
	now.Store(1)
	until.Store(1 << 60)
	servers := []*resptest.Server{resptest.StartRedis(t), resptest.StartRedis(t)}
	r := newRouter(t, Config{Clock: now.Load, LeaseUntil: until.Load},
		withSettings(t, newState(t, servers[0].Addr, servers[1].Addr), "backend-timeout", "1h"))
	waitInflight(t, r, 0)
	mine, theirs := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
	for name, words := range map[string][]string{
		"whole": {"SET", mine, "1"},
		"split": {"MSET", mine, "1", theirs, "2"},
	} {
		w := dialWire(t, r)
		w.wantReply("+OK\r\n", words...)
		servers[0].Pause(t)
		w.send(string(resp.AppendCommandStrings(nil, words...)))
		waitInflight(t, r, int32(len(words)-1)/2)
		until.Store(1)
		servers[0].Continue(t)
		if got := w.read(); got != leaseLostText {
			t.Errorf("%s: got %q, want %q", name, got, leaseLostText)
		}
		w.wantClosed()
		until.Store(1 << 60)
	}
}

// TestL4NewConnectionsNeedTheLease: what queued for a connection that opens after
// the lease has run out is not sent: the leader has killed this node's other
// connections by then, and gone on.
func TestL4NewConnectionsNeedTheLease(t *testing.T) {
	t.Parallel()
	var now, until atomic.Int64
	now.Store(1)
	until.Store(1 << 60)
	server := resptest.StartRedis(t)
	r := newRouter(t, Config{Clock: now.Load, LeaseUntil: until.Load},
		withSettings(t, newState(t, server.Addr), "backend-timeout", "1h", "backend-dial-timeout", "20s"))
	waitInflight(t, r, 0) // the look for former connections has ended
	server.Pause(t)       // it accepts, and answers the set-up later
	w := dialWire(t, r)
	w.send("SET k 1\r\n")
	waitInflight(t, r, 1)
	until.Store(1)
	server.Continue(t)
	if got := w.read(); got != leaseLostText {
		t.Errorf("got %q, want %q", got, leaseLostText)
	}
	until.Store(1 << 60)
	if got := dialWire(t, r).do("EXISTS", "k"); got != ":0\r\n" {
		t.Errorf("the request was sent without a lease: EXISTS answers %q", got)
	}
}

// TestM5MoreKeysThanTheCacheHolds: one command gets on, however many keys it has.
func TestM5MoreKeysThanTheCacheHolds(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "move-cache", "10")
	keys := m.keys(500, "k")
	pairs := []string{"MSET"}
	for _, key := range keys {
		pairs = append(pairs, key, "v")
	}
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", pairs...)
	m.migrate()
	var wg sync.WaitGroup
	for range 4 {
		c := dialClient(t, m.r)
		wg.Go(func() {
			for range 20 {
				reply, err := c.Do(context.Background(), append([]string{"EXISTS"}, keys...)...)
				if err != nil || reply.Int != int64(len(keys)) {
					t.Errorf("got %d, %v", reply.Int, err)
					return
				}
			}
		})
	}
	wg.Wait()
	_ = m.r.eachLoop(context.Background(), func(l *loop) {
		if l.reached != 0 || len(l.keyAccess) != 0 {
			t.Errorf("left over: %d sessions, %d accesses", l.reached, len(l.keyAccess))
		}
	})
}

// TestL3FormerProcessIsDrained: what a killed process of this node had sent may
// still wait at a server that hangs; the new process does not acknowledge a hold
// before that can't run any more.
func TestL3FormerProcessIsDrained(t *testing.T) {
	t.Parallel()
	server, other := resptest.StartRedis(t), resptest.StartRedis(t)
	state := newState(t, server.Addr, other.Addr)
	first := newRouter(t, Config{NodeID: "n"}, state)
	w := dialWire(t, first)
	key := fmt.Sprintf("k{%s}", tagOf(3))
	w.wantReply("+OK\r\n", "SET", key, "0")
	waitInflight(t, first, 0)
	server.Pause(t)
	w.send("INCR " + key + "\r\n")
	waitInflight(t, first, 1)
	// A second process of the same node; the first one's connection is still there.
	m := &mover{tb: t, servers: []*resptest.Server{server, other}, state: state,
		moves: []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}}
	m.r = newRouter(t, Config{NodeID: "n", Acked: m.acked.Store}, state)
	m.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: m.moves})
	m.job = m.state.Epoch
	m.waitAcked() // without a hold there is nothing to wait for
	before := m.state.Epoch
	m.hold()
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d though the server may run what the first process sent", got)
	}
	server.Continue(t)
	m.waitAcked()
	value := m.at(0, "GET", key)
	time.Sleep(50 * time.Millisecond) // a late write would come now
	if later := m.at(0, "GET", key); later != value {
		t.Errorf("%s became %s after the acknowledgement", value, later)
	}
}
