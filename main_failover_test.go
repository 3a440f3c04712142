package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// replicated starts a master and replicas of it; a full copy starts at once.
func replicated(tb testing.TB, replicas int) []*resptest.Server {
	tb.Helper()
	fast := []string{"--repl-diskless-sync-delay", "0"}
	all := []*resptest.Server{resptest.StartRedis(tb, fast...)}
	for range replicas {
		r := resptest.StartRedis(tb, append(fast, "--replicaof", fmt.Sprintf("127.0.0.1 %d", all[0].Port))...)
		waitFor(tb, "a replica", func() error {
			if info := do(tb, r.Addr, "INFO", "replication").Text(); !strings.Contains(info, "master_link_status:up") {
				return errors.New("no link yet")
			}
			return nil
		})
		all = append(all, r)
	}
	return all
}

func addrsOf(servers []*resptest.Server) []string {
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

// counters are clients that count, each its own keys, and dial again where a node
// fails them.
type counters struct {
	stop   atomic.Bool
	wg     sync.WaitGroup
	counts []int64
	// gap is the longest time between two acknowledged writes of a client.
	gap    []time.Duration
	errors []error
}

// count starts clients at the given nodes.
func count(tb testing.TB, c *cluster, workers int, nodes ...int) *counters {
	tb.Helper()
	n := &counters{counts: make([]int64, workers), gap: make([]time.Duration, workers), errors: make([]error, workers)}
	for w := range workers {
		addr := c.addr(nodes[w%len(nodes)])
		n.wg.Go(func() {
			var client *resp.Client
			last := time.Now()
			for !n.stop.Load() {
				var err error
				if client == nil {
					if client, err = resp.Dial(context.Background(), resp.ClientOptions{Addr: addr, Timeout: patience}); err != nil {
						time.Sleep(5 * time.Millisecond) // the node may be gone
						client = nil
						continue
					}
				}
				_, err = client.Do(context.Background(), "INCR", fmt.Sprint("count", w))
				if err != nil {
					n.errors[w] = err
					client.Close()
					client = nil
					continue
				}
				n.counts[w]++
				n.gap[w] = max(n.gap[w], time.Since(last))
				last = time.Now()
			}
			if client != nil {
				client.Close()
			}
		})
	}
	tb.Cleanup(func() { n.stop.Store(true); n.wg.Wait() })
	return n
}

func (n *counters) end() time.Duration {
	n.stop.Store(true)
	n.wg.Wait()
	return slices.Max(n.gap)
}

// groupOf waits until a group is as wanted at a node.
func waitGroup(tb testing.TB, c *cluster, node int, what string, want func(topology.Group) bool) topology.Group {
	tb.Helper()
	var g topology.Group
	waitFor(tb, what, func() error {
		if g = c.nodes[node].store.State().Groups[1]; !want(g) {
			return fmt.Errorf("group %+v, turn %+v, alarms %v", g, g.Turn, c.nodes[node].turner.Alarms())
		}
		return nil
	})
	return g
}

// TestSwitchoversUnderLoad: planned switchovers lose nothing, and no client sees an
// error.
func TestSwitchoversUnderLoad(t *testing.T) {
	servers := replicated(t, 2)
	c := newCluster(t, 3, addrsOf(servers))
	load := count(t, c, 6, 0, 1, 2)
	var pauses []string
	for round := range 6 {
		time.Sleep(200 * time.Millisecond) // some load between two of them
		to := servers[(round+1)%len(servers)].Addr
		reply, err := dialNode(t, c.addr(round%3)).Do(within(t, patience), "CODIS.GROUP", "PROMOTE", "1", to)
		if err != nil {
			t.Fatal(err)
		}
		pauses = append(pauses, reply.Array[1].Text())
		waitGroup(t, c, 0, "the switchover", func(g topology.Group) bool { return g.Master == to && g.Turn == nil && len(g.Forks) == 0 })
	}
	gap := load.end()
	t.Logf("%s; the longest wait of a client was %s", strings.Join(pauses, ", "), gap)
	for w, want := range load.counts {
		if err := load.errors[w]; err != nil {
			t.Errorf("client %d: %v", w, err)
		}
		if got := do(t, c.addr(w%3), "GET", fmt.Sprint("count", w)).Text(); got != fmt.Sprint(want) {
			t.Errorf("client %d: got %s, %d increments were acknowledged", w, got, want)
		}
	}
}

func dialNode(tb testing.TB, addr string) *resp.Client {
	tb.Helper()
	client, err := resp.Dial(tb.Context(), resp.ClientOptions{Addr: addr, Timeout: patience})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return client
}

// TestFailoverUnderLoad: the master dies or hangs; writes flow again in time, and the old master comes back as a replica.
func TestFailoverUnderLoad(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func(*resptest.Server)
	}{
		{"killed", func(s *resptest.Server) { s.Kill() }},
		{"hung", func(s *resptest.Server) { s.Pause(t) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			servers := replicated(t, 1)
			c := newCluster(t, 3, addrsOf(servers))
			load := count(t, c, 4, 1, 2)
			time.Sleep(300 * time.Millisecond) // some load before
			begin := time.Now()
			tc.fail(servers[0])
			g := waitGroup(t, c, 1, "the failover", func(g topology.Group) bool { return g.Master == servers[1].Addr && g.Turn == nil })
			took := time.Since(begin)
			time.Sleep(300 * time.Millisecond) // and some behind it
			gap := load.end()
			t.Logf("took %s, the longest wait of a client was %s", took, gap)
			// down-after and 2 s, and what a machine with other work adds.
			if gap > 10*time.Second {
				t.Errorf("a client waited %s", gap)
			}
			if len(g.Forks) != 1 {
				t.Errorf("group %+v", g)
			}
			if tc.name == "hung" {
				servers[0].Continue(t)
			} else {
				servers[0].Restart(t)
			}
			waitGroup(t, c, 1, "the fork to be measured", func(g topology.Group) bool { return len(g.Forks) == 0 })
			waitFor(t, "the old master to follow", func() error {
				if info := do(t, servers[0].Addr, "INFO", "replication").Text(); !strings.Contains(info, "role:slave") || !strings.Contains(info, "master_link_status:up") {
					return errors.New(info)
				}
				return nil
			})
		})
	}
}

// TestFailoverWithTheLeader: the master and the node that leads die together, and with
// them everything that was known of a turn.
func TestFailoverWithTheLeader(t *testing.T) {
	nodes := startProcesses(t)
	// Group 1's master is not named by startProcesses; its replica is attached here.
	g := groupRow(t, nodes[0].addr)
	replica := resptest.StartRedis(t, "--repl-diskless-sync-delay", "0")
	do(t, nodes[0].addr, "CODIS.GROUP", "ATTACH", "1", replica.Addr)
	leader := 0
	for i, p := range nodes {
		if strings.Contains(do(t, p.addr, "CODIS.INFO").Text(), "role:leader") {
			leader = i
		}
	}
	key := ""
	for i := 0; key == "" || do(t, nodes[0].addr, "CODIS.SLOT", key).Array[0].Array[1].Int != 1; i++ {
		key = fmt.Sprint("key", i)
	}
	other := nodes[(leader+1)%len(nodes)]
	if got := do(t, other.addr, "SET", key, "v").Text(); got != "OK" {
		t.Fatal(got)
	}
	begin := time.Now()
	do(t, g, "CONFIG", "SET", "save", "") // nothing is written while it ends
	_, _ = try(t, g, "SHUTDOWN", "NOSAVE", "NOW")
	nodes[leader].Kill()
	waitFor(t, "a write", func() error {
		_, err := try(t, other.addr, "SET", key, "w")
		return err
	})
	t.Logf("writes again after %s", time.Since(begin))
	if got := do(t, replica.Addr, "GET", key).Text(); got != "w" {
		t.Errorf("the new master has %q", got)
	}
	if limit := 3 * 10 * time.Second; time.Since(begin) > limit { // lease + down-after + 2 s, on a machine with other work
		t.Errorf("it took %s", time.Since(begin))
	}
}

// groupRow returns the master of group 1.
func groupRow(tb testing.TB, addr string) string {
	tb.Helper()
	row := do(tb, addr, "CODIS.GROUPS").Array[0].Array
	for i := 0; i+1 < len(row); i += 2 {
		if row[i].Text() == "master" {
			return row[i+1].Text()
		}
	}
	tb.Fatal("CODIS.GROUPS names no master")
	return ""
}

// TestRestartEmptyIsNotServed: a master is started again at once, with nothing in it.
// No client ever reads from it; the replica, which has not copied that yet, takes over.
func TestRestartEmptyIsNotServed(t *testing.T) {
	master := resptest.StartRedis(t)
	replica := resptest.StartRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port))
	do(t, master.Addr, "CONFIG", "SET", "repl-diskless-sync-delay", "0") // once: the next process waits 5 s, as is the default
	waitFor(t, "the replica", func() error {
		if info := do(t, replica.Addr, "INFO", "replication").Text(); !strings.Contains(info, "master_link_status:up") {
			return errors.New("no link yet")
		}
		return nil
	})
	c := newCluster(t, 3, []string{master.Addr, replica.Addr})
	for i := range 50 {
		do(t, c.addr(i%3), "SET", fmt.Sprint("key", i), "v")
	}
	waitFor(t, "the keys at the replica", func() error {
		if n := do(t, replica.Addr, "DBSIZE").Int; n != 50 {
			return fmt.Errorf("%d keys", n)
		}
		return nil
	})
	seen := func() bool { return c.nodes[0].prober.Snapshot()[master.Addr].Keys == 50 }
	waitFor(t, "a look at them", func() error {
		if !seen() {
			return errors.New("not yet")
		}
		return nil
	})
	master.Restart(t)
	answers := 0
	waitFor(t, "answers again", func() error {
		reply, err := try(t, c.addr(answers%3), "GET", "key7")
		if err != nil {
			return err
		}
		if reply.Text() != "v" {
			t.Fatalf("a client has read %q", reply.Text())
		}
		if answers++; answers < 20 {
			return errors.New("some more")
		}
		return nil
	})
	waitGroup(t, c, 0, "the replica as the master", func(g topology.Group) bool { return g.Master == replica.Addr && g.Turn == nil })
}
