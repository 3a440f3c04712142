package router

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"codis/router/resp"
)

// gatherMetrics returns the metrics of a registry by name and label values.
func gatherMetrics(tb testing.TB, g prometheus.Gatherer) map[string]*dto.Metric {
	tb.Helper()
	families, err := g.Gather()
	if err != nil {
		tb.Fatal(err)
	}
	metrics := make(map[string]*dto.Metric)
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, label := range m.Label {
				name += " " + label.GetValue()
			}
			metrics[name] = m
		}
	}
	return metrics
}

func TestMetricsCountWhatWasSent(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Collector())

	const clients, rounds = 4, 100
	var request []byte
	for _, words := range [][]string{{"SET", "a", "1"}, {"GET", "a"}, {"INCR", "a"}, {"LPUSH", "a", "x"}, // an error
		{"MGET", "a", keysOf(r, 1, 1, "m")[0], keysOf(r, 2, 1, "m")[0]}, {"HSET", "h", "f", "v"}, {"PING"}, {"EVAL", "return 1", "0"}, {"SUNION", "a", "b"}} { // CROSSSLOT
		request = resp.AppendCommandStrings(request, words...)
	}
	want := map[string][2]float64{ // of one round: requests and errors
		"string": {4, 0}, "list": {1, 1}, "hash": {1, 0}, "connection": {1, 0}, "scripting": {1, 0}, "set": {1, 1},
	}
	var wg sync.WaitGroup
	var wires []*wire
	for range clients {
		w := dialWire(t, r)
		wires = append(wires, w)
		wg.Go(func() {
			for range rounds {
				w.conn.Write(request) // what is wrong with the connection shows in the counts
				for range 9 {
					if _, err := w.readErr(); err != nil {
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { // ends with the clients
		wg.Wait()
		close(done)
	}()
	last := make(map[string]*dto.Metric)
	for under := true; under; {
		select {
		case <-done:
			under = false
		default:
		}
		now := gatherMetrics(t, registry)
		for name, m := range last {
			if c := m.GetCounter(); c != nil && now[name].GetCounter().GetValue() < c.GetValue() {
				t.Errorf("%s went back", name)
			}
		}
		last = now
	}
	for family, n := range want {
		requests := last["codis_requests_total "+family]
		if got := requests.GetCounter().GetValue(); got != n[0]*clients*rounds {
			t.Errorf("%s: %v requests, want %v", family, got, n[0]*clients*rounds)
		}
		failed := 0.0
		for name, m := range last {
			if strings.HasPrefix(name, "codis_request_errors_total ") && strings.HasSuffix(name, " "+family) {
				failed += m.GetCounter().GetValue()
			}
		}
		if got := failed; got != n[1]*clients*rounds {
			t.Errorf("%s: %v errors, want %v", family, got, n[1]*clients*rounds)
		}
		h := last["codis_request_seconds "+family].GetHistogram()
		if float64(h.GetSampleCount()) != n[0]*clients*rounds {
			t.Errorf("%s: %d latencies", family, h.GetSampleCount())
		}
		before := uint64(0)
		for _, bucket := range h.Bucket {
			if bucket.GetCumulativeCount() < before || bucket.GetCumulativeCount() > h.GetSampleCount() {
				t.Errorf("%s: bucket %v", family, bucket)
			}
			before = bucket.GetCumulativeCount()
		}
	}
	a, b := servers[0].Addr, servers[1].Addr
	for name, want := range map[string]float64{
		"codis_client_bytes_total in": float64(len(request) * clients * rounds), "codis_client_connections_total": clients,
		"codis_client_connections_rejected_total": 0, "codis_protocol_errors_total": 0,
		"codis_backend_lost_requests_total closed " + a: 0, "codis_backend_lost_requests_total timeout " + b: 0,
		"codis_backend_dial_errors_total " + a: 0, "codis_backend_dials_total " + a: 2, "codis_backend_dials_total " + b: 2,
		"codis_request_errors_total WRONGTYPE list": clients * rounds, "codis_request_errors_total CROSSSLOT set": clients * rounds,
	} {
		if got := last[name].GetCounter(); got == nil || got.GetValue() != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{
		"codis_clients idle": clients, "codis_clients held": 0, "codis_slots_served": 1024, "codis_table_epoch": float64(r.table.Load().epoch),
		"codis_backend_connections " + a + " ready": 2, "codis_backend_connections " + b + " opening": 0,
		"codis_backend_inflight " + a: 0, "codis_backend_inflight " + b: 0, "codis_holds": 0, "codis_ready": 1,
	} {
		if got := last[name].GetGauge(); got == nil || got.GetValue() != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	// Both servers got their shares: each request once, MGET in two parts, nothing
	// for what the node answers by itself.
	for _, direction := range []string{"in", "out"} {
		if last["codis_backend_bytes_total "+direction+" "+a].GetCounter().GetValue() == 0 {
			t.Errorf("no bytes %s at server 1", direction)
		}
	}
	sent := last["codis_backend_request_seconds "+a].GetHistogram().GetSampleCount() + last["codis_backend_request_seconds "+b].GetHistogram().GetSampleCount()
	if sent != 8*clients*rounds {
		t.Errorf("%d requests at servers, want %d", sent, 8*clients*rounds)
	}
	if n := last["codis_loop_round_seconds 0"].GetHistogram().GetSampleCount(); n == 0 {
		t.Error("no round was measured")
	}
	for _, w := range wires {
		w.conn.Close()
	}
	waitUntil(t, "no client is left", backoffMax*5, func() bool {
		return gatherMetrics(t, registry)["codis_clients idle"].GetGauge().GetValue() == 0
	})
}

func TestMetricsOfFaults(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Collector())
	w, bad := dialWire(t, r), dialWire(t, r)
	w.wantReply("+OK\r\n", "MSET", keysOf(r, 1, 1, "k")[0], "1", keysOf(r, 2, 1, "k")[0], "2") // both are connected to
	bad.send("*1\r\n$x\r\n")
	bad.wantClosed()
	servers[0].Pause(t)
	key := keysOf(r, 1, 1, "k")[0]
	w.send("GET " + key + "\r\nGET " + key + "\r\n")
	waitUntil(t, "two requests wait", backoffMax*5, func() bool {
		return gatherMetrics(t, registry)["codis_backend_inflight "+servers[0].Addr].GetGauge().GetValue() == 2
	})
	servers[0].Kill()
	w.read()
	w.read()
	waitUntil(t, "a failed dial", backoffMax*5, func() bool {
		w.do("GET", key)
		return gatherMetrics(t, registry)["codis_backend_dial_errors_total "+servers[0].Addr].GetCounter().GetValue() > 0
	})
	got := gatherMetrics(t, registry)
	for name, want := range map[string]float64{"codis_protocol_errors_total": 1, "codis_backend_lost_requests_total closed " + servers[0].Addr: 2} {
		if n := got[name].GetCounter().GetValue(); n < want {
			t.Errorf("%s: got %v, want %v", name, n, want)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Collector())
	dialWire(t, r).wantReply("+OK\r\n", "SET", "a", "1")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	for _, name := range slices.Collect(maps.Keys(gatherMetrics(t, registry))) {
		if !strings.HasPrefix(name, "codis_") {
			t.Errorf("%s has not our prefix", name)
		}
	}
}

// lostRequests is how many requests of a loop got no reply of their server.
func (l *loop) lostRequests() (n uint64) {
	for _, s := range l.serverStats {
		for _, lost := range s.lost {
			n += lost
		}
	}
	return n
}

// gatherServers is what the router counts of its servers, over all loops.
func (r *Router) gatherServers(ctx context.Context) (map[string]*serverView, error) {
	v, err := r.gather(ctx)
	return v.servers, err
}
