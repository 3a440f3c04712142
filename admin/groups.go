package admin

import (
	"context"

	"codis/raftstore/topology"
)

// Group is a group as it is shown.
type Group struct {
	ID     int
	Epoch  uint64
	Master string
	// Slots is how many slots the group serves.
	Slots int
	// OwnAuth says that the group has credentials of its own, User whose.
	OwnAuth bool
	User    string
	// Failover says whether the master would be replaced if it died now; nil when
	// this node can't tell.
	Failover *Prospect
	// Turn is the change of the master that is under way; nil for none.
	Turn    *topology.Turn
	Servers []Server
}

// Server is a redis-server as it is shown: what the table has, and what the
// local prober saw.
type Server struct {
	topology.Server
	// Role is master or replica, by the table.
	Role string
	// Health is nil when the prober has not seen the server yet.
	Health *ServerHealth
}

// GroupList is all groups, by ID.
type GroupList []Group

// Groups lists all groups by ID.
func (o *Ops) Groups(ctx context.Context) (GroupList, error) {
	return o.groups(o.cfg.Store.State(), o.health()), nil
}

// groups is groupsOf with what is known of failovers.
func (o *Ops) groups(s *topology.State, health map[string]ServerHealth) []Group {
	list := groupsOf(s, health)
	prospects := o.prospects(s)
	for i := range list {
		if p, ok := prospects[list[i].ID]; ok {
			list[i].Failover = &p
		}
	}
	return list
}

// prospects says of each group whether its master would be replaced if it died; nil
// where that is not known.
func (o *Ops) prospects(s *topology.State) map[int]Prospect {
	if o.cfg.Turner == nil {
		return nil
	}
	return o.cfg.Turner.Prospects(s)
}

// groupsOf joins the table and the health of its servers. It is pure.
func groupsOf(s *topology.State, health map[string]ServerHealth) []Group {
	owned := slotsPerGroup(s)
	list := make([]Group, 0, len(s.Groups))
	for _, id := range sortedKeys(s.Groups) {
		g := s.Groups[id]
		row := Group{ID: id, Epoch: g.Epoch, Master: g.Master, Slots: owned[id], Turn: g.Turn}
		if g.Auth != nil {
			row.OwnAuth, row.User = true, g.Auth.User
		}
		for _, srv := range g.Servers {
			shown := Server{Server: srv, Role: "replica"}
			if srv.Addr == g.Master {
				shown.Role = "master"
			}
			if h, ok := health[srv.Addr]; ok {
				if h.State == "down" { // What its link was before says nothing now.
					h.LinkUp, h.LagBytes = false, -1
				}
				shown.Health = &h
			}
			row.Servers = append(row.Servers, shown)
		}
		list = append(list, row)
	}
	return list
}
