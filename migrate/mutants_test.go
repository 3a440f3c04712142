package migrate

import (
	"fmt"
	"math"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// TestM6_LateUnlink: a leader was about to delete what it has moved, and stands still.
// Others end the batch, move the slot back, and a client writes the key anew. When the
// first leader goes on, its fence is gone, and it deletes nothing. The mutant does.
func TestM6_LateUnlink(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]mutant{"as it is": 0, "mutant": mutantUnfenced} {
		t.Run(name, func(t *testing.T) {
			const epoch = 7
			c := newCluster(t, layout{groups: 1})
			cfg := DefaultConfig()
			cfg.Store, cfg.Name, cfg.mutant = c.store, "n1", mutant
			ctl, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			l, err := ctl.openMaster(t.Context(), c.store.State(), 1)
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			l.out = fence.AppendSetFence(l.out, epoch, math.MaxInt64)
			if _, err := l.do(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			u := unlinker{mover: &mover{run: &run{c: ctl}, task: task{taskKey: taskKey{epoch: epoch}}}, link: l, batch: fence.NewBatch(epoch)}
			if err := u.arm(t.Context()); err != nil {
				t.Fatal(err)
			}
			client := c.master(1).Client(t)
			must(t, client, "UNLINK", string(fence.AppendFenceKey(nil, epoch)))
			must(t, client, "SET", "key", "anew")
			_, err = u.unlink(t.Context(), []fence.Item{{Key: fence.Key{Name: []byte("key")}}})
			there := must(t, client, "EXISTS", "key").Int == 1
			if harm := !there || err == nil; harm != (mutant != 0) {
				t.Errorf("the key is there: %t, the unlink was answered %v", there, err)
			}
		})
	}
}

// TestF6_CursorOfAnotherServer: a failover comes in the middle of a move. Its passes
// begin again at the promoted replica. The mutant goes on with its cursor, meets no key
// there, and calls the slots empty.
func TestF6_CursorOfAnotherServer(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]bool{"as it is": false, "mutant": true} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, layout{groups: 2, replicas: 1})
			c.assign(1)
			want := c.fill(1, 300)
			old, promoted := c.servers[1][0], c.servers[1][1]
			waitFor(t, "the replica to have all", func() bool { return len(contents(t, promoted)) == len(want) })
			cursor, behind := lastCursor(t, promoted.Client(t))
			for _, key := range behind { // the old master's pass had moved as many
				must(t, c.master(1).Client(t), "DEL", key)
			}
			waitFor(t, "the deletions", func() bool { return len(contents(t, promoted)) == len(want)-len(behind) })
			must(t, promoted.Client(t), "REPLICAOF", "NO", "ONE")
			must(t, old.Client(t), "REPLICAOF", "127.0.0.1", fmt.Sprint(promoted.Port))
			c.store.must(topology.TurnBegin{Group: 1, Kind: topology.TurnFailover, From: old.Addr, To: promoted.Addr, Reason: "test"})
			c.store.must(topology.TurnDone{Group: 1, Epoch: c.store.State().Groups[1].Turn.Epoch, Server: topology.Server{Addr: promoted.Addr}})
			waitFor(t, "the old master to follow", func() bool {
				return resp.ParseInfo(must(t, old.Client(t), "INFO", "replication").Text())["master_link_status"] == "up"
			})
			c.lead(func(cfg *Config) {
				if mutant {
					cfg.keptCursor = cursor
				}
			})
			c.waitDone(c.migrate(topology.JobOptions{}, c.all(1, 2)), 30*time.Second)
			if left := len(contents(t, promoted)); (left > 0) != mutant {
				t.Errorf("%d of %d keys were left behind", left, len(want))
			}
		})
	}
}

// lastCursor is the last place that a pass of a server's keys comes to, and the keys
// that are behind it.
func lastCursor(t *testing.T, c *resp.Client) (cursor string, behind []string) {
	t.Helper()
	for cursor = "0"; ; {
		r := must(t, c, "SCAN", cursor, "COUNT", "1")
		next := r.Array[0].Text()
		if next == "0" {
			return cursor, r.Array[1].Strings()
		}
		cursor = next
	}
}
