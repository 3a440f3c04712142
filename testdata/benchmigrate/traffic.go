package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// traffic is what clients have measured.
type traffic struct {
	mu        sync.Mutex
	latencies []float64 // ms, from when a request was due
	errors    int
	lastError string
}

func (t *traffic) add(latencies []float64, errors int, last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies = append(t.latencies, latencies...)
	t.errors += errors
	if last != "" {
		t.lastError = last
	}
}

// load sends requests at the fixed rate until ctx ends: each connection at its
// own times, whatever became of the request before. Latency counts from when a
// request was due, so that a stall is felt by all who would have come meanwhile.
func (b *bench) load(ctx context.Context) *traffic {
	t := &traffic{}
	var wg sync.WaitGroup
	for i := range b.conns {
		wg.Go(func() { b.loadOne(ctx, i, t) })
	}
	wg.Wait()
	return t
}

func (b *bench) loadOne(ctx context.Context, id int, t *traffic) {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: b.nodes[id%len(b.nodes)], Timeout: 30 * time.Second})
	if err != nil {
		t.add(nil, 1, err.Error())
		return
	}
	defer c.Close()
	random := rand.New(rand.NewPCG(uint64(id), 1))
	value := strings.Repeat("v", b.size)
	every := time.Duration(b.conns) * time.Second / time.Duration(b.rate)
	due := time.Now().Add(time.Duration(random.Int64N(int64(every))))
	var latencies []float64
	failures, last := 0, ""
	for ; ; due = due.Add(every) {
		select {
		case <-ctx.Done():
			t.add(latencies, failures, last)
			return
		case <-time.After(time.Until(due)):
		}
		k := key(random.IntN(b.keys))
		cmd := []string{"GET", k}
		if random.IntN(5) == 0 {
			cmd = []string{"SET", k, value}
		}
		reply, err := c.Do(context.Background(), cmd...)
		latencies = append(latencies, float64(time.Since(due).Microseconds())/1000)
		if err == nil && reply.IsNil() {
			err = fmt.Errorf("%s is not there", k)
		}
		if err != nil {
			failures, last = failures+1, err.Error()
		}
	}
}

// probe asks for one key again and again, so that it waits for every hold of the
// key's slot, and returns the longest that it has waited.
func (b *bench) probe(ctx context.Context, id int, slot int) (longest float64, err error) {
	k := ""
	for i := 0; topology.SlotOf([]byte(k)) != slot || i == 0; i++ {
		k = key(i)
	}
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: b.nodes[id%len(b.nodes)], Timeout: 30 * time.Second})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for ctx.Err() == nil {
		begin := time.Now()
		if _, err := c.Do(context.Background(), "GET", k); err != nil {
			return 0, err
		}
		longest = max(longest, float64(time.Since(begin).Microseconds())/1000)
		time.Sleep(probePause) // the rest of the machine has work to do
	}
	return longest, nil
}

// probePause is how much of a hold a probe may miss.
const probePause = 5 * time.Millisecond

// staying is the first of the slots that stay while the holds of the others are
// watched.
const staying = topology.SlotCount * 31 / 32

// waits are the longest waits of clients, in ms.
type waits struct{ moving, staying []float64 }

// probeAll watches slots of both kinds, spread evenly, until ctx ends.
func (b *bench) probeAll(ctx context.Context) (w waits, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	watch := func(id, slot int, to *[]float64) {
		wg.Go(func() {
			longest, probeErr := b.probe(ctx, id, slot)
			mu.Lock()
			defer mu.Unlock()
			*to = append(*to, longest)
			if probeErr != nil {
				err = probeErr
			}
		})
	}
	for i := range b.probes {
		watch(i, i*staying/b.probes, &w.moving)
		if i%4 == 0 {
			watch(i, staying+i/4%(topology.SlotCount-staying), &w.staying)
		}
	}
	wg.Wait()
	return w, err
}
