package migrate

import (
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// TestL4_SilentNodesAreCutOffAtTheTarget: what they have sent there, such as a
// FLUSHALL, would take the moved sets away.
func TestL4_SilentNodesAreCutOffAtTheTarget(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	silent, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: c.master(2).Addr, Name: "codis:dead@1"})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c.store.barrier = func(uint64) []topology.Node { return []topology.Node{{ID: "dead"}} }
	c.lead()
	job := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 1, End: 2, From: 1, To: 2})
	c.waitDone(job, 20*time.Second)
	if _, err := silent.Do(t.Context(), "PING"); err == nil {
		t.Error("the silent node's connection lives")
	}
}

// TestM_FromAFullServer: a server that is full and refuses writes is what slots are
// moved away from.
func TestM_FromAFullServer(t *testing.T) {
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	want := c.fill(1, 500)
	full := c.master(1).Client(t)
	must(t, full, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	must(t, full, "CONFIG", "SET", "maxmemory", "1")
	c.lead()
	job := c.migrate(topology.JobOptions{}, c.all(1, 2))
	c.waitDone(job, 20*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), want)
	checkSame(t, "source", contents(t, c.master(1)), nil)
}

// TestSafetyF4_RestartedMasterIsNotUsed: a master comes back with nothing in the middle
// of a move. Nobody has recorded it, so its emptiness does not end the move: its data
// may come back.
func TestSafetyF4_RestartedMasterIsNotUsed(t *testing.T) {
	c := newCluster(t, layout{groups: 2})
	c.assign(1)
	c.fill(1, 2000)
	c.record()
	leader := c.lead()
	job := c.migrate(topology.JobOptions{KeysPerSecond: 500}, topology.SlotMove{Start: 0, End: 200, From: 1, To: 2})
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 50 })
	c.master(1).Restart(t)
	waitFor(t, "a reason", func() bool {
		j := c.job(job)
		return strings.Contains(j.Reason, "not the process") || j.State.Finished()
	})
	if j := c.job(job); j.State.Finished() || j.Batches[0].Phase != topology.BatchMigrating {
		t.Fatalf("job %d is %s: the keys that had not moved are out of reach, batches %+v", job, j.State, j.Batches)
	}
}

// record puts the run IDs of the masters into the state, as failover does.
func (c *cluster) record() {
	c.tb.Helper()
	for id := range c.servers {
		server := c.master(id)
		info := resp.ParseInfo(must(c.tb, server.Client(c.tb), "INFO").Text())
		c.store.must(topology.ServerUpdate{Group: id, Server: topology.Server{Addr: server.Addr, RunID: info["run_id"], ReplID: info["master_replid"]}})
	}
}
