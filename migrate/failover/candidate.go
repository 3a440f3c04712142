package failover

import (
	"fmt"
	"strings"
	"time"

	"codis/raftstore/topology"
)

// member is a server of a group, as far as the choice of a master goes.
type member struct {
	addr string
	// err is why it can't be asked, or serves nothing; nil when it can.
	err     error
	loading bool
	runID   string
	Replication
}

// memberOf is a member by what the Prober knows.
func memberOf(h Health) member {
	m := member{addr: h.Addr, loading: h.State == StateLoading, runID: h.RunID, Replication: h.Replication}
	switch {
	case h.State == StateUnknown:
		m.err = fmt.Errorf("it has not been asked yet")
	case !h.State.Alive():
		m.err = fmt.Errorf("it is %s", h.State)
	case h.State == StateDenied || h.State == StateBusy:
		m.err = fmt.Errorf("it is %s: %w", h.State, h.Err)
	}
	return m
}

// rule is what a candidate has to keep to.
type rule struct {
	// replID is the history that the group's master was recorded with.
	replID string
	// age is how long a replica may have heard nothing of the master: since it has
	// been silent, and failover-max-link-down.
	age time.Duration
	// runs are the recorded run IDs of the group's servers: a process that is recorded
	// has been in step with the master. seen is how far the master was seen to be in
	// replID, -1 when that is not known. Of a process that has come back from its disk,
	// nobody knows how old its data is, so it must have as much.
	runs map[string]string
	seen int64
	// durable is durability-replicas: as many replicas have each write that was answered.
	durable int
	// force: a person takes a candidate that is behind, or of another history.
	force bool
	// midSync: a replica that is about to copy another history, and has not dropped
	// what it has, will do.
	midSync bool
	// faults are for tests.
	faults faults
}

// idleByNature is how long a replica may hear nothing of a master that lives:
// repl-ping-replica-period, 10 s by default.
const idleByNature = 10 * time.Second

// fit says why a server can't be promoted; nil when it can (SAFETY F2).
func (m member) fit(r rule) error {
	switch {
	case m.err != nil:
		return m.err
	case m.loading:
		return fmt.Errorf("it is loading its data")
	case m.Syncing && !(r.midSync && m.ReplID == r.replID):
		return notYet("it is copying its master's data: what it has is not whole")
	case r.force:
		return nil
	case m.Role == RoleReplica && m.Priority == 0:
		return fmt.Errorf("its replica-priority is 0: its operator does not want it to be a master")
	case !m.shares(r.replID) && !r.faults.anyHistory:
		return notYet(fmt.Sprintf("its history (%s) is not that of the group's master (%s): it has not copied its data yet, or can't", short(m.ReplID), short(r.replID)))
	case m.restarted(r) && !m.LinkUp && (r.seen < 0 || m.common(r)+slack < r.seen):
		return fmt.Errorf("it has restarted and has not been in step with its master since: %s", m.missing(r))
	case m.Role == RoleReplica && !m.LinkUp && m.LinkDownFor > r.age:
		return fmt.Errorf("it has had no link to its master for %v", m.LinkDownFor)
	case m.Role == RoleReplica && m.LinkUp && m.IdleFor > r.age+idleByNature:
		return fmt.Errorf("it has heard nothing of its master for %v", m.IdleFor)
	}
	return nil
}

// restarted says whether a server is another process than the recorded one, or none
// is recorded yet.
func (m member) restarted(r rule) bool {
	run, known := r.runs[m.addr]
	return known && m.runID != run
}

// missing says how old a server's data is, for people.
func (m member) missing(r rule) string {
	if r.seen < 0 {
		return "how old its data is nobody knows"
	}
	return fmt.Sprintf("its data is of offset %d, the master was seen at %d", m.common(r), r.seen)
}

// shares says whether a server's data is of a history, wholly: by its replication ID,
// or by its second one, where it has promoted nothing of its own since. A server that
// was promoted and has written is another history, however high its offset.
func (m member) shares(replID string) bool {
	if replID == "" {
		return false
	}
	if m.ReplID == replID {
		return true
	}
	return m.ReplID2 == replID && m.Offset <= m.Offset2+slack
}

// notYet is why a server is not fit that may be so in a moment: after a switchover the
// other replicas have to follow the new master first.
type notYet string

func (why notYet) Error() string { return string(why) }

// slack is what a server writes into its own history that is nobody's data: the
// group's epoch key, and what it tells its replicas when it is promoted.
const slack = 512

// better says whether m is to be promoted rather than n, both being fit: the highest
// offset of the common history first, since every byte is a write that somebody was
// told of; then the operator's priority.
func (m member) better(n member, r rule) bool {
	if a, b := m.common(r), n.common(r); a != b {
		return a > b
	}
	if m.Priority != n.Priority {
		return m.Priority < n.Priority
	}
	return m.addr < n.addr
}

// common is how much of the common history a server has.
func (m member) common(r rule) int64 {
	if m.ReplID2 == r.replID && m.ReplID != r.replID && !r.faults.anyHistory {
		return min(m.Offset, m.Offset2)
	}
	return m.Offset
}

// choice is who is to be promoted, or why nobody can be.
type choice struct {
	member
	refused []string
}

// choose picks the candidate among a group's servers other than its master. Pure.
func choose(g topology.Group, members []member, r rule) (choice, bool) {
	var best choice
	found := false
	var refused []string
	for _, m := range members {
		if m.addr == g.Master {
			continue
		}
		if err := m.fit(r); err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", m.addr, err))
			continue
		}
		if !found || m.better(best.member, r) {
			best.member, found = m, true
		}
	}
	if why := best.undurable(g, members, r); found && why != "" {
		found, refused = false, append(refused, why)
	}
	best.refused = refused
	return best, found
}

// undurable says why the best candidate may lack a write that durability-replicas have:
// one that is not fit has more, or so many can't be asked that they may be those.
func (c choice) undurable(g topology.Group, members []member, r rule) string {
	if r.durable == 0 || r.force {
		return ""
	}
	away := 0
	for _, m := range members {
		switch {
		case m.addr == g.Master:
		case m.err != nil || m.loading:
			away++
		case m.shares(r.replID) && m.common(r) > c.common(r):
			return fmt.Sprintf("%s has writes that %s lacks, and durability-replicas promises them", m.addr, c.addr)
		}
	}
	if away >= r.durable {
		return fmt.Sprintf("%d replicas can't be asked: with durability-replicas %d they may have writes that %s lacks", away, r.durable, c.addr)
	}
	return ""
}

// String says why there is no candidate.
func (c choice) String() string {
	if len(c.refused) == 0 {
		return "it has no replica"
	}
	return strings.Join(c.refused, "; ")
}

// short is enough of a replication ID to tell it from others.
func short(id string) string {
	if id == "" {
		return "none"
	}
	return id[:min(len(id), 8)]
}
