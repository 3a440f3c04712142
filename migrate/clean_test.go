package migrate

import (
	"strings"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// TestM7_ReservedKeysGoFromReplicasToo: a replica that was promoted without having
// heard of the clean-up would keep them for good, so a job is not over before.
func TestM7_ReservedKeysGoFromReplicasToo(t *testing.T) {
	t.Parallel()
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	want := c.fill(1, 100)
	var once sync.Once
	c.store.barrier = func(uint64) []topology.Node {
		if at := c.store.State().Slots[0]; at.Phase == topology.PhaseServing && at.Group == 2 {
			once.Do(func() { c.servers[2][1].Pause(t) })
		}
		return nil
	}
	c.lead()
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	waitFor(t, "the reason", func() bool {
		j := c.job(job)
		if j.State.Finished() {
			t.Fatal("the job is over, and the replica has not heard of its clean-up")
		}
		return strings.Contains(j.Reason, errReplicas.Error())
	})
	c.servers[2][1].Continue(t)
	c.waitDone(job, 30*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), want)
	checkSame(t, "its replica", contents(t, c.servers[2][1]), want)
}
