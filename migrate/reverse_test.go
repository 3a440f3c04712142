package migrate

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// halfway is a job whose batch is in the middle, with clients at work, and slow
// enough to stay there.
func halfway(t *testing.T, replicas int) (c *cluster, leader *controller, job uint64, users []*user, stop func()) {
	t.Helper()
	c = newCluster(t, layout{groups: 2, replicas: replicas})
	c.assign(1)
	users, stop = c.load(7, 3, 300)
	t.Cleanup(stop)
	cold := newUser(t, users[0].n, 9) // keys that nobody touches until the end
	for i := range 3000 {
		if _, err := cold.do(0, fmt.Sprint("cold:", i), "SET", fmt.Sprint("cold:", i), strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		cold.model[fmt.Sprint("0/cold:", i)] = strconv.Itoa(i)
	}
	cold.close()
	leader = c.lead()
	job = c.migrate(topology.JobOptions{KeysPerSecond: 1000}, c.all(1, 2))
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 300 })
	return c, leader, job, append(users, cold), stop
}

// wentBack waits for the end of the job, which must have left everything at group 1.
func (c *cluster) wentBack(job uint64, users []*user, stop func()) {
	c.tb.Helper()
	c.waitDone(job, 60*time.Second)
	stop()
	if j := c.job(job); j.State != topology.JobCancelled || len(c.store.State().Jobs) != 1 {
		c.tb.Errorf("job %+v, of %d", j, len(c.store.State().Jobs))
	}
	for i, slot := range c.store.State().Slots {
		if slot.Phase != topology.PhaseServing || slot.Group != 1 {
			c.tb.Fatalf("slot %d is %+v", i, slot)
		}
	}
	c.forgetWaits()
	c.audit(users)
}

// TestM8_TurnRound cancels a job in the middle of a batch, under load: keys that
// were changed, made and deleted at the new group come back as they are there.
func TestM8_TurnRound(t *testing.T) {
	for replicas := range 2 {
		t.Run(fmt.Sprint(replicas, " replicas"), func(t *testing.T) {
			c, _, job, users, stop := halfway(t, replicas)
			c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
			waitFor(t, "turn", func() bool { s := c.store.State().Slots[5]; return s.Reverse || s.Phase == topology.PhaseServing })
			c.wentBack(job, users, stop)
			if p := c.job(job).Progress; p.SlotsDone != 0 {
				t.Errorf("progress %+v", p)
			}
		})
	}
}

// TestM8_TurnRoundWhenTheTargetRefuses: a target without memory is what jobs are
// cancelled for.
func TestM8_TurnRoundWhenTheTargetRefuses(t *testing.T) {
	c, _, job, users, stop := halfway(t, 0)
	stop() // clients of keys that are to be fetched would be refused, too
	target := c.master(2).Client(t)
	must(t, target, "CONFIG", "SET", "maxmemory", "1")
	waitFor(t, "reason", func() bool {
		return strings.Contains(c.job(job).Reason, "OOM") || strings.Contains(c.job(job).Reason, "memory")
	})
	c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	waitFor(t, "way back", func() bool { return c.store.State().Slots[5].Reverse })
	c.wentBack(job, users, stop)
}

// TestM8_TurnRoundLeadersDie kills the leader over and over while a batch goes
// back, and has a second one at work at the same time.
func TestM8_TurnRoundLeadersDie(t *testing.T) {
	c, leader, job, users, stop := halfway(t, 0)
	c.store.must(topology.JobSetState{ID: job, State: topology.JobCancelling})
	window := func(cfg *Config) { cfg.SetupWindow = 150 * time.Millisecond }
	for i := range 10 {
		next := c.lead(window)
		time.Sleep(time.Duration(5+i*i*4) * time.Millisecond) // a leader's life, longer and longer
		leader.stop()
		leader = next
	}
	c.wentBack(job, users, stop)
}
