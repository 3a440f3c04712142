package main

import (
	"encoding/json"
	"time"

	"codis/admin"
	"codis/migrate/failover"
)

// report is what a node tells the leader with each renewal of its lease.
type report struct {
	Stats *admin.Figures  `json:"stats,omitempty"`
	Down  []failover.Down `json:"down,omitempty"`
}

// report returns it as JSON.
func (n *Node) report() []byte {
	figures := n.figures()
	text, err := json.Marshal(report{Stats: &figures, Down: n.silent()})
	if err != nil {
		n.log.Error("the report has no JSON form", "error", err) // numbers always have one
		return nil
	}
	return text
}

// figures is what this node says of itself; little before its router runs.
func (n *Node) figures() admin.Figures {
	ready, _ := n.ready()
	r := n.serving.Load()
	if r == nil {
		return admin.Figures{Ready: &ready}
	}
	f := r.Figures()
	number := func(v float64) *float64 { return &v }
	micros := func(d time.Duration) *float64 { return number(float64(d.Microseconds())) }
	return admin.Figures{
		Ready: &ready, OpsPerSecond: &f.OpsPerSecond, ErrorsPerSecond: &f.ErrorsPerSecond,
		P50Micros: micros(f.P50), P99Micros: micros(f.P99), Clients: number(float64(f.Clients)),
		MemoryBytes: number(float64(f.MemoryBytes)), UptimeSeconds: number(f.Uptime.Round(time.Second).Seconds()),
	}
}

// reports is what the nodes have told this one, the leader.
func (n *Node) reports() map[string]admin.Figures {
	figures := map[string]admin.Figures{}
	for id, told := range n.store.Reports() {
		var r report
		// Another version may say what this one can't read.
		if err := json.Unmarshal(told.Data, &r); err == nil && r.Stats != nil {
			figures[id] = *r.Stats
		}
	}
	return figures
}
