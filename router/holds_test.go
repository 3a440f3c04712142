package router

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"codis/raftstore/topology"
)

func TestHoldLog(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var h holdLog
	s := topology.NewState()
	s.Slots[7] = topology.Slot{Phase: topology.PhaseHolding, Group: 1, Target: 2, Epoch: 10}
	s.Slots[8] = s.Slots[7]
	s.Groups[3] = topology.Group{ID: 3, Turn: &topology.Turn{Epoch: 11}}
	h.see(start, s)
	h.see(start.Add(time.Second), s)
	if len(h.since) != 2 || h.lasted.count != 0 {
		t.Fatalf("%d holds, %d over; want 2 and 0", len(h.since), h.lasted.count)
	}
	s.Slots[7].Phase = topology.PhaseMigrating
	h.see(start.Add(2*time.Second), s)
	if h.lasted.count != 0 {
		t.Error("a hold is over while one of its slots is on hold")
	}
	s.Slots[8].Phase = topology.PhaseMigrating
	h.see(start.Add(3*time.Second), s)
	if h.lasted.count != 1 || h.lasted.nanos != uint64(3*time.Second) {
		t.Errorf("%d holds of %d ns over", h.lasted.count, h.lasted.nanos)
	}
	s.Groups = nil
	h.see(start.Add(4*time.Second), s)
	if len(h.since) != 0 || h.lasted.count != 2 || h.lasted.nanos != uint64(7*time.Second) {
		t.Errorf("%d holds, %d of %d ns over", len(h.since), h.lasted.count, h.lasted.nanos)
	}
}

// TestMetricsOfHolds sees a request wait for a hold, be told to try again, and a
// key be moved on access.
func TestMetricsOfHolds(t *testing.T) {
	t.Parallel()
	m := newMover(t, Config{}, "hold-deadline", "150ms")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(m.r.Collector())
	key := m.keys(1, "k")[0]
	m.at(0, "SET", key, "1")
	w := dialWire(t, m.r)
	m.hold()
	w.send("GET " + key + "\r\n")
	waitUntil(t, "a request is parked", 10*time.Second, func() bool {
		now := gatherMetrics(t, registry)
		return now["codis_held_requests"].GetGauge().GetValue() == 1 && now["codis_clients held"].GetGauge().GetValue() == 1 &&
			now["codis_holds"].GetGauge().GetValue() == 1
	})
	if got := w.read(); !strings.HasPrefix(got, "-TRYAGAIN") {
		t.Fatalf("got %q", got)
	}
	m.fence()
	m.apply(topology.SlotsMigrate{Job: m.job, Epoch: m.epoch})
	w.wantReply("$1\r\n1\r\n", "GET", key)
	now := gatherMetrics(t, registry)
	for name, want := range map[string]float64{
		"codis_held_requests_total": 1, "codis_hold_refused_requests_total deadline": 1, "codis_hold_refused_requests_total queue_full": 0,
		"codis_moved_on_access_total": 1,
	} {
		if got := now[name].GetCounter(); got == nil || got.GetValue() != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]uint64{"codis_hold_seconds": 1, "codis_request_wait_seconds": 2, "codis_move_on_access_seconds": 1} {
		if got := now[name].GetHistogram().GetSampleCount(); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}
