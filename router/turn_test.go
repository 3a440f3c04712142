package router

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// turner plays the leader for a router whose group 1 gets another master: a real
// master with a real replica. Group 2 is one server of its own.
type turner struct {
	*live
	master, replica, other *resptest.Server
	acked                  atomic.Uint64
}

func newTurner(tb testing.TB, cfg Config, settings ...string) *turner {
	tb.Helper()
	n := &turner{live: &live{tb: tb}, master: resptest.StartRedis(tb, "--repl-diskless-sync-delay", "0"), other: resptest.StartRedis(tb)}
	n.replica = resptest.StartRedis(tb, "--replicaof", "127.0.0.1", strconv.Itoa(n.master.Port))
	n.waitSynced(n.replica)
	s := withSettings(tb, newState(tb, n.master.Addr, n.other.Addr), settings...)
	s = apply(tb, s, topology.ServerAttach{Group: 1, Server: topology.Server{Addr: n.replica.Addr, Version: "7.0.15"}})
	cfg.Acked = n.acked.Store
	n.r, n.state = newRouter(tb, cfg, s), s
	waitInflight(tb, n.r, 0) // the look for former connections has ended
	return n
}

func (n *turner) waitSynced(replica *resptest.Server) {
	n.tb.Helper()
	waitUntil(n.tb, "the replica follows", 2*patience, func() bool {
		return resp.ParseInfo(n.ask(replica, "INFO", "replication"))["master_link_status"] == "up"
	})
}

func (n *turner) apply(body topology.Body) {
	n.tb.Helper()
	n.use(apply(n.tb, n.state, body))
}

// begin starts a turn of group 1.
func (n *turner) begin(kind topology.TurnKind) {
	n.tb.Helper()
	n.apply(topology.TurnBegin{Group: 1, Kind: kind, From: n.master.Addr, To: n.replica.Addr, Reason: "test"})
}

func (n *turner) epoch() uint64 { return n.state.Groups[1].Turn.Epoch }

// done promotes the replica and ends the turn.
func (n *turner) done() {
	n.tb.Helper()
	n.ask(n.replica, "REPLICAOF", "NO", "ONE")
	n.apply(topology.TurnDone{Group: 1, Epoch: n.epoch(), Server: topology.Server{Addr: n.replica.Addr, Version: "7.0.15"}})
}

// ask asks a server itself.
func (n *turner) ask(server *resptest.Server, words ...string) string {
	n.tb.Helper()
	client := server.Client(n.tb)
	defer client.Close()
	reply, err := client.Do(context.Background(), words...)
	if err != nil {
		n.tb.Fatalf("%v at %s: %v", words, server.Addr, err)
	}
	return reply.Text()
}

// waitAcked waits until the node has acknowledged the current table.
func (n *turner) waitAcked() {
	n.tb.Helper()
	waitUntil(n.tb, "acknowledgement", patience, func() bool { return n.acked.Load() >= n.state.Epoch })
}

// wantNotAcked fails if the current table is acknowledged within a while.
func (n *turner) wantNotAcked(why string) {
	n.tb.Helper()
	time.Sleep(100 * time.Millisecond) // nothing may come in this time
	if got := n.acked.Load(); got >= n.state.Epoch {
		n.tb.Fatalf("acknowledged %d though %s", got, why)
	}
}

// connected says how many connections for data a server has of this router.
func (n *turner) connected(server *resptest.Server) int {
	n.tb.Helper()
	return strings.Count(n.ask(server, "CLIENT", "LIST"), "name="+n.r.connName())
}

// TestF3TurnParks: while a group gets another master, everything that would ask its
// servers waits, whatever else it asks, and is then answered by the new master. All
// else goes on.
func TestF3TurnParks(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "hold-deadline", "1m")
	key, other := keysOf(n.r, 1, 1, "k")[0], keysOf(n.r, 2, 1, "o")[0]
	slot := topology.SlotOf([]byte(key))
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	w.wantReply("+OK\r\n", "SET", other, "0")
	waitUntil(t, "the write is on the replica", patience, func() bool { return n.ask(n.replica, "GET", key) == "0" })
	n.begin(topology.TurnSwitchover)
	n.waitAcked()
	parked := []struct {
		command, want string
		w             *wire
	}{
		{command: "GET " + key, want: "$1\r\n0\r\n"},
		{command: "SET " + key + " 0", want: "+OK\r\n"},
		{command: "MGET " + key + " " + other, want: "*2\r\n$1\r\n0\r\n$1\r\n0\r\n"},
		{command: "MSET " + key + " 0 " + other + " 0", want: "+OK\r\n"},
		{command: "EVAL return(redis.call('get',KEYS[1])) 1 " + key, want: "$1\r\n0\r\n"},
		{command: "DBSIZE", want: ":2\r\n"},
		{command: "SCRIPT LOAD return(1)", want: "$40\r\n930269f31393d0be681588b6ab08dccee7d6bb67\r\n"},
		{command: fmt.Sprintf("SLOTSINFO %d 1", slot), want: fmt.Sprintf("*1\r\n*2\r\n:%d\r\n:1\r\n", slot)},
		{command: fmt.Sprintf("SLOTSSCAN %d 0", slot), want: fmt.Sprintf("*2\r\n$1\r\n0\r\n*1\r\n$%d\r\n%s\r\n", len(key), key)},
	}
	for i := range parked {
		parked[i].w = dialWire(t, n.r)
		parked[i].w.send(string(resp.AppendCommandStrings(nil, strings.Fields(parked[i].command)...)))
	}
	w.wantReply("$1\r\n0\r\n", "GET", other)
	w.wantReply(":7\r\n", "EVAL", "return 7", "0") // any master will do
	for _, p := range parked {
		p.w.wantSilent()
	}
	n.done()
	for _, p := range parked {
		if got := p.w.read(); got != p.want {
			t.Errorf("%s: got %q, want %q", p.command, got, p.want)
		}
	}
	w.wantReply("+OK\r\n", "SET", key, "new")
	if got := n.ask(n.replica, "GET", key); got != "new" {
		t.Errorf("the new master has %q", got)
	}
	if got := n.ask(n.master, "GET", key); got != "0" {
		t.Errorf("the old master has %q", got)
	}
}

// TestF3SwitchoverDrains: a planned change waits for all that is under way at the
// old master.
func TestF3SwitchoverDrains(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "hold-deadline", "1m")
	key := keysOf(n.r, 1, 1, "k")[0]
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	n.master.Pause(t)
	w.send("INCR " + key + "\r\nGET " + key + "\r\n")
	waitInflight(t, n.r, 2)
	n.begin(topology.TurnSwitchover)
	n.wantNotAcked("requests are in flight")
	n.master.Continue(t)
	w.wantNext(":1\r\n")
	w.wantNext("$1\r\n1\r\n")
	n.waitAcked()
}

// TestF3FailoverAbandonsTheOldMaster: a failover does not wait for a master that
// hangs: who waits for it is told at once that the outcome is unknown, requests that
// timed out before count no longer, and what comes now goes to the new master. The
// old one gets nothing more, also when it is back.
func TestF3FailoverAbandonsTheOldMaster(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "hold-deadline", "1m", "backend-timeout", "300ms", "backend-dial-timeout", "1m")
	keys := keysOf(n.r, 1, 2, "k")
	late, w, parked := dialWire(t, n.r), dialWire(t, n.r), dialWire(t, n.r)
	for _, c := range []*wire{late, w} { // of two loops
		c.wantReply("+OK\r\n", "SET", keys[0], "0")
	}
	waitUntil(t, "the writes are on the replica", patience, func() bool {
		return resp.ParseInfo(n.ask(n.master, "INFO", "replication"))["master_repl_offset"] ==
			resp.ParseInfo(n.ask(n.replica, "INFO", "replication"))["slave_repl_offset"]
	})
	n.master.Pause(t)
	if got := late.do("INCR", keys[0]); !strings.Contains(got, "outcome unknown") {
		t.Fatalf("got %q", got)
	}
	waitUntil(t, "the haunting counts", patience, func() bool { return inflightOf(n.r) == 1 })
	n.set("backend-timeout", "1h")
	for _, c := range []*wire{late, w} {
		c.send("INCR " + keys[0] + "\r\nMGET " + keys[0] + " " + keys[1] + "\r\n")
	}
	waitInflight(t, n.r, 1+3+3)
	n.begin(topology.TurnFailover)
	for c, want := range map[*wire]error{late: errBackendAbandoned, w: errBackendReplaced} {
		for range 2 {
			if got := c.read(); !strings.Contains(got, want.Error()) {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	n.waitAcked()
	parked.send("INCRBY " + keys[0] + " 10\r\n")
	parked.wantSilent()
	n.done()
	parked.wantNext(":10\r\n")
	w.wantReply("$2\r\n10\r\n", "GET", keys[0])
	n.master.Continue(t)
	waitUntil(t, "what was being opened is closed", patience, func() bool { return n.connected(n.master) == 0 })
	w.wantReply(":11\r\n", "INCR", keys[0])
	late.wantReply("$2\r\n11\r\n", "GET", keys[0])
	if got := n.connected(n.master); got != 0 {
		t.Errorf("the old master has %d connections of this node", got)
	}
	n.waitAcked()
	waitInflight(t, n.r, 0)
}

// inflightOf sums what counts as in flight, over slots and loops.
func inflightOf(r *Router) (sum int32) {
	_ = r.eachLoop(context.Background(), func(l *loop) {
		for _, n := range l.inflight {
			sum += n
		}
	})
	return sum
}

// TestF3AbandonedTurnCountsAgain: when the master stays after all, what may still run
// there counts as in flight again, and no slot leaves it before that is over.
func TestF3AbandonedTurnCountsAgain(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{}, "hold-deadline", "1m")
	key := fmt.Sprintf("k{%s}", tagOf(3))
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	n.master.Pause(t)
	w.send("INCR " + key + "\r\n")
	waitInflight(t, n.r, 1)
	n.begin(topology.TurnFailover)
	if got := w.read(); !strings.Contains(got, "outcome unknown") {
		t.Fatalf("got %q", got)
	}
	n.waitAcked()
	n.apply(topology.TurnAbandon{Group: 1, Epoch: n.epoch(), Reason: "test"})
	moves := []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}
	n.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: moves})
	n.apply(topology.SlotsHold{Job: n.state.Epoch, Moves: moves})
	n.wantNotAcked("the master may run the request still")
	n.master.Continue(t)
	n.waitAcked()
}

// TestF3ReplacedUnderItsAddress: an empty server takes the dead master's place, and
// its address. Nothing of the old one's time reaches it.
func TestF3ReplacedUnderItsAddress(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{}, "hold-deadline", "1m")
	key := keysOf(n.r, 1, 1, "k")[0]
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	n.master.Pause(t)
	w.send("INCR " + key + "\r\n")
	waitInflight(t, n.r, 1)
	n.apply(topology.TurnBegin{Group: 1, Kind: topology.TurnReplace, From: n.master.Addr, To: n.master.Addr, Reason: "test"})
	if got := w.read(); !strings.Contains(got, "outcome unknown") {
		t.Fatalf("got %q", got)
	}
	w.send("INCR " + key + "\r\n")
	w.wantSilent()
	n.waitAcked()
	n.master.Kill()
	n.master.Restart(t)
	n.apply(topology.TurnDone{Group: 1, Epoch: n.epoch(), Server: topology.Server{Addr: n.master.Addr, Version: "7.0.15"}})
	w.wantNext(":1\r\n")
	waitInflight(t, n.r, 0)
}

// TestF6TurnInAMove: the target of a slot on its way gets another master. An access
// under way there is no error for its client, and what was known to have moved is
// known no longer: the new master is asked.
func TestF6TurnInAMove(t *testing.T) {
	t.Parallel()
	for _, kind := range []topology.TurnKind{topology.TurnFailover, topology.TurnSwitchover} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			moved, cold := movedThroughATurn(t, kind, faults{})
			if moved != "$1\r\n0\r\n" || cold != "$1\r\n1\r\n+PONG\r\n" {
				t.Errorf("the moved key: %q; the one on its way: %q", moved, cold)
			}
		})
	}
}

// movedThroughATurn moves slots whose target gets another master on the way, and
// says what clients then get for a key that had moved before and one that was on
// its way. At the new master nothing has moved.
func movedThroughATurn(t *testing.T, kind topology.TurnKind, f faults) (moved, cold string) {
	t.Helper()
	m := newMover(t, Config{faults: f}, "hold-deadline", "1m")
	replica := resptest.StartRedis(t)
	m.apply(topology.ServerAttach{Group: 2, Server: topology.Server{Addr: replica.Addr, Version: "7.0.15"}})
	m.servers = append(m.servers, replica)
	keys := m.keys(2, "k")
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "MSET", keys[0], "0", keys[1], "1")
	m.migrate()
	w.wantReply("$1\r\n0\r\n", "GET", keys[0])
	if kind.Abandons() {
		m.servers[1].Pause(t)
	}
	w.send("GET " + keys[1] + "\r\nPING\r\n")
	if kind.Abandons() {
		waitUntil(t, "an access", patience, func() bool {
			var n int32
			_ = m.r.eachLoop(context.Background(), func(l *loop) { n += l.accesses[3] })
			return n == 1
		})
	} else {
		cold = w.read() + w.read()
	}
	m.apply(topology.TurnBegin{Group: 2, Kind: kind, From: m.servers[1].Addr, To: replica.Addr, Reason: "test"})
	m.waitAcked()
	if kind.Abandons() {
		w.wantSilent()
	}
	deadline := time.Now().Add(time.Minute).UnixMilli()
	m.everyDB(2, fence.AppendSetMarkers(nil, m.epoch, m.slots(), deadline))
	m.apply(topology.TurnDone{Group: 2, Epoch: m.state.Groups[2].Turn.Epoch, Server: topology.Server{Addr: replica.Addr, Version: "7.0.15"}})
	if kind.Abandons() {
		cold = w.read() + w.read()
	}
	return w.do("GET", keys[0]), cold
}
