package migrate

import (
	"testing"
	"time"

	"codis/raftstore/topology"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(100_000)
	s := topology.NewState()
	s.Slots[3].Phase, s.Slots[4].Phase, s.Slots[5].Phase = topology.PhaseServing, topology.PhaseHolding, topology.PhaseMigrating
	s.Jobs = map[uint64]topology.Job{
		1: {State: topology.JobRunning, CreatedAt: 10_000, Progress: topology.JobProgress{SlotsTotal: 8, SlotsDone: 3, At: 70_000}},
		2: {State: topology.JobCancelling, CreatedAt: 90_000, Reason: "a server is away", Progress: topology.JobProgress{SlotsTotal: 2}},
		3: {State: topology.JobPaused, CreatedAt: 1, Reason: "asked for", Progress: topology.JobProgress{SlotsTotal: 4}},
		4: {State: topology.JobFailed, CreatedAt: 1, Reason: "no", Progress: topology.JobProgress{SlotsTotal: 100}},
	}
	got := summarize(s, now)
	if got.slots != [...]int{topology.SlotCount - 3, 1, 1, 1} {
		t.Errorf("slots by phase: %v", got.slots)
	}
	if got.hindered != 1 || got.left != 11 || got.quiet != 30*time.Second {
		t.Errorf("hindered %d, left %d, quiet %s; want 1, 11, 30s", got.hindered, got.left, got.quiet)
	}
	if got.jobs[topology.JobRunning] != 1 || got.jobs[topology.JobFailed] != 1 || got.jobs[topology.JobDone] != 0 {
		t.Errorf("jobs by state: %v", got.jobs)
	}
}
