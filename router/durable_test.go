package router

import (
	"context"
	"errors"
	"fmt"
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

// TestDurableWrites: with durability-replicas a write is answered when the replicas
// have it, whatever kind of write it is, and not before; reads do not wait.
func TestDurableWrites(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "durability-replicas", "1", "durability-timeout", "1m")
	keys := keysOf(n.r, 1, 2, "k")
	w, reader := dialWire(t, n.r), dialWire(t, n.r)
	for _, c := range []struct{ command, want string }{
		{"SET " + keys[0] + " 1", "+OK\r\n"},
		{"GET " + keys[0], "$1\r\n1\r\n"},
		{"EVAL return(redis.call('incr',KEYS[1])) 1 " + keys[0], ":2\r\n"},
		{"DEL " + keys[0] + " " + keys[1], ":1\r\n"},
		{"LPOP " + keys[0], "$-1\r\n"},
		{"HSET " + keys[0] + " f v", ":1\r\n"},
		{"INCR " + keys[0], "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	} {
		if got := w.do(strings.Fields(c.command)...); got != c.want {
			t.Errorf("%s: got %q, want %q", c.command, got, c.want)
		}
	}
	n.replica.Pause(t)
	for _, command := range []string{
		"SET " + keys[0] + " 2", "MSET " + keys[0] + " 2 " + keys[1] + " 3", "DEL " + keys[1],
		"EVAL return(redis.call('set',KEYS[1],'2')) 1 " + keys[0], "SET " + keys[0] + " " + strings.Repeat("x", 2*directWrite),
	} {
		w := dialWire(t, n.r)
		w.send(string(resp.AppendCommandStrings(nil, strings.Fields(command)...)))
		defer func() {
			if got := w.read(); got[0] == '-' {
				t.Errorf("%.40s: got %q", command, got)
			}
		}()
		w.wantSilent()
	}
	if got := reader.do("GET", keys[0]); got[0] != '$' {
		t.Errorf("a reader of another session got %q", got)
	}
	n.replica.Continue(t)
}

// TestDurableShortage: what has not reached enough replicas in time is told so, and
// nothing else of the pipeline is.
func TestDurableShortage(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{}, "durability-replicas", "1", "durability-timeout", "100ms")
	key, other := keysOf(n.r, 1, 1, "k")[0], keysOf(n.r, 2, 1, "o")[0]
	w := dialWire(t, n.r)
	waitUntil(t, "the replica answers in time", patience, func() bool { return w.do("SET", key, "1") == okText })
	n.replica.Pause(t)
	w.send(strings.NewReplacer("k ", key+" ").Replace("GET k \r\nINCR k \r\nGET k \r\nLPUSH k x\r\nINCR k \r\nPING\r\nGET k \r\n"))
	for i, want := range []string{"$1\r\n1\r\n", "-NOREPLICAS ", "$1\r\n2\r\n", "-WRONGTYPE ", "-NOREPLICAS ", "+PONG\r\n", "$1\r\n3\r\n"} {
		if got := w.read(); !strings.HasPrefix(got, want) {
			t.Errorf("reply %d: got %q, want %q", i, got, want)
		}
	}
	if got := w.do("SET", other, "1"); !strings.HasPrefix(got, "-NOREPLICAS the write is done at group 2's master, but only 0 of 1 ") {
		t.Errorf("a group without replicas: got %q", got)
	}
	n.set("durability-replicas", "0")
	w.wantReply("+OK\r\n", "SET", key, "4")
	n.set("durability-replicas", "1")
	n.replica.Continue(t)
	waitUntil(t, "the replica is back", patience, func() bool { return w.do("SET", key, "5") == okText })
}

// TestDurableOrder: sessions that write and read in long pipelines, while the setting
// goes on and off, see their own writes in order.
func TestDurableOrder(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "durability-timeout", "1m")
	n.waitSynced(resptest.StartRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(n.other.Port)))
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range 6 {
		c := dialClient(t, n.r)
		mine := keysOf(n.r, 1, 1, fmt.Sprintf("m%d-", i))[0]
		theirs := keysOf(n.r, 2, 1, fmt.Sprintf("t%d-", i))[0]
		wg.Go(func() {
			for round := range 20 {
				var cmds [][]string
				var want []string
				for step := range 20 {
					v := fmt.Sprint(round*1000 + step)
					cmds = append(cmds, []string{"GET", mine}, []string{"MSET", mine, v, theirs, v}, []string{"GET", mine}, []string{"PING"}, []string{"MGET", theirs, mine})
					want = append(want, "", "OK", v, "PONG", v)
				}
				replies, err := c.Pipeline(context.Background(), cmds...)
				if err != nil {
					t.Error(err)
					return
				}
				for k, reply := range replies {
					got := reply.Text()
					if len(reply.Array) == 2 {
						got = reply.Array[0].Text()
						if other := reply.Array[1].Text(); other != got {
							t.Errorf("MGET: %q and %q", got, other)
						}
					}
					if k%5 == 0 && k > 0 {
						want[k] = want[k-1]
					}
					if k > 0 && got != want[k] {
						t.Errorf("round %d, %v: got %q, want %q", round, cmds[k], got, want[k])
						return
					}
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		case <-time.After(5 * time.Millisecond):
		}
		n.set("durability-replicas", fmt.Sprint(i%2))
	}
}

// TestDurableDrain: a write whose replicas are waited for is in flight.
func TestDurableDrain(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{}, "durability-replicas", "1", "durability-timeout", "1m", "hold-deadline", "1m")
	key := keysOf(n.r, 1, 1, "k")[0]
	w := dialWire(t, n.r)
	w.wantReply("+OK\r\n", "SET", key, "1")
	n.replica.Pause(t)
	w.send("SET " + key + " 2\r\n")
	waitUntil(t, "the write is at the master", patience, func() bool { return n.ask(n.master, "GET", key) == "2" })
	n.begin(topology.TurnSwitchover)
	n.wantNotAcked("a WAIT is under way")
	n.replica.Continue(t)
	w.wantNext("+OK\r\n")
	n.waitAcked()
}

// TestDurableThroughAMove: a write at the target of a move waits for the target's
// replicas.
func TestDurableThroughAMove(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{})
	key := m.keys(1, "k")[0]
	w := dialWire(t, m.r)
	w.wantReply("+OK\r\n", "SET", key, "1")
	m.migrate()
	m.apply(topology.SettingSet{Name: "durability-replicas", Value: "1"})
	m.apply(topology.SettingSet{Name: "durability-timeout", Value: "50ms"})
	if got := w.do("INCR", key); !strings.HasPrefix(got, "-NOREPLICAS the write is done at group 2's master") {
		t.Errorf("got %q", got)
	}
	w.wantReply("$1\r\n2\r\n", "GET", key)
}

// TestDurableLosesNothing: a master is killed under load and its replica promoted.
// Every write that was acknowledged is there.
func TestDurableLosesNothing(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "durability-replicas", "1", "hold-deadline", "1m")
	const clients = 8
	keys := keysOf(n.r, 1, clients, "k")
	acknowledged := make([]int, clients)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range clients {
		c := dialClient(t, n.r)
		wg.Go(func() {
			for v := 1; ; v++ {
				select {
				case <-stop:
					return
				default:
				}
				reply, err := c.Do(context.Background(), "SET", keys[i], fmt.Sprint(v))
				if refused := new(resp.ServerError); err != nil && !errors.As(err, &refused) {
					t.Error(err)
					return
				}
				if err == nil && reply.Text() == "OK" {
					acknowledged[i] = v
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // of load
	n.master.Kill()
	n.begin(topology.TurnFailover)
	n.waitAcked()
	n.set("durability-replicas", "0") // the new master has no replica
	n.done()
	close(stop)
	wg.Wait()
	n.set("durability-replicas", "0")
	sum := 0
	for i, key := range keys {
		var got int
		_, _ = fmt.Sscan(n.ask(n.replica, "GET", key), &got)
		if got < acknowledged[i] {
			t.Errorf("%s: %d was acknowledged, the new master has %d", key, acknowledged[i], got)
		}
		sum += acknowledged[i]
	}
	if sum == 0 {
		t.Error("nothing was acknowledged")
	}
}

// TestIsWrite: what waits for replicas.
func TestIsWrite(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"set": true, "get": false, "eval": true, "eval_ro": false, "evalsha": true, "fcall": true, "fcall_ro": false,
		"flushall": true, "ping": false, "pfcount": false, "getex": true, "dbsize": false, "mset": true,
	} {
		cmd := command.Lookup([]byte(name))
		if cmd == nil {
			t.Fatalf("no command %s", name)
		}
		if got := isWrite(cmd); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
