package raftstore

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// gathered is what a registry shows, by name, of metrics with one series.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]*dto.Metric {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	got := map[string]*dto.Metric{}
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			got[name] = m
		}
	}
	return got
}

func TestCollector(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(n.Collector())
	n.Acked(n.State().Epoch) // a lease needs it
	waitFor(t, "a lease", func() bool { return n.LeaseUntil() > n.now() })
	// The observer hears of it from Raft in its own time.
	waitFor(t, "the leader to be counted", func() bool {
		return gathered(t, registry)["codis_raft_leader_changes_total"].GetCounter().GetValue() >= 1
	})
	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"is_leader": 1, "has_leader": 1, "voters": 1, "nodes": 1, "nonvoters": 0, "joined": 1, "failed": 0,
		"unreachable_nodes": 0, "unleased_nodes": 0, "last_contact_seconds": 0,
	} {
		if m := got["codis_raft_"+name].GetGauge(); m == nil || m.GetValue() != want {
			t.Errorf("%s: got %v, want %v", name, m, want)
		}
	}
	for _, name := range []string{"table_epoch", "lease_seconds", "lease_age_seconds", "term", "commit_index", "log_entries", "log_bytes", "disk_bytes"} {
		if got["codis_raft_"+name].GetGauge().GetValue() <= 0 {
			t.Errorf("%s: %v", name, got["codis_raft_"+name])
		}
	}
	for _, kind := range []string{"change", "lease"} {
		if got["codis_raft_commit_seconds "+kind].GetHistogram().GetSampleCount() == 0 {
			t.Errorf("no commit of a %s was measured", kind)
		}
	}
}

// TestAppliedCatchesUp: entries for leases say nothing to the FSM; they are not to
// look like a node that falls behind.
func TestAppliedCatchesUp(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	for range 3 {
		if err := n.commitEntry(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "all is applied", func() bool {
		s := n.Status()
		return s.AppliedIndex == s.CommitIndex && s.AppliedIndex > n.table.applied.Load()
	})
	n.fsm.busy.Store(true)
	if s := n.Status(); s.AppliedIndex >= s.CommitIndex {
		t.Errorf("an FSM that is busy has applied %d of %d", s.AppliedIndex, s.CommitIndex)
	}
}
