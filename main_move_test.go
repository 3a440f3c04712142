package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestSlotsMoveUnderLoad moves half of the slots there and back while clients on
// all nodes count: every acknowledged increment is there in the end, no client
// sees an error, and each key is on exactly one group.
func TestSlotsMoveUnderLoad(t *testing.T) {
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 3, []string{one.Addr}, []string{two.Addr})
	const keys, workers = 3000, 6
	for i := range keys {
		do(t, c.addr(0), "SET", fmt.Sprint("n", i), "0")
		if i > 200 { // most keys are made faster
			break
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	counts := make([][keys]int64, workers)
	for w := range workers {
		client, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: c.addr(w % 3), Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		wg.Go(func() {
			for i := w; !stop.Load(); i = (i + 7) % keys {
				if _, err := client.Do(context.Background(), "INCR", fmt.Sprint("n", i)); err != nil {
					t.Errorf("INCR n%d: %v", i, err)
					return
				}
				counts[w][i]++
			}
		})
	}
	for round, m := range []topology.SlotMove{{Start: 0, End: 511, From: 1, To: 2}, {Start: 0, End: 1023, From: 2, To: 1}} {
		runJob(t, c, m)
		t.Logf("round %d done", round)
	}
	stop.Store(true)
	wg.Wait()
	for i := range keys {
		var want int64
		for w := range workers {
			want += counts[w][i]
		}
		key := fmt.Sprint("n", i)
		got := do(t, c.addr(i%3), "GET", key).Text()
		if want == 0 && got == "" {
			continue
		}
		if got != fmt.Sprint(want) {
			t.Errorf("%s: got %s, %d increments were acknowledged", key, got, want)
		}
	}
	if n := do(t, two.Addr, "DBSIZE").Int; n != 0 {
		t.Errorf("%d keys are left at group 2: %v", n, do(t, two.Addr, "KEYS", "*").Strings())
	}
}

// runJob moves slots and waits until the job has ended.
func runJob(tb testing.TB, c *cluster, m topology.SlotMove) {
	tb.Helper()
	outcome, err := c.nodes[0].store.Propose(within(tb, patience), topology.Command{
		Who: "test", Body: topology.JobCreate{Kind: topology.JobMigrate, Moves: []topology.SlotMove{m}},
	})
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		tb.Fatal(err)
	}
	start := time.Now()
	waitFor(tb, "the job", func() error {
		job := c.nodes[0].store.State().Jobs[outcome.Epoch]
		if job.State != topology.JobDone {
			return fmt.Errorf("it is %s: %s, %+v", job.State, job.Reason, job.Progress)
		}
		return nil
	})
	tb.Logf("%s took %s", m, time.Since(start))
}
