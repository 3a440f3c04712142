package migrate

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

func TestNextLimit(t *testing.T) {
	limit := int64(flightsMax)
	for range 3 {
		limit = nextLimit(limit, 2*brisk, time.Microsecond)
	}
	if limit != flightsMin { // 6, 4, 3, 2
		t.Errorf("limit %d after three slow answers", limit)
	}
	if limit = nextLimit(limit, time.Second, brisk); limit != flightsMin {
		t.Errorf("limit %d, which is below the least", limit)
	}
	for range 100 {
		limit = nextLimit(limit, 3*brisk, brisk) // three times the idle PING is well
	}
	if limit != flightsMax {
		t.Errorf("limit %d after calm", limit)
	}
}

func TestFlights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, begun, results := newPace(), atomic.Int64{}, make(chan error, 20)
		begin := func(n int) {
			for range n {
				go func() { // its result is received below
					err := p.begin(ctx)
					if err == nil {
						begun.Add(1)
					}
					results <- err
				}()
			}
			synctest.Wait()
		}
		end := func(n int) {
			for range n {
				p.end()
			}
		}
		check := func(name string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := begun.Load(); got != want {
				t.Errorf("%s: %d flights have begun, not %d", name, got, want)
			}
		}
		begin(10)
		check("nobody else is there", 10)
		end(10)
		p.traffic[1].Store(true)
		begin(10)
		check("others are there", 10+flightsFirst)
		end(2)
		check("two have landed", 12+flightsFirst)
		p.limit[0].Store(flightsMin)
		end(2)
		check("the limit is lower", 12+flightsFirst)
		p.traffic[1].Store(false)
		p.ping(1, 0, 0)
		check("the others have gone", 20)
		p.traffic[0].Store(true)
		begin(1)
		check("too many are on their way", 20)
		cancel()
		var failed int
		for range 21 {
			if err := <-results; err != nil {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("%d flights were given up, not 1", failed)
		}
	})
}

func TestInLanes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	keys := make([]fence.Key, 5000)
	for i := range keys {
		keys[i] = fence.Key{Slot: random.IntN(topology.SlotCount), Name: []byte(strconv.Itoa(i))}
	}
	seen := map[string]bool{}
	for lane, in := range inLanes(keys) {
		for i, key := range in {
			seen[string(key.Name)] = true
			if key.Slot%lanes != lane {
				t.Fatalf("slot %d is in lane %d", key.Slot, lane)
			}
			if i > 0 && key.Slot < in[i-1].Slot {
				t.Fatalf("slot %d stands behind slot %d", key.Slot, in[i-1].Slot)
			}
		}
	}
	if len(seen) != len(keys) {
		t.Errorf("%d of %d keys are in a lane", len(seen), len(keys))
	}
}
