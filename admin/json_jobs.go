package admin

import (
	"math"

	"codis/raftstore/topology"
)

type batchView struct {
	Epoch  uint64              `json:"epoch"`
	Phase  string              `json:"phase"`
	Ranges []topology.SlotMove `json:"ranges"`
}

type jobOptionsView struct {
	KeysPerSecond  int64 `json:"keys_per_second"`
	BytesPerSecond int64 `json:"bytes_per_second"`
	Consent        bool  `json:"consent"`
}

type jobView struct {
	ID            uint64              `json:"id"`
	Kind          string              `json:"kind"`
	State         string              `json:"state"`
	Moves         []topology.SlotMove `json:"moves"`
	SlotsTotal    int                 `json:"slots_total"`
	SlotsDone     int                 `json:"slots_done"`
	Keys          int64               `json:"keys"`
	Bytes         int64               `json:"bytes"`
	KeysPerSecond int64               `json:"keys_per_second"`
	ETASeconds    *int64              `json:"eta_s"`
	Live          bool                `json:"live"`
	Reason        *string             `json:"reason"`
	Who           string              `json:"who"`
	CreatedAt     int64               `json:"created_at"`
	EndedAt       *int64              `json:"ended_at"`
	Options       jobOptionsView      `json:"options"`
	Batches       []batchView         `json:"batches"`
}

func (j Job) view() any {
	v := jobView{ID: j.ID, Kind: string(j.Kind), State: string(j.State), Moves: orEmpty(j.Moves),
		SlotsTotal: j.Progress.SlotsTotal, SlotsDone: j.Progress.SlotsDone, Keys: j.Progress.Keys, Bytes: j.Progress.Bytes,
		KeysPerSecond: int64(math.Round(j.Progress.KeysPerSecond)), Live: j.Live, Reason: orNull(j.Reason), Who: j.Who,
		CreatedAt: j.CreatedAt, EndedAt: orNull(j.EndedAt), Options: jobOptionsView(j.Options), Batches: []batchView{}}
	if j.Progress.ETA >= 0 {
		v.ETASeconds = &j.Progress.ETA
	}
	for _, b := range j.Batches {
		v.Batches = append(v.Batches, batchView{Epoch: b.Epoch, Phase: string(b.Phase), Ranges: b.Ranges})
	}
	return v
}

func (jobs JobList) view() any {
	v := []any{}
	for _, j := range jobs {
		v = append(v, j.view())
	}
	return v
}

func (id JobID) view() any { return map[string]*uint64{"job": orNull(uint64(id))} }

type shareView struct {
	ID        int    `json:"id"`
	SlotsNow  int    `json:"slots_now"`
	SlotsThen int    `json:"slots_then"`
	LoadNow   *int64 `json:"load_now"`
	LoadThen  *int64 `json:"load_then"`
}

type checkView struct {
	From   *int   `json:"from"`
	To     *int   `json:"to"`
	Name   string `json:"name"`
	Result string `json:"result"`
	Text   string `json:"text"`
}

type planView struct {
	Slots  int                 `json:"slots"`
	Ready  bool                `json:"ready"`
	Moves  []topology.SlotMove `json:"moves"`
	Groups []shareView         `json:"groups"`
	Checks []checkView         `json:"checks"`
}

func (p Plan) view() any {
	v := planView{Slots: p.slots(), Ready: p.Ready(), Moves: orEmpty(p.Moves), Groups: []shareView{}, Checks: []checkView{}}
	for _, s := range p.Shares {
		row := shareView{ID: s.Group, SlotsNow: s.SlotsNow, SlotsThen: s.SlotsThen}
		if s.Load != nil {
			row.LoadNow, row.LoadThen = &s.Load.Now, &s.Load.Then
		}
		v.Groups = append(v.Groups, row)
	}
	for _, c := range p.Checks {
		v.Checks = append(v.Checks, checkView{From: orNull(c.From), To: orNull(c.To), Name: c.Name, Result: string(c.Result), Text: c.Text})
	}
	return v
}

type findingView struct {
	Kind     string `json:"kind"`
	Group    *int   `json:"group"`
	Count    int64  `json:"count"`
	Repaired int64  `json:"repaired"`
	Text     string `json:"text"`
}

func (r FsckReport) view() any {
	v := []findingView{}
	for _, f := range r {
		v = append(v, findingView{Kind: string(f.Kind), Group: orNull(f.Group), Count: f.Count, Repaired: f.Repaired, Text: f.Text})
	}
	return v
}
