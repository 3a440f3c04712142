package router

import (
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// reverse turns the batch round, as the leader does.
func (m *mover) reverse() {
	m.tb.Helper()
	was, deadline := m.epoch, time.Now().Add(time.Minute).UnixMilli()
	m.apply(topology.JobSetState{ID: m.job, State: topology.JobCancelling})
	m.apply(topology.SlotsReverse{Job: m.job, Epoch: was})
	m.epoch = m.state.Epoch
	m.waitAcked()
	m.everyDB(1, fence.AppendSeal(nil, was, m.epoch, m.slots(), deadline))
	m.everyDB(1, fence.AppendSetFence(nil, m.epoch, deadline))
	m.everyDB(0, fence.AppendDropFence(nil, was))
	m.everyDB(0, fence.AppendSetMarkers(nil, m.epoch, m.slots(), deadline))
	m.apply(topology.SlotsMigrate{Job: m.job, Epoch: m.epoch, Seen: m.state.Epoch})
}

// TestM8KeysGoBackOnAccess: wherever a key's newest value is when a batch is turned
// round, clients find that, and work on it at the old group.
func TestM8KeysGoBackOnAccess(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	k := m.keys(5, "k")
	changed, deleted, untouched, made, both := k[0], k[1], k[2], k[3], k[4]
	w := dialWire(t, m.r)
	for _, key := range []string{changed, deleted, untouched, both} {
		w.wantReply("+OK\r\n", "SET", key, "old")
	}
	m.migrate()
	w.wantReply(":6\r\n", "APPEND", changed, "new")
	w.wantReply(":1\r\n", "DEL", deleted)
	w.wantReply("+OK\r\n", "SET", made, "made")
	m.at(1, "SET", both, "old") // a mover ended between its two transactions
	m.reverse()
	for _, c := range []struct{ key, want string }{
		{changed, "$6\r\noldnew\r\n"}, {deleted, "$-1\r\n"}, {untouched, "$3\r\nold\r\n"}, {made, "$4\r\nmade\r\n"}, {both, "$3\r\nold\r\n"},
	} {
		w.wantReply(c.want, "GET", c.key)
		w.wantReply("+OK\r\n", "SET", c.key, "back")
		if got := m.at(0, "GET", c.key); got != "back" {
			t.Errorf("%s at the old group: %q", c.key, got)
		}
	}
	w.wantReply(":1\r\n", "DEL", changed)
	// Another node, which has not reached the keys yet, finds what clients have
	// written since.
	other := dialWire(t, newRouter(t, Config{}, m.state))
	other.wantReply("$-1\r\n", "GET", changed)
	other.wantReply("$4\r\nback\r\n", "GET", deleted)
}
