package failover

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"codis/raftstore/topology"
)

// gathered is what a registry shows, by name and label values.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetType() != dto.MetricType_GAUGE {
			t.Errorf("%s is a %s", family.GetName(), family.GetType())
		}
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	return got
}

func TestCollector(t *testing.T) {
	t.Parallel()
	m := startRedis(t)
	r := startReplica(t, m)
	rogue := startRedis(t)
	p := newProber(t, quick(), target(m), target(r), target(rogue))
	replid := waitState(t, p, m.Addr, StateUp).ReplID
	s := topology.NewState()
	s.Groups[7] = topology.Group{
		ID: 7, Master: m.Addr, Servers: []topology.Server{{Addr: m.Addr, ReplID: replid}, {Addr: r.Addr}, {Addr: rogue.Addr}, {Addr: "127.0.0.1:1"}},
		Turned: 5, FailoverAt: 4000, Forks: make([]topology.Fork, 2),
		Turn: &topology.Turn{At: time.Now().Add(-time.Minute).UnixMilli()},
	}
	s.Slots[9] = topology.Slot{Phase: topology.PhaseServing, Group: 7}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewCollector(p, func() *topology.State { return s }))
	waitHealth(t, p, r.Addr, "a lag", func(h Health) bool { return h.LagBytes != LagUnknown })
	waitState(t, p, rogue.Addr, StateUp)

	got := gathered(t, registry)
	for name, want := range map[string]float64{
		"codis_server_up 7 " + m.Addr: 1, "codis_server_up 7 " + r.Addr: 1, "codis_server_up 7 127.0.0.1:1": 0,
		"codis_server_master 7 " + m.Addr: 1, "codis_server_master 7 " + r.Addr: 0,
		"codis_server_role_wrong 7 " + m.Addr: 0, "codis_server_role_wrong 7 " + r.Addr: 0, "codis_server_role_wrong 7 " + rogue.Addr: 1,
		"codis_server_link_up 7 " + r.Addr: 1, "codis_server_down 7 " + m.Addr: 0,
		"codis_group_master_up 7": 1, "codis_group_replicas_in_sync 7": 1, "codis_group_slots 7": 1, "codis_group_turned_epoch 7": 5,
		"codis_group_last_failover_timestamp_seconds 7": 4, "codis_group_unmeasured_losses 7": 2,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: got %v (%v), want %v", name, v, ok, want)
		}
	}
	if turn := got["codis_group_turn_seconds 7"]; turn < 60 || turn > 600 {
		t.Errorf("the turn has been under way for %v s", turn)
	}
	if _, ok := got["codis_server_lag_bytes 7 "+r.Addr]; !ok {
		t.Error("no lag of the replica")
	}
	for _, name := range []string{"codis_server_memory_bytes 7 " + m.Addr, "codis_server_keys 7 " + m.Addr, "codis_server_persistent 7 " + m.Addr,
		"codis_server_memory_limit_bytes 7 " + m.Addr, "codis_group_failover_possible 7"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if _, ok := got["codis_server_silent_seconds 7 127.0.0.1:1"]; ok {
		t.Error("a server that never answered has a time of its last answer")
	}

	m.Kill()
	waitState(t, p, m.Addr, StateDown)
	got = gathered(t, registry)
	if got["codis_group_master_up 7"] != 0 || got["codis_server_down 7 "+m.Addr] != 1 || got["codis_server_silent_seconds 7 "+m.Addr] <= 0 {
		t.Errorf("the killed master: %v", got)
	}
}
