package raftstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"codis/raftstore/topology"
)

// holder is who a lease is granted to: one data directory. Its processes follow
// each other, see account.starts.
type holder struct{ id, incarnation string }

func holderOf(n topology.Node) holder { return holder{n.ID, n.Incarnation} }

// renewal is what a node says when it asks for a lease, or acknowledges a table.
type renewal struct {
	ID          string `json:"id"`
	Incarnation string `json:"incarnation"`
	// Starts counts the starts of the directory: it tells which process speaks.
	Starts uint64 `json:"starts"`
	// Run is made at random by each process. Two processes that began with copies of
	// one directory have the same Starts. Versions before format 3 do not say.
	Run string `json:"run,omitempty"`
	// Acked is the epoch of the table that the router of that process has adopted.
	Acked uint64 `json:"acked"`
	// Report is what the node observes; see Config.Report. Only RENEW carries it.
	Report []byte `json:"report,omitempty"`
	// Format is the newest topology.Format that the node knows, which may be one that
	// the leader does not know; versions before format 3 do not say.
	Format int `json:"format,omitempty"`
}

func (r renewal) holder() holder { return holder{r.ID, r.Incarnation} }

// account is what the leader knows of one holder.
type account struct {
	node   topology.Node
	starts uint64 // of the last process that was heard
	run    string // the same; empty if it has not said
	twin   bool   // another process with a copy of the directory was refused
	acked  uint64 // by that process
	// need is the epoch that it must have acknowledged before it gets a lease again:
	// a barrier goes on, or is about to, without it.
	need  uint64
	heard int64 // when it was last heard; the beginning of the term, if never
	// format is the newest one that the process knows that was heard last; 0 when it
	// has not been heard in this term.
	format topology.Format
	until  int64 // no lease of it lives then any more, whatever its clock says
	over   bool  // that process has given its lease back
}

// ledger is the leader's book of leases in one term. It is pure: times are the
// leader's Boottime and come in from outside, as does the table. Whoever has it
// holds a lock.
//
// Two facts carry it. A lease runs from when its renewal was SENT, which is before
// it arrived. And a renewal is granted only when an entry is committed that was
// written after it arrived: an earlier leader can't have done that for a renewal
// that arrived after this leader's first entry. So all leases of earlier terms
// were asked for before the ledger was opened. Both are about one term: a ledger is
// of no use, not even for the same leader, when there was another term in between.
type ledger struct {
	// floor is the epoch that any holder must have acknowledged before it gets a
	// lease. Every barrier that has gone on, in this term or before, was of that
	// epoch or an earlier one. So a barrier of a leader that was deposed without
	// knowing it is right all the same, if its epoch is of its own term or an earlier
	// one: nobody gets a lease in a later term who has not acknowledged that epoch.
	floor uint64
	// blind is until when somebody may hold a lease who is not in the ledger.
	blind    int64
	accounts map[holder]*account
	faults   faults
}

// faults are mutants: each turns one rule off. Only tests set them.
type faults struct {
	noEntry      bool // a renewal is granted without an entry committed after it
	fromAnswer   bool // the node counts its lease from the answer
	trustStart   bool // a new leader assumes that no lease lives
	forgetLeft   bool // removed members do not count
	noWait       bool // a silent member's lease is not waited for
	renewSilent  bool // a silent member is renewed during the barrier
	noFloor      bool // who has missed a barrier is renewed after it
	keepAck      bool // a new process inherits the acknowledgements of the last one
	deafToLonger bool // a longer lease from before the setting was changed is forgotten
	notBlind     bool // a leader that was given a snapshot believes to know all
	twins        bool // two processes with copies of one directory are taken for one
	anyTerm      bool // what is committed or applied in a later term counts in an earlier one
}

// opening is what a term begins with, seen after the first entry of that term has
// been applied.
type opening struct {
	now   int64
	epoch uint64
	lease time.Duration
	// members are the nodes of the table; left are those that were removed.
	members []topology.Node
	left    []departure
	// longer is until when leases live that were granted when the setting was higher.
	longer int64
	// blind is until when somebody may hold a lease whom the tables of this node have
	// never shown.
	blind int64
}

func openLedger(o opening, f faults) *ledger {
	l := &ledger{floor: o.epoch, blind: o.blind, accounts: map[holder]*account{}, faults: f}
	if f.notBlind {
		l.blind = 0
	}
	until := graceEnd(o.now, o.lease)
	if !f.deafToLonger {
		until = max(until, o.longer)
	}
	if f.noFloor {
		l.floor = 0
	}
	if !f.forgetLeft {
		for _, d := range o.left {
			l.accounts[holderOf(d.node)] = &account{node: d.node, heard: d.at, until: d.until}
		}
	}
	for _, n := range o.members {
		l.accounts[holderOf(n)] = &account{node: n, heard: o.now, until: until}
	}
	if f.trustStart {
		for _, a := range l.accounts {
			a.until = 0
		}
	}
	return l
}

// graceEnd is when the lease of a renewal that arrived at a time is over for
// certain.
func graceEnd(arrived int64, length time.Duration) int64 {
	return arrived + int64(length+margin(length))
}

var (
	// errNotMember is returned when a holder is not in the table.
	errNotMember = errors.New("this node is not in the table")
	// errOldRun is returned when a later process of the same directory was heard, or
	// this one has given its lease back.
	errOldRun = errors.New("the lease of this process is over")
	// errTwin is returned to a process when another one speaks for its directory: a
	// later one, or one that was heard first. Both hold the same votes and leases; the
	// ledger counts them once, so only one may have any.
	errTwin = fmt.Errorf("%w: another process speaks for a copy of its directory", errOldRun)
	// errBehind is returned when a node must adopt a newer table before it serves.
	errBehind = errors.New("the router has to adopt a newer table first")
)

// hear takes in that a holder speaks, and what it has acknowledged. member is its
// entry in the table.
func (l *ledger) hear(now int64, r renewal, member topology.Node) error {
	if holderOf(member) != r.holder() {
		return errNotMember
	}
	a := l.accounts[r.holder()]
	if a == nil {
		a = &account{}
		l.accounts[r.holder()] = a
	}
	if l.isTwin(r) {
		return errTwin
	}
	if r.Starts > a.starts {
		// Another process: the one before has ended, and what it has acknowledged was
		// forgotten with it.
		if !l.faults.keepAck {
			a.acked = 0
		}
		a.starts, a.run, a.over = r.Starts, "", false
	}
	if a.run == "" {
		a.run = r.Run
	}
	a.node, a.heard, a.acked = member, now, max(a.acked, r.Acked)
	a.format = max(topology.Format(r.Format), lastSilentFormat)
	return nil
}

// isTwin says whether another process speaks for the directory: one that was started
// later, or one of the same start that was heard first. That one will be told.
func (l *ledger) isTwin(r renewal) bool {
	a := l.accounts[r.holder()]
	if a == nil || r.Starts > a.starts || r.Starts == a.starts && (a.run == "" || r.Run == "" || r.Run == a.run || l.faults.twins) {
		return false
	}
	a.twin = true
	return true
}

// grant decides whether a renewal that arrived at a time is granted; if so, its
// lease is in the ledger before anybody hears of it. It is asked twice: when the
// renewal has been heard, with a length of 0, and after the entry.
func (l *ledger) grant(arrived int64, length time.Duration, r renewal, member topology.Node) error {
	if holderOf(member) != r.holder() {
		return errNotMember
	}
	a := l.accounts[r.holder()]
	if a == nil || a.starts != r.Starts || a.over {
		return errOldRun
	}
	need := a.need
	if l.faults.renewSilent {
		need = 0
	}
	if need = max(need, l.floor); a.acked < need {
		return fmt.Errorf("%w: that of epoch %d, it has acknowledged %d", errBehind, need, a.acked)
	}
	if length > 0 {
		a.until = max(a.until, graceEnd(arrived, length))
	}
	return nil
}

// giveBack takes in that a process has stopped serving, and does not ask again.
func (l *ledger) giveBack(now int64, r renewal) {
	if a := l.accounts[r.holder()]; a != nil && a.starts == r.Starts {
		a.over, a.until = true, min(a.until, now)
	}
}

// question is what a barrier asks.
type question struct {
	now   int64
	epoch uint64
	began int64 // when the barrier began
	// members are the nodes of the table.
	members map[string]topology.Node
	// silentAfter is the time without a sign of life after which a member is refused.
	silentAfter time.Duration
	// servesBelow is the epoch of the first table that tells nodes not to serve without
	// a lease; 0 when there never was another one. See the setting on-quorum-loss.
	servesBelow uint64
}

// verdict is the answer.
type verdict struct {
	done bool
	// silent have not acknowledged the table, hold no lease, and get none before they
	// have. Sorted by ID.
	silent []topology.Node
	// waiting says who holds the barrier up, and why.
	waiting []string
	// next is when the answer may change without anybody being heard; 0: never.
	next int64
}

// decide says whether a barrier may go on. It refuses further leases to members
// that hold it up and are silent; when it says done, to everyone who has not
// acknowledged the epoch.
func (l *ledger) decide(q question) verdict {
	var v verdict
	later := func(at int64) {
		if v.next == 0 || at < v.next {
			v.next = at
		}
	}
	for h, a := range l.accounts {
		if a.acked >= q.epoch {
			continue
		}
		member, known := q.members[h.id]
		left := !known || holderOf(member) != h
		// Without a lease and without a way to one it serves nothing, however loud it is.
		idle := a.over || a.until <= q.now && a.acked < max(a.need, l.floor)
		if heardUntil := a.heard + int64(q.silentAfter); !left && !idle && a.need < q.epoch && q.now < heardUntil {
			v.waiting = append(v.waiting, fmt.Sprintf("%s has acknowledged only the table of epoch %d", h.id, a.acked))
			later(heardUntil)
			continue
		}
		a.need = max(a.need, q.epoch)
		switch {
		case a.acked < q.servesBelow && !left && !a.over:
			v.waiting = append(v.waiting, fmt.Sprintf("%s is silent, and may serve without a lease, because on-quorum-loss is or was %s", h.id, serveAlways))
		case a.until > q.now && !l.faults.noWait:
			v.waiting = append(v.waiting, fmt.Sprintf("%s is silent, and its lease may live for %s", h.id, seconds(a.until-q.now)))
			later(a.until)
		case left && known && a.until <= q.began:
			// Long gone, and another node has its name.
		default:
			v.silent = append(v.silent, a.node)
		}
	}
	if l.blind > q.now {
		v.waiting = append(v.waiting, fmt.Sprintf("this leader is new here, and a node that it does not know may have a lease for %s", seconds(l.blind-q.now)))
		later(l.blind)
	}
	if len(v.waiting) > 0 {
		slices.Sort(v.waiting)
		v.silent = nil
		return v
	}
	slices.SortFunc(v.silent, func(a, b topology.Node) int { return cmp.Compare(a.ID, b.ID) })
	v.done = true
	if !l.faults.noFloor {
		l.floor = max(l.floor, q.epoch)
	}
	return v
}

// serveAlways is the value of on-quorum-loss with which a node serves without a lease.
const serveAlways = "serve"

func seconds(ns int64) time.Duration { return time.Duration(ns).Round(10 * time.Millisecond) }
