package failover

import (
	"errors"
	"fmt"

	"codis/raftstore/topology"
)

// restarted handles a master that is another process than the recorded one (SAFETY
// F4), and says whether it is. Nodes use no master whose run ID is not the recorded
// one, so recording it is what lets them go on.
//
// A replica that has the recorded history still has all that was replicated, while
// the new process has what it found on its disk. Once the replica has followed it,
// that is gone: it is promoted first.
func (d *decision) restarted() bool {
	m := d.master
	if d.recorded.RunID == "" || m.RunID == d.recorded.RunID || m.RunID == "" || !m.State.Alive() || m.State == StateDenied || m.Role == RoleUnknown {
		return false
	}
	if !m.At.After(d.o.since) {
		return true // what was seen before the table changed may be the process of before
	}
	// The replicas may be in the middle of following it: until they load what they
	// got, what they had is whole.
	r := ruleOf(d.s, d.g, m, 0, d.o.faults)
	r.midSync = true
	best, found := choose(d.g, membersOf(d.g, d.o.seen), r)
	before, known := d.before(best, found)
	switch loading := m.State == StateLoading; {
	case d.o.faults.noGuard:
		d.record(m)
	case loading && found && d.s.Settings.Bool("failover"):
		d.replaceRestarted(best, "it has restarted and is loading its data")
	case loading, m.Keys < 0, found && !known:
		d.alarm("master-restarted", "its master %s has restarted and is not used before it is known what it has", d.g.Master)
	case found && m.older(d.recorded.ReplID, best.common(r)):
		d.lost(best, fmt.Sprintf("has come back with older data than %s has, which is of offset %d", best.addr, best.common(r)))
	case m.Role == RoleReplica: // see wayward
		return false
	case known && less(m.Keys, before):
		d.lost(best, fmt.Sprintf("has come back with %d keys where it had %d", m.Keys, before))
	case !known && m.Keys == 0 && len(d.g.Servers) > 1:
		d.lost(best, "has come back with no keys, and how many it had is not known here")
	default:
		d.record(m)
	}
	return true
}

// older says whether a restarted server tells that it has found its data of a history
// on its disk, but not as much of it as there is elsewhere. Redis 7 tells it of an RDB.
func (h Health) older(replID string, there int64) bool {
	switch replID {
	case "":
		return false
	case h.ReplID:
		return h.Offset < there
	}
	return h.ReplID2 == replID && h.Offset2 < there
}

func (d *decision) replaceRestarted(best choice, why string) {
	d.add(action{step: stepBegin, kind: topology.TurnFailover, addr: best.addr, reason: why, guard: true})
}

// lost: the master has less than it had. best, if there is one, has it.
func (d *decision) lost(best choice, what string) {
	if best.addr != "" {
		if d.s.Settings.Bool("failover") {
			d.replaceRestarted(best, "it "+what)
			return
		}
		d.alarm("master-empty", "its master %s %s, and is not used, since the setting failover is no: "+
			"CODIS.GROUP PROMOTE %d %s FORCE, or CODIS.GROUP REPLACE %d %s FORCE", d.g.Master, what, d.g.ID, best.addr, d.g.ID, d.g.Master)
		return
	}
	for _, other := range membersOf(d.g, d.o.seen) {
		// One that is away may have all of it, and would lose it as soon as it followed
		// this master. So would one that has more but is not fit to be promoted.
		switch {
		case other.addr == d.g.Master:
		case other.err != nil || other.loading:
			d.alarm("master-empty", "its master %s %s, and is not used; %s may have more, but %v: "+
				"start it again, or CODIS.GROUP REPLACE %d %s FORCE to go on with what there is", d.g.Master, what, other.addr, other.away(), d.g.ID, d.g.Master)
			return
		case d.o.seen[other.addr].Keys > d.master.Keys:
			d.alarm("master-empty", "its master %s %s, and is not used; %s has more, but is not promoted by itself: %s. "+
				"CODIS.GROUP PROMOTE %d %s FORCE does it, or CODIS.GROUP REPLACE %d %s FORCE goes on with what there is",
				d.g.Master, what, other.addr, best, d.g.ID, other.addr, d.g.ID, d.g.Master)
			return
		}
	}
	d.add(action{step: stepBegin, kind: topology.TurnReplace, addr: d.g.Master, guard: true,
		reason: fmt.Sprintf("it %s, and no other server of the group has more", what)})
}

// away is why a server can't tell what it has.
func (m member) away() error {
	if m.err == nil {
		return errors.New("it is loading its data")
	}
	return m.err
}

// before is how many keys the recorded process had, as far as this node knows: by
// what it saw of it, else by the replica that has its history.
func (d *decision) before(best choice, found bool) (int64, bool) {
	if run, ok := d.master.Run(d.recorded.RunID); ok && run.Keys >= 0 {
		return run.Keys, true
	}
	if h := d.o.seen[best.addr]; found && h.Keys >= 0 {
		return h.Keys, true
	}
	return 0, false
}

// less allows for keys that have expired meanwhile.
func less(now, before int64) bool { return now < before-before/10 }

// record puts a process of a server into the state.
func (d *decision) record(h Health) {
	at := indexOf(d.g, h.Addr)
	server := d.g.Servers[at]
	server.RunID, server.ReplID, server.Version = h.RunID, h.ReplID, h.Version
	if server != d.g.Servers[at] {
		d.add(action{step: stepRecord, addr: h.Addr, server: server})
	}
}
