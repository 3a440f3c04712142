package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"codis/raftstore/topology"
)

// parseImport reads json [DRYRUN].
func parseImport(args [][]byte) (change, error) {
	r, err := readImport(args[0])
	if err != nil {
		return nil, err
	}
	if len(args) == 2 {
		if !is(args[1], "DRYRUN") {
			return nil, badArg("%s is not DRYRUN", quote(args[1]))
		}
		r.Dry = true
	}
	return func(ctx context.Context, o *Ops, who Caller) (answer, error) { return o.Import(ctx, who, r) }, nil
}

// readImport reads the text of an export, or of a Codis 3 dashboard.
func readImport(text []byte) (Import, error) {
	var head struct {
		Format *int            `json:"codis_export"`
		Group  json.RawMessage `json:"group"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Import{}, badArg("the text is not JSON: %v", err)
	}
	switch {
	case head.Format == nil && head.Group != nil:
		return readCodis3(text)
	case head.Format == nil:
		return Import{}, badArg("the text is neither that of CODIS.EXPORT nor a configuration of Codis 3 (codis-admin --config-dump)")
	case *head.Format != ExportFormat:
		return Import{}, badArg("the text has format %d, this version knows %d", *head.Format, ExportFormat)
	}
	var r Import
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // what is misspelt must not be left out silently
	if err := d.Decode(&r.Export); err != nil {
		return Import{}, badArg("the text can't be read: %v", err)
	}
	return r, nil
}

// check refuses what can never be imported; the cluster's state does not matter.
func (r Import) check() error {
	groups, servers := map[int]bool{}, map[string]int{}
	for _, g := range r.Groups {
		if groups[g.ID] {
			return badArg("group %d is there twice", g.ID)
		}
		groups[g.ID] = true
		for _, server := range g.Servers {
			if other, taken := servers[server.Addr]; taken {
				return badArg("server %s is there twice, in groups %d and %d", server.Addr, other, g.ID)
			}
			if err := topology.CheckAddr(server.Addr); err != nil {
				return badArg("group %d: %v", g.ID, err)
			}
			servers[server.Addr] = g.ID
		}
		if servers[g.Master] != g.ID || g.Master == "" {
			return badArg("group %d: its master %s is none of its servers", g.ID, quote([]byte(g.Master)))
		}
	}
	var taken [topology.SlotCount]bool
	for _, s := range r.Slots {
		if s.Start < 0 || s.End >= topology.SlotCount || s.Start > s.End {
			return badArg("slots %d-%d: slots go from 0 to %d", s.Start, s.End, topology.SlotCount-1)
		}
		if !groups[s.Group] {
			return badArg("slots %d-%d are those of group %d, which is not there", s.Start, s.End, s.Group)
		}
		for slot := s.Start; slot <= s.End; slot++ {
			if taken[slot] {
				return badArg("slot %d is there twice", slot)
			}
			taken[slot] = true
		}
	}
	for _, name := range sortedKeys(r.Settings) {
		if err := topology.CheckSetting(name, r.Settings[name]); err != nil {
			return err
		}
	}
	return nil
}

// auth are a group's own credentials; nil for none.
func (g ExportGroup) auth() *topology.Credentials {
	if g.User == "" && g.Password == "" {
		return nil
	}
	return &topology.Credentials{User: g.User, Password: g.Password}
}

func (g ExportGroup) zoneOf(addr string) string {
	at := slices.IndexFunc(g.Servers, func(s ExportServer) bool { return s.Addr == addr })
	if at < 0 {
		return ""
	}
	return g.Servers[at].Zone
}

// codis3 is the configuration of a Codis 3 cluster, as `codis-admin --config-dump`
// and /api/topom/model give it, as far as it matters here.
type codis3 struct {
	Slots []struct {
		ID     int `json:"id"`
		Group  int `json:"group_id"`
		Action struct {
			State string `json:"state"`
		} `json:"action"`
	} `json:"slots"`
	Groups []struct {
		ID int `json:"id"`
		// Servers has the master first.
		Servers []struct {
			Addr string `json:"server"`
			Zone string `json:"datacenter"`
		} `json:"servers"`
		Promoting struct {
			State string `json:"state"`
		} `json:"promoting"`
	} `json:"group"`
}

// readCodis3 makes an import of it. Slots are hashed alike, so the servers are taken
// over with their keys.
func readCodis3(text []byte) (Import, error) {
	var config codis3
	if err := json.Unmarshal(text, &config); err != nil {
		return Import{}, badArg("the configuration of Codis can't be read: %v", err)
	}
	r := Import{Export: Export{Format: ExportFormat}}
	for _, g := range config.Groups {
		if g.Promoting.State != "" {
			return Import{}, badArg("group %d is being promoted; import when that is over", g.ID)
		}
		if len(g.Servers) == 0 {
			continue // a group without servers is nothing here
		}
		group := ExportGroup{ID: g.ID, Master: g.Servers[0].Addr}
		for _, s := range g.Servers {
			group.Servers = append(group.Servers, ExportServer{Addr: s.Addr, Zone: s.Zone})
		}
		r.Groups = append(r.Groups, group)
	}
	for _, s := range config.Slots {
		if s.Action.State != "" {
			return Import{}, badArg("slot %d is being moved; import when that is over", s.ID)
		}
		if s.Group == 0 {
			continue
		}
		if last := len(r.Slots) - 1; last >= 0 && r.Slots[last].Group == s.Group && r.Slots[last].End+1 == s.ID {
			r.Slots[last].End++
			continue
		}
		r.Slots = append(r.Slots, topology.SlotRange{Start: s.ID, End: s.ID, Group: s.Group})
	}
	return r, nil
}
