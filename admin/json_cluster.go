package admin

import (
	"encoding/json"

	"codis/raftstore/topology"
)

// The functions of this file give answers about the cluster the form that JSON shows:
// names with underscores, times in Unix milliseconds, null for what is not known.

// orNull is null for the zero value.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// orEmpty makes an empty array of no rows.
func orEmpty[T any](rows []T) []T {
	if rows == nil {
		return []T{}
	}
	return rows
}

type warningView struct {
	Level string `json:"level"`
	Code  string `json:"code"`
	Text  string `json:"text"`
}

type countsView struct {
	Nodes         int `json:"nodes"`
	Voters        int `json:"voters"`
	Groups        int `json:"groups"`
	Servers       int `json:"servers"`
	SlotsTotal    int `json:"slots_total"`
	SlotsAssigned int `json:"slots_assigned"`
	SlotsMoving   int `json:"slots_moving"`
	JobsRunning   int `json:"jobs_running"`
}

type overviewView struct {
	ClusterID    string        `json:"cluster_id"`
	NodeID       string        `json:"node_id"`
	Version      string        `json:"version"`
	LeaderID     *string       `json:"leader_id"`
	LeaderHTTP   *string       `json:"leader_http"`
	Epoch        uint64        `json:"epoch"`
	Health       string        `json:"health"`
	Warnings     []warningView `json:"warnings"`
	LeaseLeftMS  *int64        `json:"lease_left_ms"`
	OnQuorumLoss string        `json:"on_quorum_loss"`
	Counts       countsView    `json:"counts"`
	Totals       *Totals       `json:"totals"`
	At           int64         `json:"at"`
}

func (i Info) view() any {
	v := overviewView{
		ClusterID: i.ClusterID, NodeID: i.Node.ID, Version: i.Node.Version, LeaderID: orNull(i.Status.LeaderID),
		LeaderHTTP: orNull(i.LeaderHTTP), Epoch: i.Epoch, Health: i.Health, Warnings: []warningView{}, OnQuorumLoss: i.OnQuorumLoss,
		Counts: countsView{Nodes: i.Nodes, Voters: len(i.Status.Voters), Groups: len(i.Groups), SlotsTotal: topology.SlotCount,
			SlotsAssigned: i.Assigned, SlotsMoving: i.Moving, JobsRunning: len(i.Jobs)},
		Totals: i.Totals, At: i.At.UnixMilli(),
	}
	for _, w := range i.Warnings {
		v.Warnings = append(v.Warnings, warningView{Level: w.Level.String(), Code: w.Code, Text: w.Text})
	}
	for _, g := range i.Groups {
		v.Counts.Servers += len(g.Servers)
	}
	if i.Status.Leases != nil {
		left := i.Status.Leases.Left.Milliseconds()
		v.LeaseLeftMS = &left
	}
	return v
}

type slotRangeView struct {
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Phase  string  `json:"phase"`
	Group  *int    `json:"group"`
	Master *string `json:"master"`
	Target *int    `json:"target"`
	Job    *uint64 `json:"job"`
}

type slotsView struct {
	Epoch  uint64          `json:"epoch"`
	Ranges []slotRangeView `json:"ranges"`
}

func (t SlotTable) view() any {
	v := slotsView{Epoch: t.Epoch, Ranges: []slotRangeView{}}
	for _, r := range t.Rows {
		v.Ranges = append(v.Ranges, slotRangeView{Start: r.Start, End: r.End, Phase: r.Phase.String(),
			Group: orNull(r.Group), Master: orNull(r.Master), Target: orNull(r.Target), Job: orNull(r.Job)})
	}
	return v
}

type keySlotView struct {
	Key    string  `json:"key"`
	Slot   int     `json:"slot"`
	Group  *int    `json:"group"`
	Master *string `json:"master"`
}

func (rows KeySlots) view() any {
	v := []keySlotView{}
	for _, r := range rows {
		v = append(v, keySlotView{Key: r.Key, Slot: r.Slot, Group: orNull(r.Group), Master: orNull(r.Master)})
	}
	return v
}

type nodeView struct {
	ID       string `json:"id"`
	Role     string `json:"role"`
	Voter    bool   `json:"voter"`
	Self     bool   `json:"self"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"`
	Zone     string `json:"zone"`
	Version  string `json:"version"`
	JoinedAt int64  `json:"joined_at"`
	// What only the leader knows.
	Up           *bool   `json:"up"`
	RenewedMSAgo *int64  `json:"renewed_ms_ago"`
	LeaseLeftMS  *int64  `json:"lease_left_ms"`
	AckedEpoch   *uint64 `json:"acked_epoch"`
	// What the node said of itself.
	Figures
}

func (nodes NodeList) view() any {
	v := []nodeView{}
	for _, n := range nodes {
		row := nodeView{ID: n.ID, Role: n.Role, Voter: n.Voter, Self: n.Self, Addr: n.Addr, PeerAddr: n.PeerAddr,
			HTTPAddr: n.HTTPAddr, Zone: n.Zone, Version: n.Version, JoinedAt: n.JoinedAt}
		if n.Lease != nil {
			age, left, up := n.Lease.Age.Milliseconds(), n.Lease.Left.Milliseconds(), n.Up
			row.RenewedMSAgo, row.LeaseLeftMS, row.AckedEpoch, row.Up = &age, &left, orNull(n.Lease.Acked), &up
		}
		if n.Figures != nil {
			row.Figures = *n.Figures
		}
		v = append(v, row)
	}
	return v
}

type settingView struct {
	Name    string   `json:"name"`
	Value   *string  `json:"value"`
	Set     bool     `json:"set"`
	Default string   `json:"default"`
	Kind    string   `json:"kind"`
	Choices []string `json:"choices"`
	Min     *string  `json:"min"`
	Max     *string  `json:"max"`
	Help    string   `json:"help"`
	Secret  bool     `json:"secret"`
}

// view shows no value of a secret, only whether it is set.
func (values ConfigValues) view() any {
	v := []settingView{}
	for _, value := range values {
		d, _ := topology.FindSetting(value.Name)
		row := settingView{Name: d.Name, Value: &value.Value, Set: value.Value != d.Default, Default: d.Default,
			Kind: string(d.Kind), Choices: orEmpty(d.Choices), Help: d.Help, Secret: d.Secret}
		if d.Secret {
			row.Value = nil
		}
		low, high := d.Bounds()
		row.Min, row.Max = orNull(low), orNull(high)
		v = append(v, row)
	}
	return v
}

type changeView struct {
	Epoch uint64 `json:"epoch"`
	At    int64  `json:"at"`
	Who   string `json:"who"`
	What  string `json:"what"`
}

func (changes Changes) view() any {
	v := []changeView{}
	for _, c := range changes {
		v = append(v, changeView{Epoch: c.Epoch, At: c.At, Who: c.Who, What: c.What})
	}
	return v
}

func (text Exported) view() any { return json.RawMessage(text) }

func (p Peer) view() any {
	return map[string]string{"cluster_id": p.ClusterID, "node_id": p.NodeID, "peer_addr": p.PeerAddr}
}

func (lines helpText) view() any { return lines }

// view of a change is what there is to say about it.
func (done Done) view() any { return map[string][]string{"notes": orEmpty(done.Notes)} }
