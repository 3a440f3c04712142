package cli

import (
	"strconv"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func groupsCommand() *ucli.Command {
	return verb{
		name: "groups", usage: "list the groups and their redis-servers", max: 0,
		about:    "STATE, LINK and LAG are what the node that answers sees of the servers.",
		examples: []string{"codis groups", "codis groups --json"},
		run:      runGroups,
	}.command()
}

// group is a row of CODIS.GROUPS.
type group struct {
	ID      int64    `json:"id"`
	Epoch   int64    `json:"epoch"`
	Master  string   `json:"master"`
	Slots   int64    `json:"slots"`
	OwnAuth bool     `json:"own_auth"`
	User    string   `json:"user"`
	Servers []server `json:"servers"`
}

// server is one redis-server of a group; what the node has not seen is nil.
type server struct {
	Addr     string  `json:"addr"`
	Role     string  `json:"role"`
	Zone     string  `json:"zone"`
	Version  string  `json:"version"`
	RunID    string  `json:"run_id"`
	ReplID   string  `json:"replid"`
	State    *string `json:"state"`
	Link     *bool   `json:"link"`
	LagBytes *int64  `json:"lag_bytes"`
}

func runGroups(s *session) error {
	reply, err := s.read("CODIS.GROUPS")
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, -1)
	if err != nil {
		return err
	}
	list := make([]group, len(rows))
	for i, row := range rows {
		if list[i], err = groupOf(row); err != nil {
			return err
		}
	}
	if s.json {
		return s.printJSON(list)
	}
	table := [][]string{{"GROUP", "SLOTS", "SERVER", "ROLE", "ZONE", "VERSION", "STATE", "LINK", "LAG"}}
	for _, g := range list {
		for _, srv := range g.Servers {
			table = append(table, append([]string{strconv.FormatInt(g.ID, 10), strconv.FormatInt(g.Slots, 10)}, srv.cells()...))
		}
	}
	return s.printTable(table)
}

func groupOf(row []resp.Reply) (group, error) {
	f := fieldsOf(row)
	g := group{ID: f["id"].Int, Epoch: f["epoch"].Int, Master: f.text("master"), Slots: f["slots"].Int,
		OwnAuth: f.yes("own-auth"), User: f.text("user"), Servers: []server{}}
	servers, err := rowsOf(f["servers"], -1)
	if err != nil {
		return g, err
	}
	for _, row := range servers {
		f := fieldsOf(row)
		srv := server{Addr: f.text("addr"), Role: f.text("role"), Zone: f.text("zone"), Version: f.text("version"),
			RunID: f.text("run-id"), ReplID: f.text("replid"), State: text(f["state"]), LagBytes: f.number("lag-bytes")}
		if f["link"].Kind == resp.KindInteger {
			up := f.yes("link")
			srv.Link = &up
		}
		g.Servers = append(g.Servers, srv)
	}
	return g, nil
}

// cells are the server's columns; the lag of a master is nothing to show.
func (v server) cells() []string {
	state, link, lag := "", "", ""
	if v.State != nil {
		state = *v.State
	}
	if v.Link != nil {
		link = map[bool]string{true: "up", false: "down"}[*v.Link]
	}
	if v.LagBytes != nil && v.Role != "master" {
		lag = strconv.FormatInt(*v.LagBytes, 10)
	}
	return []string{v.Addr, v.Role, v.Zone, v.Version, state, link, lag}
}
