package cli

import (
	"fmt"
	"strconv"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func groupsCommand() *ucli.Command {
	return verb{
		name: "groups", usage: "list the groups and their redis-servers", max: 0, watch: true,
		about: "What comes behind VERSION is what the node that answers sees of the servers. Below the table\n" +
			"stands, for each group, whether a replica would be promoted if its master died now, and why not.",
		examples: []string{"codis groups", "codis groups --json"},
		run:      runGroups,
	}.command()
}

// group is a row of CODIS.GROUPS.
type group struct {
	ID      int64  `json:"id"`
	Epoch   int64  `json:"epoch"`
	Master  string `json:"master"`
	Slots   int64  `json:"slots"`
	OwnAuth bool   `json:"own_auth"`
	User    string `json:"user"`
	// Failover is yes or no and why, Turn the change of the master that is under way.
	Failover string   `json:"failover"`
	Turn     string   `json:"turn"`
	Servers  []server `json:"servers"`
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
	Offset   *int64  `json:"offset"`
	Keys     *int64  `json:"keys"`
	Memory   *int64  `json:"memory_bytes"`
	Priority *int64  `json:"priority"`
	AgeMS    *int64  `json:"age_ms"`
	// SyncRead and SyncTotal are how far a replica is that copies its master's data.
	SyncRead  *int64 `json:"sync_bytes"`
	SyncTotal *int64 `json:"sync_total_bytes"`
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
	table := [][]string{{"GROUP", "SLOTS", "SERVER", "ROLE", "ZONE", "VERSION", "STATE", "LINK", "LAG", "KEYS", "MEMORY"}}
	for _, g := range list {
		for _, srv := range g.Servers {
			table = append(table, append([]string{strconv.FormatInt(g.ID, 10), strconv.FormatInt(g.Slots, 10)}, srv.cells()...))
		}
	}
	if err := s.printTable(table, "ZONE", "VERSION", "MEMORY", "KEYS", "SLOTS", "LAG"); err != nil {
		return err
	}
	return s.printFailovers(list)
}

// printFailovers says below the table what would become of a master that died now.
func (s *session) printFailovers(list []group) error {
	for _, g := range list {
		text := g.Turn
		if text == "" && g.Failover != "" {
			text = "failover " + g.Failover
		}
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintf(s.out, "group %d: %s\n", g.ID, text); err != nil {
			return err
		}
	}
	return nil
}

func groupOf(row []resp.Reply) (group, error) {
	f := fieldsOf(row)
	g := group{ID: f["id"].Int, Epoch: f["epoch"].Int, Master: f.text("master"), Slots: f["slots"].Int,
		OwnAuth: f.yes("own-auth"), User: f.text("user"), Failover: f.text("failover"), Turn: f.text("turn"), Servers: []server{}}
	servers, err := rowsOf(f["servers"], -1)
	if err != nil {
		return g, err
	}
	for _, row := range servers {
		f := fieldsOf(row)
		srv := server{Addr: f.text("addr"), Role: f.text("role"), Zone: f.text("zone"), Version: f.text("version"),
			RunID: f.text("run-id"), ReplID: f.text("replid"), State: text(f["state"]), LagBytes: f.number("lag-bytes"), Offset: f.number("offset"), Keys: f.number("keys"),
			Memory: f.number("memory-bytes"), Priority: f.number("priority"), AgeMS: f.number("age-ms"),
			SyncRead: f.number("sync-bytes"), SyncTotal: f.number("sync-total-bytes")}
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
	state, link, lag, memory := "", "", "", ""
	if v.Memory != nil {
		memory = size(*v.Memory)
	}
	if v.State != nil {
		state = *v.State + v.copied()
	}
	if v.Link != nil {
		link = map[bool]string{true: "up", false: "down"}[*v.Link]
	}
	if v.LagBytes != nil && v.Role != "master" {
		lag = strconv.FormatInt(*v.LagBytes, 10)
	}
	return []string{v.Addr, v.Role, v.Zone, v.Version, state, link, lag, count(v.Keys), memory}
}

// copied is how far a copy is, behind the word syncing.
func (v server) copied() string {
	switch {
	case v.SyncRead == nil:
		return ""
	case v.SyncTotal == nil:
		return " " + size(*v.SyncRead)
	}
	return fmt.Sprintf(" %d%%", 100**v.SyncRead/max(1, *v.SyncTotal))
}

// count is a number, or nothing when it is not known.
func count(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}
