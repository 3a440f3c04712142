package api

import (
	"encoding/json"
	"testing"
	"time"

	"codis/admin"
)

type seriesView struct {
	StepMS  int64                 `json:"step_ms"`
	At      []int64               `json:"at"`
	Node    map[string][]*float64 `json:"node"`
	Cluster map[string][]*float64 `json:"cluster"`
}

func TestSeriesKeepsAnHour(t *testing.T) {
	var s series
	for i := range int64(maxSamples) + 5 {
		s.add(sample{at: i + 1})
	}
	all := s.since(0)
	if len(all) != maxSamples || all[0].at != 6 || all[len(all)-1].at != int64(maxSamples)+5 {
		t.Errorf("got %d samples from %d to %d", len(all), all[0].at, all[len(all)-1].at)
	}
	if late := s.since(int64(maxSamples) + 3); len(late) != 2 {
		t.Errorf("since: got %d", len(late))
	}
}

func TestSeriesShowsWhatIsKnown(t *testing.T) {
	number := func(v float64) *float64 { return &v }
	nodes := admin.NodeList{
		{Self: true, Figures: &admin.Figures{OpsPerSecond: number(1.5), P99Micros: number(10), Clients: number(2)}},
		{Figures: &admin.Figures{OpsPerSecond: number(2), P99Micros: number(30)}},
		{Lease: &admin.NodeLease{Age: time.Hour}}, // it is gone
	}
	var v seriesView
	text := appendSeries(nil, []sample{sampleOf(nodes, time.UnixMilli(7)), sampleOf(nil, time.UnixMilli(8))})
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	value := func(list []*float64, i int) any {
		if list[i] == nil {
			return nil
		}
		return *list[i]
	}
	for _, tt := range []struct {
		name string
		got  any
		want any
	}{
		{"step", v.StepMS, int64(5000)},
		{"at", v.At[1], int64(8)},
		{"own rate", value(v.Node["ops_per_second"], 0), 1.5},
		{"sum of rates", value(v.Cluster["ops_per_second"], 0), 3.5},
		{"worst percentile", value(v.Cluster["p99_us"], 0), 30.0},
		{"clients of those who tell", value(v.Cluster["clients"], 0), 2.0},
		{"not known", value(v.Node["memory_bytes"], 0), nil},
		{"nobody tells", value(v.Cluster["ops_per_second"], 1), nil},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if err := json.Unmarshal(appendSeries(nil, nil), &v); err != nil || v.At == nil {
		t.Errorf("nothing yet: %v, %+v", err, v)
	}
}

// TestSeriesHasGaps: a sum without a node that is there is not known.
func TestSeriesHasGaps(t *testing.T) {
	ops, lease := 100.0, &admin.NodeLease{}
	told := func(n admin.Node) admin.Node { n.Figures = &admin.Figures{OpsPerSecond: &ops}; return n }
	for _, tt := range []struct {
		name  string
		nodes admin.NodeList
		want  any
	}{
		{"all have told", admin.NodeList{told(admin.Node{Self: true, Up: true, Lease: lease}), told(admin.Node{Up: true, Lease: lease})}, 200.0},
		{"a report is late", admin.NodeList{told(admin.Node{Self: true, Up: true, Lease: lease}), {Up: true, Lease: lease}}, nil},
		{"there is no leader", admin.NodeList{told(admin.Node{Self: true}), {}}, nil},
		{"a node is down", admin.NodeList{told(admin.Node{Self: true, Up: true, Lease: lease}), {Lease: lease}}, 100.0},
		{"the only node", admin.NodeList{told(admin.Node{Self: true})}, 100.0},
	} {
		var v seriesView
		if err := json.Unmarshal(appendSeries(nil, []sample{sampleOf(tt.nodes, time.UnixMilli(1))}), &v); err != nil {
			t.Fatal(err)
		}
		var got any
		if n := v.Cluster["ops_per_second"][0]; n != nil {
			got = *n
		}
		if own := v.Node["ops_per_second"][0]; got != tt.want || own == nil || *own != ops {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
