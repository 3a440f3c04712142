package admin

import (
	"time"

	"codis/raftstore/topology"
)

// moveWarnings are the cases of leases, jobs and holds.
func moveWarnings() []warningTest {
	lease := func(l Leases) func(*Observation) { return func(o *Observation) { o.Status.Leases = &l } }
	nodes := func(age time.Duration) Leases {
		return Leases{Left: time.Second, Nodes: map[string]NodeLease{"n1": {Age: time.Second}, "n2": {Age: age}, "gone": {Age: time.Hour}}}
	}
	set := func(name, value string, change func(*Observation)) func(*Observation) {
		return func(o *Observation) {
			o.State.Settings = topology.Settings{name: value}
			change(o)
		}
	}
	job := func(j topology.Job) func(*Observation) {
		return func(o *Observation) {
			j.ID, j.Progress = 7, topology.JobProgress{SlotsTotal: 9, SlotsDone: 2}
			o.State.Jobs = map[uint64]topology.Job{7: j}
		}
	}
	held := func(phase topology.BatchPhase, d time.Duration) func(*Observation) {
		return func(o *Observation) {
			job(topology.Job{State: topology.JobRunning, Batches: []topology.Batch{
				{Epoch: 8, Phase: phase, Ranges: []topology.SlotMove{{Start: 3, End: 5, From: 1, To: 2}}},
			}})(o)
			o.Held = map[uint64]time.Duration{8: d}
		}
	}
	return []warningTest{
		{"lease", lease(Leases{Left: time.Second}), "ok", nil, ""},
		{"no lease", lease(Leases{}), "degraded", []string{"no-lease"}, "refuses every command for a key (on-quorum-loss stop)"},
		{"no lease, reads", set("on-quorum-loss", "reads", lease(Leases{})), "degraded", []string{"no-lease"}, "answers reads only"},
		{"no lease before the node has joined", func(o *Observation) { lease(Leases{})(o); o.Status.Joined = false }, "degraded", []string{"joining"}, ""},
		{"all renew", lease(nodes(2 * time.Second)), "ok", nil, ""},
		{"one is behind", func(o *Observation) {
			lease(nodes(time.Second))(o)
			o.State.Epoch = 100
			n := o.Status.Leases.Nodes["n2"]
			n.Acked = 79
			o.Status.Leases.Nodes["n2"] = n
		}, "degraded", []string{"node-behind"}, "node n2 (n2:19000) renews its lease but works by the table of epoch 79, which is now 100"},
		{"one is silent", lease(nodes(9 * time.Second)), "degraded", []string{"node-silent"}, "node n2 (n2:19000) has not renewed its lease for 9s"},
		{"one is silent and serves", set("on-quorum-loss", "serve", lease(nodes(9*time.Second))), "degraded", []string{"node-silent"}, "no slot can move"},
		{"job", job(topology.Job{State: topology.JobRunning}), "ok", nil, ""},
		{"job with a reason", job(topology.Job{State: topology.JobRunning, Reason: "no replica"}), "ok", []string{"job-reason"}, "job 7 (running, 7 slots left): no replica"},
		{"finished job", job(topology.Job{State: topology.JobFailed, Reason: "x"}), "ok", nil, ""},
		{"paused job", job(topology.Job{State: topology.JobPaused, Reason: "x"}), "ok", []string{"job-paused"}, "job 7 is paused, 7 slots are left to move (x)"},
		{"short hold", held(topology.BatchHolding, time.Second), "ok", nil, ""},
		{"long hold", held(topology.BatchHolding, 3*time.Second), "degraded", []string{"slots-held"}, "slots 3-5 have been on hold for 3s"},
		{"long move", held(topology.BatchMigrating, time.Hour), "ok", nil, ""},
	}
}
