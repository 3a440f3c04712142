package failover

import (
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// linkPatience is how long a replica may look for its master before it is told once
// more who that is, and how to log in.
const linkPatience = 10 * time.Second

// syncedNews is how long it is news that a replica has copied all of its master's data.
const syncedNews = 5 * time.Second

// care keeps the servers in the roles that the table gives them. What was seen
// before the group became what it is, is not looked at.
func (d *decision) care() {
	m := d.master
	if !m.At.After(d.o.since) || !m.State.Alive() || m.State == StateDenied || m.State == StateBusy || m.State == StateLoading {
		return
	}
	switch {
	case m.Role == RoleReplica:
		d.wayward()
		return
	case m.Role != RoleMaster:
		return
	case m.RunID != d.recorded.RunID || m.ReplID != d.recorded.ReplID:
		d.record(m)
		return // replicas are compared with what is recorded
	}
	if d.g.Turned != 0 {
		d.add(action{step: stepKey, addr: d.g.Master})
	}
	for _, server := range d.g.Servers {
		if h := d.o.seen[server.Addr]; server.Addr != d.g.Master && h.At.After(d.o.since) &&
			(h.State == StateUp || h.State == StateSyncing) && h.RunID != "" {
			d.careFor(h)
		}
	}
}

// careFor looks after a server that is to be a replica.
func (d *decision) careFor(h Health) {
	fork := d.forkOf(h.Addr)
	switch {
	case h.RunID == d.master.RunID:
		d.alarm("server-twice", "%s and its master %s are the same server; detach one of them", h.Addr, d.g.Master)
	case h.Role == RoleMaster:
		d.add(action{step: stepFollow, addr: h.Addr, fork: fork, reason: "it says that it is a master"})
	case !d.follows(h):
		d.add(action{step: stepFollow, addr: h.Addr, fork: fork, reason: "it follows " + h.MasterAddr})
	case !h.LinkUp && !h.Syncing && h.LinkDownFor > linkPatience:
		d.add(action{step: stepFollow, addr: h.Addr, reason: fmt.Sprintf("it has had no link for %v", h.LinkDownFor)})
	case fork != nil:
		d.add(action{step: stepForget, addr: h.Addr, fork: fork, reason: h.Addr + " was made a replica before it was looked at"})
	case h.LinkUp:
		d.record(h) // in step with the master: see rule.runs
		if d.o.now.Sub(h.Synced) < syncedNews {
			d.add(action{step: stepNote, addr: h.Addr, reason: fmt.Sprintf("server %s has copied the data of its master %s and is in sync", h.Addr, d.g.Master)})
		}
	}
}

// follows says whether a replica follows the group's master, under whatever name
// it knows it.
func (d *decision) follows(h Health) bool {
	if h.LinkUp {
		return h.Follows == d.g.Master || h.ReplID == d.master.ReplID
	}
	return h.MasterAddr == d.g.Master
}

func (d *decision) forkOf(addr string) *topology.Fork {
	for i := len(d.g.Forks) - 1; i >= 0; i-- {
		if d.g.Forks[i].Addr == addr {
			return &d.g.Forks[i]
		}
	}
	return nil
}

// wayward: someone has made the master a replica. It is put back when its data is
// still the group's: it has not left the recorded history, or has gone on in it with
// a server of the group that was promoted by hand.
func (d *decision) wayward() {
	m := d.master
	own := m.ReplID == d.recorded.ReplID || m.ReplID2 == d.recorded.ReplID
	for _, server := range d.g.Servers {
		h := d.o.seen[server.Addr]
		own = own || h.ReplID == m.ReplID && h.ReplID2 == d.recorded.ReplID
	}
	if own && (!m.Syncing || m.ReplID == d.recorded.ReplID) {
		d.add(action{step: stepMaster, addr: d.g.Master, reason: "someone made it a replica of " + m.MasterAddr})
		return
	}
	if p := prospect(d.s, d.g, d.o); p.Possible {
		d.add(action{step: stepBegin, kind: topology.TurnFailover, addr: p.Candidate,
			reason: fmt.Sprintf("someone made the master a replica of %s, and its data is not the group's any more", m.MasterAddr)})
		return
	}
	d.alarm("master-role", "someone made its master %s a replica of %s, so that it takes no writes, and its data may not be the group's any more; "+
		"CODIS.GROUP PROMOTE %d addr FORCE makes another server the master", d.g.Master, m.MasterAddr, d.g.ID)
}
