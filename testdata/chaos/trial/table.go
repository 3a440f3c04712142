package trial

import (
	"context"
	"fmt"
)

// seat is a group as the table has it.
type seat struct {
	master  *member
	turning bool
}

// seats asks a node who is whose master.
func (s *site) seats(ctx context.Context) (map[int]seat, error) {
	reply, err := s.askAny(ctx, "CODIS.GROUPS")
	if err != nil {
		return nil, err
	}
	seats := map[int]seat{}
	for i, row := range reply.Array {
		f := fieldsOf(row)
		g := s.groups[i]
		if f["id"] != fmt.Sprint(g.id) {
			return nil, fmt.Errorf("CODIS.GROUPS names group %s, want %d", f["id"], g.id)
		}
		m := g.at(f["master"])
		if m == nil {
			return nil, fmt.Errorf("the master of group %d is %s, which is none of its servers", g.id, f["master"])
		}
		seats[g.id] = seat{master: m, turning: f["turn"] != ""}
	}
	return seats, nil
}

// at finds the server that the table has under an address.
func (g *group) at(seen string) *member {
	for _, m := range g.servers {
		if m.seen == seen {
			return m
		}
	}
	return nil
}

// server finds a server by its name; nil for a node.
func (s *site) server(name string) *member {
	for _, g := range s.groups {
		for _, m := range g.servers {
			if m.name == name {
				return m
			}
		}
	}
	return nil
}

// master is who the table says, or who was it at first while nobody answers.
func (s *site) master(ctx context.Context, group int) *member {
	if seats, err := s.seats(ctx); err == nil {
		return seats[group].master
	}
	return s.groups[group-1].servers[0]
}

// replica is one of the others.
func (s *site) replica(ctx context.Context, group int, pick uint64) *member {
	master := s.master(ctx, group)
	var others []*member
	for _, m := range s.groups[group-1].servers {
		if m != master {
			others = append(others, m)
		}
	}
	return others[pick%uint64(len(others))]
}
