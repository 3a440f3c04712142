package router

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// mover plays the leader for a router: it applies a move's steps to the topology
// and sets fences and moved sets at real servers, one batch, group 1 to group 2.
type mover struct {
	tb      testing.TB
	r       *Router
	state   *topology.State
	servers []*resptest.Server
	acked   atomic.Uint64
	job     uint64
	epoch   uint64
	moves   []topology.SlotMove
}

// newMover starts a router over two groups with a job that moves slots 0 to 9.
func newMover(tb testing.TB, cfg Config, settings ...string) *mover {
	tb.Helper()
	return newMoverVia(tb, cfg, func(addr string) string { return addr }, settings...)
}

// newMoverVia is newMover with another way to group 2's server.
func newMoverVia(tb testing.TB, cfg Config, via func(addr string) string, settings ...string) *mover {
	tb.Helper()
	m := &mover{tb: tb, moves: []topology.SlotMove{{Start: 0, End: 9, From: 1, To: 2}}}
	for range 2 {
		m.servers = append(m.servers, resptest.StartRedis(tb))
	}
	cfg.Acked = m.acked.Store
	m.state = withSettings(tb, newState(tb, m.servers[0].Addr, via(m.servers[1].Addr)), settings...)
	m.r = newRouter(tb, cfg, m.state)
	waitInflight(tb, m.r, 0) // the look for former connections has ended
	m.apply(topology.JobCreate{Kind: topology.JobMigrate, Moves: m.moves})
	m.job = m.state.Epoch
	return m
}

func (m *mover) apply(body topology.Body) {
	m.tb.Helper()
	m.state = apply(m.tb, m.state, body)
	m.r.SetState(m.state)
	_ = m.r.eachLoop(context.Background(), func(*loop) {}) // behind the adoption
}

// hold puts the slots on hold.
func (m *mover) hold() {
	m.tb.Helper()
	m.apply(topology.SlotsHold{Job: m.job, Moves: m.moves})
	m.epoch = m.state.Epoch
}

// waitAcked waits until the node has acknowledged the current table.
func (m *mover) waitAcked() {
	m.tb.Helper()
	waitUntil(m.tb, "acknowledgement", 5*time.Second, func() bool { return m.acked.Load() >= m.state.Epoch })
}

func (m *mover) slots() []int {
	var slots []int
	for _, move := range m.moves {
		for slot := move.Start; slot <= move.End; slot++ {
			slots = append(slots, slot)
		}
	}
	return slots
}

// everyDB sends a request to every database of a server.
func (m *mover) everyDB(server int, request []byte) {
	m.tb.Helper()
	for db := range maxDatabases {
		m.raw(server, db, request)
	}
}

// raw sends a request as it is and returns the reply, which must not be an error.
func (m *mover) raw(server, db int, request []byte) resp.Reply {
	m.tb.Helper()
	conn, err := net.Dial("tcp", m.servers[server].Addr)
	if err != nil {
		m.tb.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	out := resp.AppendCommandStrings(nil, "SELECT", fmt.Sprint(db))
	if _, err := conn.Write(append(out, request...)); err != nil {
		m.tb.Fatal(err)
	}
	var in []byte
	var reply resp.Reply
	for left := 2; left > 0; {
		if r, n, err := resp.ParseReply(in); err == nil && n > 0 {
			in, reply, left = in[n:], r, left-1
			if err := reply.Err(); err != nil {
				m.tb.Fatal(err)
			}
			continue
		}
		buf := make([]byte, 64<<10)
		n, err := conn.Read(buf)
		if err != nil {
			m.tb.Fatal(err)
		}
		in = append(in, buf[:n]...)
	}
	return reply
}

// fence sets fences and moved sets.
func (m *mover) fence() {
	m.tb.Helper()
	deadline := time.Now().Add(time.Minute).UnixMilli()
	m.everyDB(0, fence.AppendSetFence(nil, m.epoch, deadline))
	m.everyDB(1, fence.AppendSetMarkers(nil, m.epoch, m.slots(), deadline))
}

// migrate goes through all steps until clients reach keys one by one.
func (m *mover) migrate() {
	m.tb.Helper()
	m.hold()
	m.waitAcked()
	m.fence()
	m.apply(topology.SlotsMigrate{Job: m.job, Epoch: m.epoch})
}

// keys returns n names in slot 3, which moves.
func (m *mover) keys(n int, prefix string) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%d{%s}", prefix, i, tagOf(3))
	}
	return keys
}

// tagOf returns a hash tag of a slot.
func tagOf(slot int) string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint("t", i); topology.SlotOf([]byte(tag)) == slot {
			return tag
		}
	}
}

// at asks a server itself.
func (m *mover) at(server int, words ...string) string {
	m.tb.Helper()
	client := m.servers[server].Client(m.tb)
	defer client.Close()
	reply, err := client.Do(context.Background(), words...)
	if err != nil {
		m.tb.Fatalf("%v at server %d: %v", words, server, err)
	}
	return reply.Text()
}

// wantSilent fails if a reply comes within a while.
func (w *wire) wantSilent() {
	w.tb.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if b, err := w.r.Peek(1); err == nil {
		w.tb.Fatalf("an answer came: %q", b)
	}
	_ = w.conn.SetDeadline(time.Now().Add(20 * time.Second))
}
