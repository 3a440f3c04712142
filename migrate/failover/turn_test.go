package failover

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// TestSafetyF2CandidateLosesItsData: a master restarts empty, and its replica copies
// that after it has been looked at, and before it is promoted. Nothing can bring the
// data back; but an empty server is not taken for what was looked at.
func TestSafetyF2CandidateLosesItsData(t *testing.T) {
	t.Parallel()
	var once sync.Once
	var c *cluster
	c = newCluster(t, clusterSpec{replicas: 1, settings: quickly, asleep: true, args: []string{"--repl-diskless-sync-delay", "0"}, config: func(cfg *Config) {
		cfg.StepTimeout = 10 * time.Second
		cfg.faults.beforeOrder = func() {
			once.Do(func() {
				c.first.Restart(t)
				waitFor(t, "the copy", func() bool {
					f, err := Inspect(t.Context(), Target{Addr: c.servers[c.group().Turn.To].Addr})
					return err == nil && f.LinkUp && f.TotalKeys() == 0
				})
			})
		}
	}})
	replica := c.others()[0]
	c.write(20)
	c.first.Kill()
	c.wake()
	c.wait("the end of the turn", func(g topology.Group) bool {
		return g.Turned != 0 || strings.Contains(c.history(), "is given up")
	})
	if !strings.Contains(c.history(), "given up: server "+replica.Addr+": it has lost data while it was promoted") {
		t.Errorf("history:\n%s", c.history())
	}
}

// TestSafetyF7ClockAhead: the last failover was written down by a leader whose clock
// was a day ahead.
func TestSafetyF7ClockAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := newMemory(t)
	m.must(topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: "127.0.0.1:1", RunID: "a", ReplID: "h1"}, {Addr: "127.0.0.1:2", RunID: "b", ReplID: "h1"}}})
	s, g := m.State(), m.group()
	seen := map[string]Health{"127.0.0.1:2": {Addr: "127.0.0.1:2", State: StateUp, RunID: "b", Replication: replica("", 5).Replication}}
	for ago, want := range map[time.Duration]bool{-24 * time.Hour: true, -time.Second: false, time.Second: false, 61 * time.Second: true} {
		g.FailoverAt = now.Add(-ago).UnixMilli()
		if p := prospect(s, g, sight{seen: seen, now: now}); p.Possible != want {
			t.Errorf("a failover %s ago: %+v", ago, p)
		}
	}
}

// TestSafetyF3Recovered: the directory that a cluster was recovered from does not know
// of a turn, whose epoch the servers know. They are put back into its roles.
func TestSafetyF3Recovered(t *testing.T) {
	t.Parallel()
	c := newCluster(t, clusterSpec{replicas: 1, asleep: true})
	promoted := c.others()[0]
	mustDo(t, c.first, "SET", "k", "v")
	c.caughtUp()
	if err := giveOrder(t, promoted, order{epoch: c.State().Epoch + 100}); err != nil {
		t.Fatal(err)
	}
	mustDo(t, c.first, "REPLICAOF", "127.0.0.1", portOf(promoted))
	waitFor(t, "the turn that is not known", func() bool { return mustInspect(t, Target{Addr: c.first.Addr}).LinkUp })
	mustDo(t, promoted, "SET", "k", "newer")
	waitFor(t, "the write", func() bool { return mustDo(t, c.first, "GET", "k") == "newer" })
	c.mu.Lock()
	after, err := topology.Recover(c.state, topology.Recovery{NodeID: "n1", ClusterID: "c2", Epoch: c.state.Epoch + 1_000_000})
	c.state = after
	c.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	c.wake()
	c.waitFollows(promoted.Addr)
	if got := mustDo(t, c.first, "GET", "k"); c.group().Master != c.first.Addr || got != "newer" {
		t.Errorf("master %s, %s has %q", c.group().Master, c.first.Addr, got)
	}
}

// TestSafetyF3LateWriteOfANode: a node's write was under way to a server that was the
// master then. The node has given it up, and its packets come after the server has
// been a replica and is the master again: it must not run. The mutant lets it.
func TestSafetyF3LateWriteOfANode(t *testing.T) {
	t.Parallel()
	for _, mutant := range []bool{false, true} {
		t.Run(fmt.Sprintf("mutant %v", mutant), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, clusterSpec{replicas: 1, config: func(cfg *Config) { cfg.faults.keepConnections = mutant }})
			network := newHoldProxy(t, c.first.Addr, "late-write")
			node, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: network.addr, Name: fence.Owner{Node: "n2", Token: "t"}.Name()})
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			var write sync.WaitGroup
			var answer error
			write.Go(func() { _, answer = node.Do(context.Background(), "SET", "k", "late-write") })
			<-network.held
			for _, addr := range []string{c.others()[0].Addr, c.first.Addr} {
				if _, err := c.control.Promote(t.Context(), Promote{Group: 1, Addr: addr}); err != nil {
					t.Fatal(err)
				}
				c.waitFollows(c.others()[0].Addr)
			}
			mustDo(t, c.first, "SET", "k", "newer")
			close(network.free)
			write.Wait()
			if got := mustDo(t, c.first, "GET", "k"); (got == "newer") == mutant {
				t.Errorf("the key is %q, the late write got %v", got, answer)
			}
		})
	}
}
