package router

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestL4LeaseLostAndFoundWhileOpening: a node that was silent while slots left,
// and is heard again, sends nothing of what queued before for a connection that is
// still opening: it was meant for the old group, and nobody reads it there.
func TestL4LeaseLostAndFoundWhileOpening(t *testing.T) {
	t.Parallel()
	var now, until atomic.Int64
	now.Store(1)
	until.Store(1 << 60)
	m := newMover(t, Config{Clock: now.Load, LeaseUntil: until.Load}, "backend-timeout", "1h", "backend-dial-timeout", "20s")
	waitInflight(t, m.r, 0)
	key := m.keys(1, "k")[0]
	m.servers[0].Pause(t)
	w := dialWire(t, m.r)
	w.send("SET " + key + " 1\r\n")
	waitInflight(t, m.r, 1)
	until.Store(1)
	time.Sleep(2 * tickInterval)
	// The leader has gone on without this node, which sees no table of the hold.
	m.state = apply(t, m.state, topology.SlotsHold{Job: m.job, Moves: m.moves})
	m.epoch = m.state.Epoch
	m.apply(topology.SlotsMigrate{Job: m.job, Epoch: m.epoch})
	until.Store(1 << 60)
	time.Sleep(2 * tickInterval)
	m.servers[0].Continue(t)
	if got := w.read(); !strings.HasPrefix(got, "-") {
		t.Errorf("got %q for a write at the old group", got)
	}
	m.fence()
	if got := m.at(0, "GET", key); got != "" {
		t.Errorf("the old group was written after the slot had left: %q", got)
	}
}

// TestM9FlushInFlightHoldsUp: a FLUSHALL that a server has still to run would take
// the fences of a move away, so a hold waits for it, whatever slots it is of.
func TestM9FlushInFlightHoldsUp(t *testing.T) {
	t.Parallel()
	for _, at := range []int{0, 1} {
		for _, name := range []string{"FLUSHALL", "FLUSHDB"} {
			t.Run(fmt.Sprint(name, " at group ", at+1), func(t *testing.T) {
				t.Parallel()
				m := newMover(t, Config{Loops: 2})
				w := dialWire(t, m.r)
				w.wantReply(":0\r\n", "DBSIZE") // connections are open
				m.servers[at].Pause(t)
				w.send(name + "\r\n")
				w.wantSilent()
				before := m.state.Epoch
				m.hold()
				time.Sleep(100 * time.Millisecond) // nothing may come in this time
				if got := m.acked.Load(); got > before {
					t.Errorf("acknowledged %d with a %s in flight", got, name)
				}
				m.servers[at].Continue(t)
				if got := w.read(); got != "+OK\r\n" {
					t.Errorf("got %q", got)
				}
				m.waitAcked()
			})
		}
	}
}

// TestM5KeysOfAnotherDatabase: MOVE and COPY use a key of another database too,
// which may not have moved.
func TestM5KeysOfAnotherDatabase(t *testing.T) {
	t.Parallel()
	for _, words := range [][]string{{"MOVE", "", "5"}, {"COPY", "", "", "DB", "5"}} {
		t.Run(words[0], func(t *testing.T) {
			t.Parallel()
			m := newMover(t, Config{})
			key := m.keys(1, "k")[0]
			w := dialWire(t, m.r)
			w.wantReply("+OK\r\n", "SET", key, "zero")
			w.wantReply("+OK\r\n", "SELECT", "5")
			w.wantReply("+OK\r\n", "SET", key, "five")
			w.wantReply("+OK\r\n", "SELECT", "0")
			m.migrate()
			request := append([]string{}, words...)
			for i := range request {
				if request[i] == "" {
					request[i] = key
				}
			}
			// As a server that has both keys: 0, nothing was done. Or: try again.
			if got := w.do(request...); got != ":0\r\n" && !strings.HasPrefix(got, "-TRYAGAIN") {
				t.Errorf("%v: got %q", request, got)
			}
			w.wantReply("$4\r\nzero\r\n", "GET", key)
			w.wantReply("+OK\r\n", "SELECT", "5")
			w.wantReply("$4\r\nfive\r\n", "GET", key)
		})
	}
}

// TestM5KeysFormedByTheServer: SORT BY and GET read keys that the request does not
// name, in the same slot.
func TestM5KeysFormedByTheServer(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	tag := "{" + tagOf(3) + "}"
	w := dialWire(t, m.r)
	w.wantReply(":3\r\n", "RPUSH", tag+"list", "a", "b", "c")
	for i, e := range []string{"c", "b", "a"} {
		w.wantReply("+OK\r\n", "SET", tag+"weight_"+e, fmt.Sprint(i))
		w.wantReply("+OK\r\n", "SET", tag+"data_"+e, "d"+e)
	}
	const want = "*3\r\n$2\r\ndc\r\n$2\r\ndb\r\n$2\r\nda\r\n"
	request := []string{"SORT", tag + "list", "BY", tag + "weight_*", "GET", tag + "data_*"}
	w.wantReply(want, request...)
	m.migrate()
	if got := w.do(request...); got != want && !strings.HasPrefix(got, "-TRYAGAIN") {
		t.Errorf("while the slot moves: got %q, want %q", got, want)
	}
	if got := w.do("SORT", tag+"list", "ALPHA", "DESC"); !strings.HasPrefix(got, "*3\r\n$1\r\nc") {
		t.Errorf("SORT without such keys: got %q", got)
	}
}

// TestL2NoServiceBeforeTheFirstLease: what a node knows when it starts is the table
// of when it stopped. Others may have moved slots since, as long as it did not
// run, whatever on-quorum-loss says. A request waits for the first lease as long as it
// would for a hold's end.
func TestL2NoServiceBeforeTheFirstLease(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"reads", "serve"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			var now, until atomic.Int64
			now.Store(1)
			server := resptest.StartRedis(t)
			r := newRouter(t, Config{Clock: now.Load, LeaseUntil: until.Load},
				withSettings(t, newState(t, server.Addr), "on-quorum-loss", mode))
			w := dialWire(t, r)
			w.send("SET k 0\r\n")
			w.wantSilent()
			now.Add(int64(2 * time.Second))
			if got := w.read(); got != noLeaseText {
				t.Errorf("past hold-deadline: got %q", got)
			}
			if ok, _ := r.Ready(); ok {
				t.Error("ready without ever having had a lease")
			}
			w.send("SET k 1\r\n")
			w.wantSilent()
			until.Store(1 << 60)
			if got := w.read(); got != "+OK\r\n" {
				t.Errorf("with the first lease: got %q", got)
			}
			until.Store(1)
			w.wantReply("$1\r\n1\r\n", "GET", "k")
			w.wantReply("+OK\r\n", "SELECT", "3")
			w.wantReply("$-1\r\n", "GET", "k") // over a new connection
			if ok, reason := r.Ready(); !ok {
				t.Errorf("not ready: %s", reason)
			}
		})
	}
}

// TestM5ReservedKeysOfASplit: no access is made for a reserved key, which would
// copy fences from group to group.
func TestM5ReservedKeysOfASplit(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	var name string
	for epoch := range uint64(4 * topology.SlotCount) {
		name = string(fence.AppendFenceKey(nil, epoch))
		if topology.SlotOf([]byte(name)) < 10 {
			break
		}
	}
	m.migrate()
	m.at(0, "SET", name, "1")
	w := dialWire(t, m.r)
	for _, words := range [][]string{{"DEL", name}, {"MGET", "a", name}, {"GET", name}} {
		if got := w.do(words...); !strings.Contains(got, "reserved") {
			t.Errorf("%q: got %q", words, got)
		}
	}
	if got := m.at(1, "GET", name); got != "" {
		t.Errorf("the reserved key was copied: %q", got)
	}
}

// TestM9FlushOfAFormerProcess: a killed process may have left a FLUSHALL to the
// server that slots are about to move to.
func TestM9FlushOfAFormerProcess(t *testing.T) {
	t.Parallel()
	server, target := resptest.StartRedis(t), resptest.StartRedis(t)
	state := newState(t, server.Addr, target.Addr)
	first := newRouter(t, Config{NodeID: "n"}, state)
	w := dialWire(t, first)
	w.wantReply(":0\r\n", "DBSIZE")
	target.Pause(t)
	w.send("FLUSHALL\r\n")
	waitInflight(t, first, 1)
	m := &mover{tb: t, servers: []*resptest.Server{server, target}, state: state,
		moves: []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}}
	m.r = newRouter(t, Config{NodeID: "n", Acked: m.acked.Store}, state)
	m.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: m.moves})
	m.job = m.state.Epoch
	before := m.state.Epoch
	m.hold()
	time.Sleep(200 * time.Millisecond) // nothing may come in this time
	if got := m.acked.Load(); got > before {
		t.Fatalf("acknowledged %d with a FLUSHALL on its way", got)
	}
	target.Continue(t)
	m.waitAcked()
}

// TestL3LateReadsHoldNothingUp: a read whose client has got an error changes
// nothing whenever it runs. A replica that is gone for good must not keep slots at
// its group until this node restarts.
func TestL3LateReadsHoldNothingUp(t *testing.T) {
	t.Parallel()
	master, replica, target := resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)
	state := newState(t)
	state = apply(t, state, topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: master.Addr}, {Addr: replica.Addr}}})
	state = apply(t, state, topology.GroupAdd{ID: 2, Servers: []topology.Server{{Addr: target.Addr}}})
	state = apply(t, state, topology.SlotsAssign{Ranges: []topology.SlotRange{{Start: 0, End: topology.SlotCount - 1, Group: 1}}})
	state = withSettings(t, state, "backend-timeout", "150ms")
	m := &mover{tb: t, servers: []*resptest.Server{master, target}, state: state,
		moves: []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}}
	m.r = newRouter(t, Config{Acked: m.acked.Store}, state)
	m.r.SetHealth(map[string]Health{master.Addr: {Usable: true}, replica.Addr: {Usable: true}})
	m.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: m.moves})
	m.job = m.state.Epoch
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "READONLY")
	w.wantReply("$-1\r\n", "GET", key)
	replica.Pause(t)
	w.send("GET " + key + "\r\nMGET " + key + " " + key + "2\r\n")
	for range 2 {
		if got := w.read(); !strings.Contains(got, "outcome unknown") {
			t.Fatalf("got %q", got)
		}
	}
	m.hold()
	m.waitAcked()
}

// TestM9LateFlush: a FLUSHALL that timed out holds up the moves of its server, and
// no others.
func TestM9LateFlush(t *testing.T) {
	t.Parallel()
	for hung, want := range map[int]bool{1: false, 2: false, 3: true} {
		t.Run(fmt.Sprint("at group ", hung), func(t *testing.T) {
			t.Parallel()
			servers := []*resptest.Server{resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)}
			state := withSettings(t, newState(t, servers[0].Addr, servers[1].Addr, servers[2].Addr), "backend-timeout", "150ms")
			m := &mover{tb: t, servers: servers, state: state, moves: []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}}
			m.r = newRouter(t, Config{Acked: m.acked.Store}, state)
			m.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: m.moves})
			m.job = m.state.Epoch
			w := dialWire(t, m.r)
			w.wantReply(":0\r\n", "DBSIZE")
			m.waitAcked()
			waitInflight(t, m.r, 0)
			servers[hung-1].Pause(t)
			if got := w.do("FLUSHALL"); !strings.Contains(got, "outcome unknown") {
				t.Fatalf("got %q", got)
			}
			m.hold()
			time.Sleep(200 * time.Millisecond) // what comes, comes in this time
			if got := m.acked.Load() >= m.state.Epoch; got != want {
				t.Errorf("acknowledged: %v, want %v", got, want)
			}
			servers[hung-1].Continue(t)
			m.waitAcked()
		})
	}
}

// TestM5ValueThatTheTargetWouldNotRead: a server closes the connection on a bulk
// string over its proto-max-bulk-len, and others' requests share that connection. A
// collection can be larger than that when it is serialized.
func TestM5ValueThatTheTargetWouldNotRead(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "proto-max-bulk-len", "1mb")
	m.at(1, "CONFIG", "SET", "proto-max-bulk-len", "1mb")
	keys := m.keys(2, "k")
	for range 3 {
		var tail [900 << 10]byte
		_, _ = rand.Read(tail[:])
		m.at(0, "RPUSH", keys[0], string(tail[:]))
	}
	m.migrate()
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", keys[1], "x")
	var before int64
	_ = m.r.eachLoop(context.Background(), func(l *loop) { before += int64(l.lostRequests()) })
	if got := w.do("LLEN", keys[0]); !strings.Contains(got, "too large") {
		t.Errorf("got %q", got)
	}
	_ = m.r.eachLoop(context.Background(), func(l *loop) { before -= int64(l.lostRequests()) })
	if before != 0 {
		t.Error("a connection that others share was lost")
	}
	w.wantReply("$1\r\nx\r\n", "GET", keys[1])
}
