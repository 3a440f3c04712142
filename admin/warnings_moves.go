package admin

import (
	"time"

	"codis/raftstore/topology"
)

// leases warns about this node's lease, and at the leader about nodes whose lease is
// not renewed.
func (w *warner) leases(obs Observation) {
	leases := obs.Status.Leases
	if leases == nil {
		return
	}
	loss := obs.State.Settings.Text("on-quorum-loss")
	if obs.Status.Joined && !obs.Status.Removed && leases.Left <= 0 {
		does := map[string]string{"reads": "answers reads only, which may be old", "serve": "goes on by a table that may be old"}[loss]
		if does == "" {
			does = "refuses every command for a key"
		}
		w.add(LevelDegraded, "no-lease", "node %s has no lease, so it %s (on-quorum-loss %s); it gets one when it reaches the leader", obs.Status.ID, does, loss)
	}
	limit := obs.State.Settings.Duration("lease")
	for _, id := range sortedKeys(leases.Nodes) {
		n := leases.Nodes[id]
		switch {
		case obs.State.Nodes[id].ID == "":
			continue
		case n.Age <= limit:
			if n.Acked > 0 && n.Acked+maxBehind < obs.State.Epoch {
				w.add(LevelDegraded, "node-behind", "node %s (%s) renews its lease but works by the table of epoch %d, which is now %d; look at its log and its disk",
					id, obs.State.Nodes[id].Addr, n.Acked, obs.State.Epoch)
			}
			continue
		}
		then := "slots that are about to move wait until its lease has run out"
		if loss == "serve" {
			then = "it may serve on (on-quorum-loss serve), so that no slot can move"
		}
		w.add(LevelDegraded, "node-silent", "node %s (%s) has not renewed its lease for %s; %s; start it again, or CODIS.NODE REMOVE %s when it is gone for good",
			id, obs.State.Nodes[id].Addr, n.Age.Round(time.Second), then, id)
	}
}

// maxBehind is how many changes a node may be behind before a person should know:
// more than are ever on their way.
const maxBehind = 20

// jobs warns about moves that do not get on.
func (w *warner) jobs(obs Observation) {
	deadline := obs.State.Settings.Duration("hold-deadline")
	for _, id := range sortedKeys(obs.State.Jobs) {
		j := obs.State.Jobs[id]
		if j.State.Finished() {
			continue
		}
		left := j.Progress.SlotsTotal - j.Progress.SlotsDone
		if j.State == topology.JobPaused {
			w.add(LevelNotice, "job-paused", "job %d is paused, %d slots are left to move%s; CODIS.JOB %d RESUME goes on, CODIS.JOB %d CANCEL ends it",
				id, left, because(j.Reason), id, id)
		} else if j.Reason != "" {
			w.add(LevelNotice, "job-reason", "job %d (%s, %d slots left): %s", id, j.State, left, j.Reason)
		}
		for _, b := range j.Batches {
			if b.Phase == topology.BatchHolding && obs.Held[b.Epoch] > deadline {
				w.add(LevelDegraded, "slots-held", "slots %s have been on hold for %s, so that requests for them get -TRYAGAIN (job %d); "+
					"CODIS.NODES shows which node has not acknowledged epoch %d, CODIS.JOB %d CANCEL lets go of them",
					spans(b.Slots()), obs.Held[b.Epoch].Round(time.Second), id, b.Epoch, id)
			}
		}
	}
}
