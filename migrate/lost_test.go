package migrate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// lose deletes reserved keys of a server whose names begin with a word, and says how
// many.
func lose(tb testing.TB, s *resptest.Server, word string) (lost int64) {
	tb.Helper()
	c := s.Client(tb)
	for db := range 16 {
		must(tb, c, "SELECT", strconv.Itoa(db))
		args := []string{"DEL"}
		for _, key := range must(tb, c, "KEYS", "*").Array {
			if strings.HasPrefix(key.Text(), fence.Prefix+word) {
				args = append(args, key.Text())
			}
		}
		if len(args) > 1 {
			lost += must(tb, c, args...).Int
		}
	}
	return lost
}

// touched is a job in the middle of its one batch, of keys of which some were changed
// at the target since they had moved there by an access; the source still has their
// older values. No key was deleted.
func touched(t *testing.T, args ...string) (c *cluster, leader *controller, job uint64, u *user) {
	t.Helper()
	c = newCluster(t, layout{groups: 2, args: args})
	c.assign(1)
	u = newUser(t, newNode(t, "n1", c.store), 1)
	t.Cleanup(u.close)
	for i := range 3000 {
		key := fmt.Sprint("key:", i)
		if _, err := u.do(0, key, "SET", key, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		u.model["0/"+key] = strconv.Itoa(i)
	}
	leader = c.lead(func(cfg *Config) { cfg.SetupWindow = DefaultConfig().SetupWindow })
	job = c.migrate(topology.JobOptions{KeysPerSecond: 400}, c.all(1, 2))
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 100 })
	for i := range 300 {
		u.append(t, fmt.Sprint("key:", 10*i))
	}
	return c, leader, job, u
}

func (u *user) append(t *testing.T, key string) {
	t.Helper()
	if _, err := u.do(0, key, "APPEND", key, "+"); err != nil {
		t.Fatal(err)
	}
	u.model["0/"+key] += "+"
}

// goOn lets a job have its way at full speed.
func (c *cluster) goOn(job uint64) {
	c.store.must(topology.JobLimit{ID: job, KeysPerSecond: 1_000_000})
}

// TestLost_Fences: a fence that the source has lost is set again, while clients go on.
func TestLost_Fences(t *testing.T) {
	t.Parallel()
	for replicas := range 2 {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			t.Parallel()
			c, _, job, users, stop := halfway(t, replicas)
			for range 3 {
				if lose(t, c.master(1), "fence:") == 0 {
					t.Log("the move was over before the last loss")
				}
				waitFor(t, "fences", func() bool {
					return c.job(job).State.Finished() || must(t, c.master(1).Client(t), "EXISTS", string(fence.AppendFenceKey(nil, c.job(job).Batches[0].Epoch))).Int == 1
				})
			}
			c.waitDone(job, 60*time.Second)
			stop()
			c.forgetWaits()
			c.audit(users)
		})
	}
}

// TestLost_FencesOfAnEmptyServer: a source that came back without its keys is not
// one of which all keys have moved.
func TestLost_FencesOfAnEmptyServer(t *testing.T) {
	t.Parallel()
	c, leader, job, _ := touched(t)
	source := c.master(1)
	record := func(runID string) {
		c.store.must(topology.ServerUpdate{Group: 1, Server: topology.Server{Addr: source.Addr, Version: "7", RunID: runID, ReplID: "r"}})
	}
	record(c.runID(1))
	source.Kill()
	source.Restart(t)
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "has restarted") })
	if phase := c.store.State().Slots[0].Phase; phase != topology.PhaseMigrating {
		t.Fatalf("slots are %s, with the keys of an empty server", phase)
	}
	record(c.runID(1)) // package failover has found that nobody has more
	c.goOn(job)
	c.waitDone(job, 30*time.Second)
	leader.stop()
}

func (c *cluster) runID(group int) string {
	c.tb.Helper()
	for line := range strings.Lines(must(c.tb, c.master(group).Client(c.tb), "INFO", "server").Text()) {
		if id, ok := strings.CutPrefix(line, "run_id:"); ok {
			return strings.TrimSpace(id)
		}
	}
	c.tb.Fatal("INFO has no run_id")
	return ""
}

// TestLost_SetsByForce: moved sets are not made again by themselves. By a person's word
// what the target has counts as moved, forward and, when the job was cancelled, back.
func TestLost_SetsByForce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cancel bool
		some   bool // only some sets
	}{{"all", false, false}, {"some", false, true}, {"all, cancelled", true, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _, job, u := touched(t)
			word := "moved:"
			if tt.some {
				word = "moved:1" // slots 1, 10-19, 100-199, 1000-1023
			}
			if lose(t, c.master(2), word) == 0 {
				t.Fatal("there was nothing to lose")
			}
			if tt.cancel {
				c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
			}
			waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, fmt.Sprintf("CODIS.JOB %d FORCE", job)) })
			left := must(t, c.master(1).Client(t), "DBSIZE").Int
			time.Sleep(300 * time.Millisecond) // some retries
			if n := must(t, c.master(1).Client(t), "DBSIZE").Int; n != left {
				t.Errorf("%d keys deleted at the source since", left-n)
			}
			c.store.must(topology.JobForce{ID: job})
			u.append(t, "key:7") // clients wait until it is done, no longer
			c.goOn(job)
			c.waitDone(job, 30*time.Second)
			if slot := c.store.State().Slots[0]; (slot.Group == 1) != tt.cancel || slot.Phase != topology.PhaseServing {
				t.Errorf("slot %+v", slot)
			}
			c.forgetWaits()
			c.audit([]*user{u})
		})
	}
}

// TestLost_OnTheWayBack: a batch that goes back has lost its fences and what it knew
// of the keys that were changed.
func TestLost_OnTheWayBack(t *testing.T) {
	t.Parallel()
	c, _, job, u := touched(t)
	c.store.must(topology.JobLimit{ID: job, KeysPerSecond: 50})
	c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	waitFor(t, "way back", func() bool { s := c.store.State().Slots[5]; return s.Reverse && s.Phase == topology.PhaseMigrating })
	lose(t, c.master(2), "")
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, "FORCE") })
	c.store.must(topology.JobForce{ID: job})
	u.append(t, "key:7")
	c.goOn(job)
	c.waitDone(job, 30*time.Second)
	c.forgetWaits()
	c.audit([]*user{u})
}
