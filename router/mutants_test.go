package router

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestMutants: each rule of SAFETY.md that is turned off is missed. What is wrong
// then is told by the story of the rule, which finds nothing wrong with the router
// as it is.
func TestMutants(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]struct {
		faults faults
		story  func(t *testing.T, f faults) (wrong string)
	}{
		"L2 no check of the lease at the reply":        {faults{replyUnleased: true}, storyOfALeaseLost},
		"L3 the drain ignores requests that timed out": {faults{drainForgets: true}, storyOfATimeout},
		"L3 the hold is counted after the route":       {faults{uncounted: unsentIn}, storyOfAnOpening},
		"L4 a connection older than its lease is used": {faults{trustOpened: true}, storyOfAnOldConnection},
		"F4 a master that has restarted is trusted":    {faults{trustRestarted: true}, storyOfARestart},
		"M5 what has moved is known beyond a failover": {faults{keepMoved: true}, storyOfAMove},
		"K a read at the source is not checked":        {faults{readsUnchecked: true}, storyOfABigRead},
		"F3 the old master is used after its turn":     {faults{resolve: func(at target) target { return at }}, storyOfATurn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if wrong := m.story(t, faults{}); wrong != "" {
				t.Errorf("as it is: %s", wrong)
			}
			if wrong := m.story(t, m.faults); wrong == "" {
				t.Error("the mutant was not caught")
			}
		})
	}
}

// leased is a lease that a test ends and renews.
type leased struct{ until atomic.Int64 }

func (c *leased) config(f faults) Config {
	c.until.Store(2)
	return Config{faults: f, Clock: func() int64 { return 1 }, LeaseUntil: c.until.Load}
}

func storyOfALeaseLost(t *testing.T, f faults) (wrong string) {
	var lease leased
	server := resptest.StartRedis(t)
	r := newRouter(t, lease.config(f), newState(t, server.Addr))
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "k", "1")
	waitInflight(t, r, 0)
	server.Pause(t)
	w.send("INCR k\r\n")
	waitInflight(t, r, 1)
	lease.until.Store(0)
	server.Continue(t)
	if got := w.read(); got != leaseLostText {
		return fmt.Sprintf("a reply that came without a lease was given: %q", got)
	}
	return ""
}

func storyOfAnOldConnection(t *testing.T, f faults) (wrong string) {
	var lease leased
	server := resptest.StartRedis(t)
	r := newRouter(t, lease.config(f), withSettings(t, newState(t, server.Addr), "backend-dial-timeout", "20s"))
	waitInflight(t, r, 0)
	server.Pause(t) // it accepts, and answers the set-up later
	w := dialWire(t, r)
	w.send("SET k 1\r\n")
	waitInflight(t, r, 1)
	lease.until.Store(0)
	waitUntil(t, "the loop has seen the lapse", patience, func() bool {
		var lapses uint64
		_ = r.eachLoop(t.Context(), func(l *loop) { lapses = l.lapses })
		return lapses > 1
	})
	lease.until.Store(2)
	server.Continue(t)
	w.read()
	if got := dialWire(t, r).do("EXISTS", "k"); got != ":0\r\n" {
		return "what queued before the lease lapsed was sent after it"
	}
	return ""
}

// unsentIn counts the requests of a slot that wait for a connection to open.
func unsentIn(l *loop, slot int) (n int32) {
	for _, s := range l.servers {
		for _, b := range s.allConns() {
			for i := 0; b.state == backendOpening && i < b.fifo.size; i++ {
				for _, in := range b.fifo.ring[(b.fifo.head+i)&(len(b.fifo.ring)-1)].slots {
					if int(in) == slot {
						n++
					}
				}
			}
		}
	}
	return n
}

func storyOfAnOpening(t *testing.T, f faults) (wrong string) {
	m := newMover(t, Config{faults: f}, "backend-dial-timeout", "20s")
	m.servers[0].Pause(t)
	w := dialWire(t, m.r)
	w.send("SET " + m.keys(1, "k")[0] + " 1\r\n")
	waitInflight(t, m.r, 1)
	before := m.state.Epoch
	m.hold()
	time.Sleep(50 * time.Millisecond) // nothing may come in this time
	if m.acked.Load() > before {
		return "a hold was acknowledged while a request waited to be sent"
	}
	m.servers[0].Continue(t)
	m.waitAcked()
	w.wantNext("+OK\r\n")
	return ""
}

func storyOfATimeout(t *testing.T, f faults) (wrong string) {
	m := newMover(t, Config{faults: f}, "backend-timeout", "150ms")
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	m.servers[0].Pause(t)
	if got := w.do("INCR", key); !strings.Contains(got, "outcome unknown") {
		t.Fatalf("got %q", got)
	}
	before := m.state.Epoch
	m.hold()
	time.Sleep(50 * time.Millisecond) // nothing may come in this time
	if m.acked.Load() > before {
		return "a hold was acknowledged though a server may run a request of the slot"
	}
	m.servers[0].Continue(t)
	m.waitAcked()
	return ""
}

func storyOfAMove(t *testing.T, f faults) (wrong string) {
	if moved, _ := movedThroughATurn(t, topology.TurnSwitchover, f); moved != "$1\r\n0\r\n" {
		return fmt.Sprintf("a key that the new master does not have counts as moved: %q", moved)
	}
	return ""
}

func storyOfATurn(t *testing.T, f faults) (wrong string) {
	var old, now atomic.Pointer[string]
	if f.resolve != nil {
		f.resolve = func(at target) target {
			if from, to := old.Load(), now.Load(); to != nil && at.addr == *to {
				at.addr = *from
			}
			return at
		}
	}
	n := newTurner(t, Config{faults: f}, "hold-deadline", "1m")
	key := keysOf(n.r, 1, 1, "k")[0]
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "0")
	n.begin(topology.TurnSwitchover)
	n.waitAcked()
	old.Store(&n.master.Addr)
	now.Store(&n.replica.Addr)
	n.done()
	w.do("SET", key, "new")
	if got := n.ask(n.replica, "GET", key); got != "new" {
		return fmt.Sprintf("the new master has %q", got)
	}
	return ""
}

func storyOfARestart(t *testing.T, f faults) (wrong string) {
	v, server := newRecorded(t, Config{faults: f}, "hold-deadline", "50ms")
	w := dialWire(t, v.r)
	w.wantReply("+OK\r\n", "SET", "k", "1")
	server.Kill()
	server.Restart(t)
	var got string
	waitUntil(t, "an answer of either kind", patience, func() bool {
		got = w.do("GET", "k")
		return got[0] == '$' || strings.Contains(got, errBackendUnrecorded.Error())
	})
	if got[0] == '$' {
		return fmt.Sprintf("a master that has restarted was asked before it was recorded: %q", got)
	}
	return ""
}
