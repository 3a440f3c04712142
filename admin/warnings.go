package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"codis/raftstore/topology"
)

// Level says how bad a warning is.
type Level uint8

const (
	// LevelNotice: everything is served, but something is less safe than it could be.
	LevelNotice Level = iota
	// LevelDegraded: a part of the keys is not served, or redundancy that was
	// configured is gone.
	LevelDegraded
	// LevelDown: no key is served.
	LevelDown
)

// String returns the word that INFO shows.
func (l Level) String() string {
	switch l {
	case LevelNotice:
		return "notice"
	case LevelDegraded:
		return "degraded"
	default:
		return "down"
	}
}

// Warning is one thing that an operator should know.
type Warning struct {
	Level Level
	// Code is a stable word for programs.
	Code string
	// Text says what is wrong with what, and what to do.
	Text string
}

// Observation is all that warnings are derived from.
type Observation struct {
	State  *topology.State
	Status Status
	// Servers is keyed by address; a server that is missing is unknown.
	Servers map[string]ServerHealth
	// PeerSecret says that the peer port is protected by a cluster secret.
	PeerSecret bool
	// Prospects say of groups whether a replica would be promoted; may be nil.
	Prospects map[int]Prospect
	// Alarms are those of groups; the leader has them.
	Alarms []GroupAlarm
	// Held is for how long batches have been seen on hold, by epoch.
	Held map[uint64]time.Duration
}

// silentAfter is how long the leader must be unheard of before it is worth a warning.
const silentAfter = 5 * time.Second

// Warnings derives what an operator should know, worst first. It is pure.
func Warnings(obs Observation) []Warning {
	w := &warner{}
	w.raft(obs)
	w.nodes(obs)
	w.leases(obs)
	w.jobs(obs)
	w.slots(obs.State)
	w.groups(obs)
	for _, a := range obs.Alarms {
		w.add(LevelDegraded, a.Code, "group %d: %s", a.Group, a.Text)
	}
	if !obs.PeerSecret {
		w.add(LevelNotice, "no-secret", "the peer port has no secret, so peers can be on this machine only; start every node with the same --secret")
	}
	slices.SortStableFunc(w.list, func(a, b Warning) int { return int(b.Level) - int(a.Level) })
	return w.list
}

// Health is the word that sums up warnings: ok, degraded or down.
func Health(warnings []Warning) string {
	worst := LevelNotice
	for _, w := range warnings {
		worst = max(worst, w.Level)
	}
	if worst == LevelNotice {
		return "ok"
	}
	return worst.String()
}

// warner collects warnings in the order in which they are found.
type warner struct{ list []Warning }

func (w *warner) add(level Level, code, format string, args ...any) {
	w.list = append(w.list, Warning{Level: level, Code: code, Text: fmt.Sprintf(format, args...)})
}

// raft warns about the quorum as this node sees it.
func (w *warner) raft(obs Observation) {
	st := obs.Status
	if st.Removed {
		w.add(LevelDegraded, "removed", "node %s was taken out of the cluster, its table gets no changes; stop it", st.ID)
	} else if !st.Joined {
		w.add(LevelDegraded, "joining", "node %s is not a member yet, its table may be old or empty; see its log for what it waits for", st.ID)
	}
	if st.DiskError != nil {
		w.add(LevelDegraded, "disk", "the disk of node %s refuses the log of the table, so it can't lead or follow: %v; free some space, it goes on by itself", st.ID, st.DiskError)
	}
	if format := obs.State.Format; obs.State.ClusterID != "" && format < topology.StateFormat {
		w.add(LevelNotice, "upgrade", "the cluster goes by format %d, this node knows %d: what is new works once every node runs this version; CODIS.NODES shows theirs", format, topology.StateFormat)
	}
	if st.LeaderID == "" {
		w.add(LevelDegraded, "no-leader", "there is no leader: nothing can be changed, and nodes stop serving data when their leases end (setting on-quorum-loss); %s", leaderHint(st))
	} else if st.LastContact > silentAfter {
		w.add(LevelDegraded, "leader-silent", "node %s has not heard from the leader %s for %s, its table may be old; check the network between their peer ports",
			st.ID, st.LeaderID, st.LastContact.Round(time.Second))
	}
	switch voters := len(st.Voters); {
	case voters == 1:
		w.add(LevelNotice, "voters-few", "there is one voter: losing its disk loses the table; join two more nodes with codis start --join")
	case voters == 2:
		w.add(LevelNotice, "voters-few", "there are 2 voters: when either stops, nothing can be changed; join a third node with codis start --join")
	case voters > 0 && voters%2 == 0:
		w.add(LevelNotice, "voters-even", "the number of voters is even: %d voters survive the loss of %d, as %d do; add or remove a node", voters, (voters-1)/2, voters-1)
	}
	if len(st.Voters) < topology.MaxVoters && len(st.Nonvoters) > 0 {
		w.add(LevelNotice, "nonvoters", "no voters yet: %s; they become voters when they have caught up", strings.Join(sorted(st.Nonvoters), ", "))
	}
}

// leaderHint says how a cluster without a leader gets one.
func leaderHint(st Status) string {
	if st.DiskError != nil {
		return fmt.Sprintf("the disk of node %s refuses writes (%v): free some space there", st.ID, st.DiskError)
	}
	if len(st.Voters) == 0 {
		return "start the other nodes"
	}
	return fmt.Sprintf("a majority (%d of %d) of the voters %s must run and reach each other's peer ports",
		len(st.Voters)/2+1, len(st.Voters), strings.Join(sorted(st.Voters), ", "))
}

// nodes warns about members that are away or run another version.
func (w *warner) nodes(obs Observation) {
	for _, id := range sorted(obs.Status.Unreachable) {
		w.add(LevelDegraded, "node-unreachable", "node %s (%s) does not answer the leader; start it again, or CODIS.NODE REMOVE %s when it is gone for good",
			id, obs.State.Nodes[id].Addr, id)
	}
	versions := map[string]bool{}
	for _, n := range obs.State.Nodes {
		versions[n.Version] = true
	}
	if len(versions) > 1 {
		w.add(LevelNotice, "versions", "the nodes run different versions: %s; finish the upgrade", strings.Join(sortedKeys(versions), ", "))
	}
}

// slots warns about slots that nobody serves.
func (w *warner) slots(s *topology.State) {
	var free []int
	for slot := range s.Slots {
		if s.Slots[slot].Group == 0 {
			free = append(free, slot)
		}
	}
	const hint = "assign them with CODIS.ASSIGN start end gid, or CODIS.ASSIGN AUTO"
	switch {
	case len(free) == 0:
	case len(s.Groups) == 0:
		w.add(LevelDown, "slots-unassigned", "there are no groups, so no key is served; add one with CODIS.GROUP ADD gid master [replica ...], then CODIS.ASSIGN AUTO")
	case len(free) == topology.SlotCount:
		w.add(LevelDown, "slots-unassigned", "no slot is assigned, so no key is served; %s", hint)
	default:
		w.add(LevelDegraded, "slots-unassigned", "%d of %d slots are unassigned (%s), their keys are refused; %s", len(free), topology.SlotCount, spans(free), hint)
	}
}

// groups warns about servers that are away and data without a copy.
func (w *warner) groups(obs Observation) {
	owned := slotsPerGroup(obs.State)
	serving, mastersDown := 0, 0
	for _, id := range sortedKeys(obs.State.Groups) {
		g := obs.State.Groups[id]
		if owned[id] == 0 {
			w.add(LevelNotice, "group-empty", "group %d has no slots; assign some with CODIS.ASSIGN, or CODIS.GROUP DEL %d", id, id)
		} else {
			serving++
		}
		if len(g.Servers) < 2 {
			w.add(LevelNotice, "no-replica", "group %d has no replica: its data is lost with %s; add one with CODIS.GROUP ATTACH %d host:port", id, g.Master, id)
		}
		for _, srv := range g.Servers {
			if w.server(obs, g, srv.Addr, owned[id]) && owned[id] > 0 {
				mastersDown++
			}
		}
	}
	if serving > 0 && mastersDown == serving {
		w.add(LevelDown, "masters-down", "no master of a group with slots can be used, so no key is served; check the redis-servers and the network to them")
	}
}

// server warns about one server of a group with so many slots, and says whether it is
// a master that can't be used.
func (w *warner) server(obs Observation, g topology.Group, addr string, slots int) (masterDown bool) {
	h, known := obs.Servers[addr]
	if !known {
		return false
	}
	master := addr == g.Master
	switch {
	case h.State == "unknown" || h.State == "suspect":
		// Not asked yet, or one answer is missing: worth nobody's attention so far.
	case h.State != "up" && master:
		w.add(LevelDegraded, "server-"+h.State, "the master of group %d, %s, is %s%s; %s%s", g.ID, addr, h.State, because(h.Err), notServed(slots), masterHint(obs, g, h.State))
		return true
	case h.State != "up":
		w.add(LevelDegraded, "server-"+h.State, "the replica of group %d, %s, is %s%s; %s", g.ID, addr, h.State, because(h.Err), replicaHint(g, addr, h))
	case master && h.Role == "replica":
		w.add(LevelDegraded, "master-role", "group %d has %s as its master, but that server says it is a replica, so writes fail; it is put back unless its data is not the group's any more: find out who changed it", g.ID, addr)
	case !master && h.Role == "master":
		w.add(LevelDegraded, "replica-role", "group %d has %s as a replica, but that server says it is a master; it is made a replica again within seconds: find out who changed it", g.ID, addr)
	case !master && !h.LinkUp && obs.Servers[g.Master].State == "up":
		w.add(LevelDegraded, "replica-link", "the replica %s of group %d is not connected to its master; check its log", addr, g.ID)
	}
	if master && h.Volatile {
		w.add(LevelNotice, "no-persistence", "the master of group %d, %s, writes nothing to its disk: started again after a crash it is empty; set appendonly yes, or see that nothing starts it by itself", g.ID, addr)
	}
	return false
}

// slotsPerGroup counts the slots that each group serves.
func slotsPerGroup(s *topology.State) map[int]int {
	n := make(map[int]int, len(s.Groups))
	for i := range s.Slots {
		if g := s.Slots[i].Group; g != 0 {
			n[g]++
		}
	}
	return n
}

// maxSpans bounds how many ranges a text lists.
const maxSpans = 8

// spans writes ascending slot numbers as ranges: 0-3, 7, 9-12.
func spans(slots []int) string {
	var parts []string
	for i := 0; i < len(slots); {
		if len(parts) == maxSpans {
			parts = append(parts, "...")
			break
		}
		j := i
		for j+1 < len(slots) && slots[j+1] == slots[j]+1 {
			j++
		}
		part := strconv.Itoa(slots[i])
		if j > i {
			part += "-" + strconv.Itoa(slots[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
