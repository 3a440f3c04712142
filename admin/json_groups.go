package admin

import "codis/raftstore/topology"

type serverView struct {
	Addr     string  `json:"addr"`
	Role     string  `json:"role"`
	Zone     string  `json:"zone"`
	Version  string  `json:"version"`
	RunID    string  `json:"run_id"`
	ReplID   string  `json:"replid"`
	State    string  `json:"state"`
	Link     *string `json:"link"`
	LagBytes *int64  `json:"lag_bytes"`
	Offset   *int64  `json:"offset"`
	Keys     *int64  `json:"keys"`
	Memory   *int64  `json:"memory_bytes"`
	Priority *int64  `json:"priority"`
	AgeMS    *int64  `json:"age_ms"`
	// SyncRead and SyncTotal are how far a replica is with its copy, null else.
	SyncRead  *int64  `json:"sync_bytes"`
	SyncTotal *int64  `json:"sync_total_bytes"`
	Error     *string `json:"error"`
}

type groupView struct {
	ID      int     `json:"id"`
	Epoch   uint64  `json:"epoch"`
	Master  string  `json:"master"`
	Slots   int     `json:"slots"`
	OwnAuth bool    `json:"own_auth"`
	User    *string `json:"user"`
	// Keys and Memory are those of the master.
	Keys     *int64        `json:"keys"`
	Memory   *int64        `json:"memory_bytes"`
	Failover *prospectView `json:"failover"`
	Turn     *turnView     `json:"turn"`
	Servers  []serverView  `json:"servers"`
}

type prospectView struct {
	Possible bool   `json:"possible"`
	Why      string `json:"why"`
}

type turnView struct {
	Kind   topology.TurnKind `json:"kind"`
	From   string            `json:"from"`
	To     string            `json:"to"`
	At     int64             `json:"at"`
	Reason string            `json:"reason"`
}

func (groups GroupList) view() any {
	v := []groupView{}
	for _, g := range groups {
		row := groupView{ID: g.ID, Epoch: g.Epoch, Master: g.Master, Slots: g.Slots, OwnAuth: g.OwnAuth, User: orNull(g.User), Servers: []serverView{}}
		if p := g.Failover; p != nil {
			row.Failover = &prospectView{Possible: p.Possible, Why: p.Why}
		}
		if t := g.Turn; t != nil {
			row.Turn = &turnView{Kind: t.Kind, From: t.From, To: t.To, At: t.At, Reason: t.Reason}
		}
		for _, s := range g.Servers {
			shown := s.view()
			if s.Role == "master" {
				row.Keys, row.Memory = shown.Keys, shown.Memory
			}
			row.Servers = append(row.Servers, shown)
		}
		v = append(v, row)
	}
	return v
}

// view shows state unknown and nothing more of a server that was not seen yet.
func (s Server) view() serverView {
	v := serverView{Addr: s.Addr, Role: s.Role, Zone: s.Zone, Version: s.Version, RunID: s.RunID, ReplID: s.ReplID, State: "unknown"}
	if s.Health == nil {
		return v
	}
	v.State, v.Error = s.Health.State, orNull(s.Health.Err)
	if s.Role != "master" {
		link := "down"
		if s.Health.LinkUp {
			link = "up"
		}
		v.Link = &link
	}
	v.LagBytes, v.Offset, v.Keys, v.Memory = orUnknown(s.Health.LagBytes), orUnknown(s.Health.Offset), orUnknown(s.Health.Keys), orUnknown(s.Health.Memory)
	v.Priority, v.AgeMS = orUnknown(int64(s.Health.Priority)), orUnknown(s.Health.Age.Milliseconds())
	read, total := s.Health.Copy.bytes()
	v.SyncRead, v.SyncTotal = orUnknown(read), orUnknown(total)
	return v
}

// orUnknown is null for a number below 0.
func orUnknown(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}
