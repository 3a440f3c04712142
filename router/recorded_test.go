package router

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// newRecorded starts a router over one master whose run ID is in the table.
func newRecorded(tb testing.TB, cfg Config, settings ...string) (*live, *resptest.Server) {
	tb.Helper()
	server := resptest.StartRedis(tb)
	v := &live{tb: tb, state: withSettings(tb, newState(tb, server.Addr), settings...)}
	v.r = newRouter(tb, cfg, v.state)
	v.record(server)
	return v, server
}

// record does what the leader does when it has looked at a server.
func (v *live) record(server *resptest.Server) {
	v.tb.Helper()
	reply, err := server.Client(v.tb).Do(v.tb.Context(), "INFO", "server")
	if err != nil {
		v.tb.Fatal(err)
	}
	runID := resp.ParseInfo(reply.Text())["run_id"]
	v.use(apply(v.tb, v.state, topology.ServerUpdate{Group: 1, Server: topology.Server{Addr: server.Addr, Version: "7.0.15", RunID: runID}}))
}

// restartAndWait restarts the server of a router and sends a request that waits,
// since connections are refused for some time before.
func restartAndWait(tb testing.TB, v *live, server *resptest.Server, w *wire, request string) {
	tb.Helper()
	server.Kill()
	server.Restart(tb)
	waitUntil(tb, "a connection waits for the table", patience, func() bool {
		if waiting, _ := inState(v.r, backendUnrecorded); waiting {
			return true
		}
		probe := dialWire(tb, v.r)
		probe.send(request)
		_ = probe.conn.Close()
		return false
	})
	w.send(request)
}

func inState(r *Router, state backendState) (found bool, err error) {
	err = r.eachLoop(r.ctx, func(l *loop) {
		for _, s := range l.servers {
			for _, b := range s.allConns() {
				found = found || b.state == state
			}
		}
	})
	return found, err
}

// TestF4RestartedMasterWaits: a master that is another process than the table says
// gets nothing before the leader has recorded it; then what waited is answered.
func TestF4RestartedMasterWaits(t *testing.T) {
	t.Parallel()
	v, server := newRecorded(t, Config{}, "hold-deadline", "1m")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "SET", "k", "1")
	restartAndWait(t, v, server, w, "GET k\r\n")
	w.wantSilent()
	v.record(server)
	w.wantNext("$-1\r\n") // it has come back empty, and the leader took it
	w.wantReply("+OK\r\n", "SET", "k", "2")
}

// TestF4UnrecordedMasterIsRefused: when the leader does not record it, requests are
// refused, and the next ones at once.
func TestF4UnrecordedMasterIsRefused(t *testing.T) {
	t.Parallel()
	v, server := newRecorded(t, Config{}, "hold-deadline", "300ms")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "SET", "k", "1")
	restartAndWait(t, v, server, w, "SET k 2\r\n")
	if got := w.read(); !strings.Contains(got, errBackendUnrecorded.Error()) {
		t.Fatalf("got %q", got)
	}
	v.set("hold-deadline", "1m") // nobody waits again for what was in vain
	for range 20 {
		if got := w.do("SET", "k", "2"); !strings.Contains(got, errBackendUnrecorded.Error()) {
			t.Fatalf("got %q", got)
		}
	}
	reply, err := server.Client(t).Do(t.Context(), "DBSIZE")
	if err != nil || reply.Int != 0 {
		t.Errorf("the server has %d keys, %v", reply.Int, err)
	}
	v.record(server)
	w.wantReply("+OK\r\n", "SET", "k", "2")
}

// TestF4UnrecordedMasterWhenTheLeaseIsBack: a connection that was opened without a
// lease, for stale reads, leads to a process that nobody has looked at. It is not used
// for more once there is a leader again.
func TestF4UnrecordedMasterWhenTheLeaseIsBack(t *testing.T) {
	t.Parallel()
	var now, until atomic.Int64
	now.Store(1)
	until.Store(1 << 60)
	v, server := newRecorded(t, Config{Clock: now.Load, LeaseUntil: until.Load}, "on-quorum-loss", "reads", "hold-deadline", "1m")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "SET", "k", "1")
	until.Store(1)
	server.Kill()
	server.Restart(t)
	waitUntil(t, "a stale read", patience, func() bool {
		now.Add(int64(time.Second)) // past the back-off
		return dialWire(t, v.r).do("GET", "k") == "$-1\r\n"
	})
	until.Store(1 << 60)
	w.send("SET k 2\r\n")
	w.wantSilent()
	v.record(server)
	w.wantNext("+OK\r\n")
}
