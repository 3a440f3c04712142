package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// MaxGroupID is the highest group ID, as in Codis.
	MaxGroupID = 9999
	// MaxServers is how many servers a group may have.
	MaxServers = 64
)

// GroupAdd makes a group of servers; the first one is the master.
type GroupAdd struct {
	ID      int          `json:"id"`
	Servers []Server     `json:"servers"`
	Auth    *Credentials `json:"auth,omitempty"`
}

func (b GroupAdd) word() string { return "group-add" }

func (b GroupAdd) describe(*State) string {
	addrs := make([]string, len(b.Servers))
	for i, server := range b.Servers {
		addrs[i] = server.Addr
	}
	return fmt.Sprintf("group %d added: %s", b.ID, strings.Join(addrs, " "))
}

func (b GroupAdd) apply(s *State, _ Command, index uint64) *Error {
	if b.ID < 1 || b.ID > MaxGroupID {
		return refuse(CodeBadArg, "group ID %d must be between 1 and %d", b.ID, MaxGroupID)
	}
	if _, ok := s.Groups[b.ID]; ok {
		return refuse(CodeExists, "group %d exists already", b.ID).hint("CODIS.GROUP ATTACH %d addr adds a server to it", b.ID)
	}
	if len(b.Servers) == 0 {
		return refuse(CodeBadArg, "group %d needs a master", b.ID)
	}
	if err := checkCredentials(b.Auth); err != nil {
		return err
	}
	// The group is there while its servers are looked at, so that a server named
	// twice is found.
	s.Groups[b.ID] = Group{ID: b.ID, Master: b.Servers[0].Addr, Auth: b.Auth}
	for _, server := range b.Servers {
		if err := (ServerAttach{Group: b.ID, Server: server}).apply(s, Command{}, index); err != nil {
			return err
		}
	}
	return nil
}

// GroupDel removes a group that owns no slot. Its servers are left as they are.
type GroupDel struct {
	ID int `json:"id"`
}

func (b GroupDel) word() string { return "group-del" }

func (b GroupDel) describe(*State) string { return fmt.Sprintf("group %d deleted", b.ID) }

func (b GroupDel) apply(s *State, c Command, _ uint64) *Error {
	group, err := s.group(b.ID, c)
	if err != nil {
		return err
	}
	if err := group.turning(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(s.Jobs)) {
		if j := s.Jobs[id]; !j.State.Finished() && j.names(b.ID) {
			return refuse(CodeBusy, "group %d is in job %d", b.ID, id).hint("CODIS.JOB %d shows it; wait for its end, or CODIS.JOB %d CANCEL", id, id)
		}
	}
	if owned := s.slotsOf(b.ID); owned > 0 {
		return refuse(CodeBusy, "group %d has %d slots", b.ID, owned).
			hint("CODIS.REBALANCE WEIGHT %d 0 moves them to the other groups, CODIS.MIGRATE start end gid moves a range", b.ID)
	}
	delete(s.Groups, b.ID)
	return nil
}

// GroupAuth sets what AUTH takes at the group's servers; nil means that the
// cluster's settings apply again.
type GroupAuth struct {
	Group int          `json:"group"`
	Auth  *Credentials `json:"auth,omitempty"`
}

func (b GroupAuth) word() string { return "group-auth" }

func (b GroupAuth) describe(*State) string {
	switch {
	case b.Auth == nil:
		return fmt.Sprintf("group %d: credentials taken from the settings", b.Group)
	case b.Auth.User == "":
		return fmt.Sprintf("group %d: password set", b.Group)
	}
	return fmt.Sprintf("group %d: user %s and password set", b.Group, b.Auth.User)
}

func (b GroupAuth) apply(s *State, c Command, index uint64) *Error {
	group, err := s.group(b.Group, c)
	if err != nil {
		return err
	}
	if err := checkCredentials(b.Auth); err != nil {
		return err
	}
	group.Auth, group.Epoch = b.Auth, index
	s.Groups[group.ID] = group
	return nil
}

// ServerAttach adds a replica to a group.
type ServerAttach struct {
	Group  int    `json:"group"`
	Server Server `json:"server"`
}

func (b ServerAttach) word() string { return "server-attach" }

func (b ServerAttach) describe(*State) string {
	return fmt.Sprintf("group %d: server %s attached", b.Group, b.Server.Addr)
}

func (b ServerAttach) apply(s *State, c Command, index uint64) *Error {
	group, err := s.group(b.Group, c)
	if err != nil {
		return err
	}
	if err := b.Server.check(); err != nil {
		return err
	}
	if owner, _, ok := s.FindServer(b.Server.Addr); ok {
		return refuse(CodeExists, "server %s is in group %d already", b.Server.Addr, owner)
	}
	if len(group.Servers) >= MaxServers {
		return refuse(CodeBusy, "group %d has %d servers already", group.ID, MaxServers)
	}
	group.Servers = append(slices.Clone(group.Servers), b.Server)
	group.Epoch = index
	s.Groups[group.ID] = group
	return nil
}

// ServerDetach takes a replica out of its group. The server is left as it is.
type ServerDetach struct {
	Group int    `json:"group"`
	Addr  string `json:"addr"`
	// Force detaches it although slots of the group are on their way: the move counts
	// on its replicas, but one that is gone for good would keep it from its end.
	Force bool `json:"force,omitempty"`
}

func (b ServerDetach) word() string { return "server-detach" }

func (b ServerDetach) describe(*State) string {
	return fmt.Sprintf("group %d: server %s detached", b.Group, b.Addr)
}

func (b ServerDetach) apply(s *State, c Command, index uint64) *Error {
	group, at, err := s.server(b.Group, b.Addr, c)
	if err != nil {
		return err
	}
	if group.Turn != nil && (group.Turn.From == b.Addr || group.Turn.To == b.Addr) {
		return group.turning()
	}
	if group.Master == b.Addr {
		return refuse(CodeBusy, "server %s is the master of group %d", b.Addr, group.ID).
			hint("CODIS.GROUP PROMOTE %d addr makes another server the master; CODIS.GROUP DEL %d deletes a group that owns no slot", group.ID, group.ID)
	}
	if job, moving := s.underWay(group.ID); moving && !b.Force {
		return refuse(CodeBusy, "job %d moves slots of group %d", job, group.ID).
			hint("wait for its end, or CODIS.JOB %d CANCEL; CODIS.GROUP DETACH %d %s FORCE if that server is gone for good", job, group.ID, b.Addr)
	}
	group.Servers = slices.Delete(slices.Clone(group.Servers), at, at+1)
	// A server that is not looked at any more tells nothing.
	if group.Forks = slices.DeleteFunc(slices.Clone(group.Forks), func(f Fork) bool { return f.Addr == b.Addr }); len(group.Forks) == 0 {
		group.Forks = nil
	}
	group.Epoch = index
	s.Groups[group.ID] = group
	return nil
}

// ServerUpdate records what was seen of a server: version, run ID, replication
// ID, and its zone.
type ServerUpdate struct {
	Group  int    `json:"group"`
	Server Server `json:"server"`
}

func (b ServerUpdate) word() string { return "server-update" }

func (b ServerUpdate) describe(*State) string {
	text := fmt.Sprintf("group %d: server %s is version %s, run %s", b.Group, b.Server.Addr, b.Server.Version, b.Server.RunID)
	if b.Server.Zone != "" {
		text += ", zone " + b.Server.Zone
	}
	return text
}

func (b ServerUpdate) apply(s *State, c Command, index uint64) *Error {
	group, at, err := s.server(b.Group, b.Server.Addr, c)
	if err != nil {
		return err
	}
	if err := b.Server.check(); err != nil {
		return err
	}
	group.Servers = slices.Clone(group.Servers)
	group.Servers[at] = b.Server
	group.Epoch = index
	s.Groups[group.ID] = group
	return nil
}

// FindServer returns the group that a server is in.
func (s *State) FindServer(addr string) (group int, server Server, ok bool) {
	for id, g := range s.Groups {
		for _, candidate := range g.Servers {
			if candidate.Addr == addr {
				return id, candidate, true
			}
		}
	}
	return 0, Server{}, false
}

// group returns the group that a command names, unless it is not the one that the
// command was made for.
func (s *State) group(id int, c Command) (Group, *Error) {
	group, ok := s.Groups[id]
	if !ok {
		return Group{}, noGroup(id)
	}
	if c.ExpectGroupEpoch != 0 && c.ExpectGroupEpoch != group.Epoch {
		return Group{}, refuse(CodeStale, "group %d has changed: epoch %d, expected %d", id, group.Epoch, c.ExpectGroupEpoch).
			hint("look again and repeat the command")
	}
	return group, nil
}

func (s *State) server(id int, addr string, c Command) (Group, int, *Error) {
	group, err := s.group(id, c)
	if err != nil {
		return Group{}, 0, err
	}
	at := slices.IndexFunc(group.Servers, func(server Server) bool { return server.Addr == addr })
	if at < 0 {
		return Group{}, 0, refuse(CodeNoServer, "group %d has no server %s", id, clip(addr)).hint("CODIS.GROUPS lists them")
	}
	return group, at, nil
}

func (s *State) slotsOf(group int) int {
	count := 0
	for _, slot := range s.Slots {
		if slot.Group == group || slot.Target == group {
			count++
		}
	}
	return count
}

func noGroup(id int) *Error {
	return refuse(CodeNoGroup, "there is no group %d", id).hint("CODIS.GROUPS lists them")
}

func (v Server) check() *Error {
	if err := CheckAddr(v.Addr); err != nil {
		return asRefusal(err)
	}
	return checkWords(word{"zone", v.Zone}, word{"version", v.Version}, word{"run ID", v.RunID}, word{"replication ID", v.ReplID})
}

func checkCredentials(auth *Credentials) *Error {
	switch {
	case auth == nil:
		return nil
	case auth.Password == "":
		return refuse(CodeBadArg, "the password is empty")
	case len(auth.Password) > maxSecretLength:
		return refuse(CodeBadArg, "the password has more than %d bytes", maxSecretLength)
	}
	return checkWords(word{"user", auth.User})
}
