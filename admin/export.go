package admin

import (
	"context"
	"encoding/json"
	"fmt"

	"codis/raftstore/topology"
)

// ExportFormat is the version of Export as it is written.
const ExportFormat = 1

// Export is all that is needed to build the same cluster again, but for data and
// secrets. Everything is in a stable order, so that two exports can be compared.
type Export struct {
	Format    int                  `json:"codis_export"`
	ClusterID string               `json:"cluster_id"`
	Epoch     uint64               `json:"epoch"`
	Groups    []ExportGroup        `json:"groups"`
	Slots     []topology.SlotRange `json:"slots"`
	// Settings holds what differs from the defaults.
	Settings map[string]string `json:"settings"`
	Nodes    []ExportNode      `json:"nodes"`
	// SecretsLeftOut names what has to be set again by hand.
	SecretsLeftOut []string `json:"secrets_left_out"`
}

// ExportGroup is one group.
type ExportGroup struct {
	ID      int            `json:"id"`
	Master  string         `json:"master"`
	Servers []ExportServer `json:"servers"`
	// User is the one that AUTH takes; the password is left out. It may be put back for
	// an import.
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// ExportServer is one redis-server.
type ExportServer struct {
	Addr    string `json:"addr"`
	Zone    string `json:"zone,omitempty"`
	Version string `json:"version"`
}

// ExportNode is one node.
type ExportNode struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"`
	Zone     string `json:"zone,omitempty"`
	Version  string `json:"version"`
	Voter    bool   `json:"voter"`
}

// Exported is the text of an Export.
type Exported []byte

// Export returns the cluster's table as indented JSON.
func (o *Ops) Export(ctx context.Context) (Exported, error) {
	text, err := json.MarshalIndent(exportOf(o.cfg.Store.State()), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return append(text, '\n'), nil
}

// passwordOf names what is left out.
func passwordOf(group int) string { return fmt.Sprintf("password of group %d", group) }

// exportOf picks what is exported. It is pure.
func exportOf(s *topology.State) Export {
	e := Export{
		Format: ExportFormat, ClusterID: s.ClusterID, Epoch: s.Epoch,
		Groups: []ExportGroup{}, Slots: []topology.SlotRange{}, Settings: map[string]string{},
		Nodes: []ExportNode{}, SecretsLeftOut: []string{},
	}
	for _, id := range sortedKeys(s.Groups) {
		g := s.Groups[id]
		row := ExportGroup{ID: id, Master: g.Master}
		for _, srv := range g.Servers {
			row.Servers = append(row.Servers, ExportServer{Addr: srv.Addr, Zone: srv.Zone, Version: srv.Version})
		}
		if g.Auth != nil {
			row.User = g.Auth.User
			e.SecretsLeftOut = append(e.SecretsLeftOut, passwordOf(id))
		}
		e.Groups = append(e.Groups, row)
	}
	for _, row := range s.Ranges() {
		if row.Group != 0 {
			e.Slots = append(e.Slots, topology.SlotRange{Start: row.Start, End: row.End, Group: row.Group})
		}
	}
	for _, name := range sortedKeys(s.Settings) {
		// A name that this version does not know might be a secret of a newer one.
		if d, known := topology.FindSetting(name); !known || d.Secret {
			e.SecretsLeftOut = append(e.SecretsLeftOut, "setting "+name)
			continue
		}
		e.Settings[name] = s.Settings[name]
	}
	for _, id := range sortedKeys(s.Nodes) {
		n := s.Nodes[id]
		e.Nodes = append(e.Nodes, ExportNode{ID: id, Addr: n.Addr, PeerAddr: n.PeerAddr, HTTPAddr: n.HTTPAddr,
			Zone: n.Zone, Version: n.Version, Voter: n.Voter})
	}
	return e
}
