package migrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// audit checks that every key is on the group of its slot and nowhere else, with
// the value that its only writer gave it, and that nothing else is anywhere.
func (c *cluster) audit(users []*user) {
	c.tb.Helper()
	s := c.store.State()
	want := map[int]map[string]string{}
	for id := range c.servers {
		want[id] = map[string]string{}
	}
	for _, u := range users {
		for id, value := range u.model {
			want[s.Slots[topology.SlotOf([]byte(id[indexSlash(id)+1:]))].Group][id] = value
		}
	}
	for id, servers := range c.servers {
		got, client := map[string]string{}, servers[0].Client(c.tb)
		for key := range contents(c.tb, servers[0]) {
			at := indexSlash(key)
			must(c.tb, client, "SELECT", key[:at])
			r, err := client.Do(c.tb.Context(), "GET", key[at+1:])
			if err != nil {
				c.tb.Errorf("group %d: %q: %v", id, key, err)
			}
			got[key] = r.Text()
		}
		checkSame(c.tb, fmt.Sprintf("group %d", id), got, want[id])
	}
}

func indexSlash(id string) int {
	for i := range id {
		if id[i] == '/' {
			return i
		}
	}
	return -1
}

// load runs users on two nodes until stop is called.
func (c *cluster) load(seed uint64, count, keys int) (users []*user, stop func()) {
	nodes := []*node{newNode(c.tb, "n1", c.store), newNode(c.tb, "n2", c.store)}
	var ended atomic.Bool
	var all sync.WaitGroup
	for i := range count {
		u := newUser(c.tb, nodes[i%len(nodes)], seed+uint64(i))
		users = append(users, u)
		all.Go(func() {
			defer u.close()
			for !ended.Load() && !c.tb.Failed() {
				u.step("user"+strconv.Itoa(i), keys)
			}
		})
	}
	return users, sync.OnceFunc(func() { ended.Store(true); all.Wait() })
}

// TestM8_LeadersComeAndGo moves slots back and forth while leaders die at any
// point, two work at a time, answers to proposals get lost, jobs are paused and
// cancelled, and clients write.
func TestM8_LeadersComeAndGo(t *testing.T) {
	resptest.CheckLeaks(t)
	limit := 12 * time.Second
	if testing.Short() {
		limit = 4 * time.Second
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.store.must(topology.SettingSet{Name: "migrate-batch-slots", Value: "100"})
	c.store.must(topology.SettingSet{Name: "migrate-batch-keys", Value: "20"})
	c.assign(1)
	lossy := rand.New(rand.NewPCG(seed, 3))
	c.store.lost = func() bool { return lossy.IntN(20) == 0 }
	users, stop := c.load(seed, 4, 400)
	defer stop()
	window := func(cfg *Config) { cfg.SetupWindow = 150 * time.Millisecond }
	ids := func() (running []uint64) {
		for id, j := range c.store.State().Jobs {
			if !j.State.Finished() {
				running = append(running, id)
			}
		}
		return running
	}
	propose := func(body topology.Body) {
		_, _ = c.store.Propose(context.Background(), topology.Command{Body: body}) // a refusal is an answer, too
	}
	old, leaders, jobs := c.lead(window), 1, 0
	for began := time.Now(); time.Since(began) < limit && !t.Failed(); {
		if unfinished := ids(); len(unfinished) == 0 {
			s, start := c.store.State(), rng.IntN(900)
			from := s.Slots[start].Group
			end := start
			for end < 1023 && s.Slots[end+1].Group == from {
				end++
			}
			propose(topology.JobCreate{Kind: topology.JobMigrate, Moves: []topology.SlotMove{{Start: start, End: end, From: from, To: 3 - from}}})
			jobs++
		} else if id := unfinished[0]; true {
			switch rng.IntN(12) {
			case 0:
				propose(topology.JobSetState{ID: id, State: topology.JobPaused})
			case 1:
				propose(topology.JobSetState{ID: id, State: topology.JobCancelling})
			default:
				propose(topology.JobSetState{ID: id, State: topology.JobRunning})
			}
		}
		time.Sleep(time.Duration(rng.IntN(120)) * time.Millisecond) // a leader's life
		if rng.IntN(3) > 0 {
			next := c.lead(window) // before the old one knows
			time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
			old.stop()
			old = next
		} else {
			old.stop()
			old = c.lead(window)
		}
		leaders++
		if rng.IntN(3) == 0 {
			time.Sleep(400 * time.Millisecond) // sometimes one has the time to end something
		}
	}
	t.Logf("%d leaders, %d jobs", leaders, jobs)
	waitFor(t, "end of all jobs", func() bool {
		for _, id := range ids() {
			propose(topology.JobSetState{ID: id, State: topology.JobRunning})
		}
		return len(ids()) == 0 || t.Failed()
	})
	stop()
	old.stop()
	held := time.Duration(0)
	for _, u := range users {
		held = max(held, u.held)
	}
	t.Logf("longest wait of a client: %v", held)
	// Keys that say how far replicas are expire by themselves.
	c.forgetWaits()
	c.audit(users)
}

// forgetWaits removes the keys that are written before a WAIT: what a dead leader
// has left of them expires after a minute.
func (c *cluster) forgetWaits() {
	c.tb.Helper()
	for _, servers := range c.servers {
		client := servers[0].Client(c.tb)
		for db := range 16 {
			must(c.tb, client, "SELECT", strconv.Itoa(db))
			r := must(c.tb, client, "KEYS", "\x00codis:wait:*")
			for _, key := range r.Strings() {
				must(c.tb, client, "DEL", key)
			}
		}
	}
}
