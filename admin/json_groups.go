package admin

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
	Error    *string `json:"error"`
}

type groupView struct {
	ID      int          `json:"id"`
	Epoch   uint64       `json:"epoch"`
	Master  string       `json:"master"`
	Slots   int          `json:"slots"`
	OwnAuth bool         `json:"own_auth"`
	User    *string      `json:"user"`
	Servers []serverView `json:"servers"`
}

func (groups GroupList) view() any {
	v := []groupView{}
	for _, g := range groups {
		row := groupView{ID: g.ID, Epoch: g.Epoch, Master: g.Master, Slots: g.Slots, OwnAuth: g.OwnAuth, User: orNull(g.User), Servers: []serverView{}}
		for _, s := range g.Servers {
			row.Servers = append(row.Servers, s.view())
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
	if s.Health.LagBytes >= 0 {
		v.LagBytes = &s.Health.LagBytes
	}
	return v
}
