package raftstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// testLease is the lease of the tests of the ledger. 11 s are 1.1 of it.
const testLease = 10 * time.Second

// scene is a ledger, its table and its clock, for tests that read like a story:
// times are in seconds, nodes are letters, an incarnation is the number behind it.
type scene struct {
	tb      testing.TB
	ledger  *ledger
	members map[string]topology.Node
	starts  map[string]uint64
	// served is question.servesBelow.
	served uint64
}

func at(seconds float64) int64 { return int64(seconds * float64(time.Second)) }

// nodeNamed makes a node of "a" or "a2".
func nodeNamed(name string) topology.Node {
	return topology.Node{ID: name[:1], Incarnation: "i" + name[1:]}
}

// newScene opens a ledger at 0 with the table of epoch 10.
func newScene(tb testing.TB, f faults, members string, change ...func(*opening)) *scene {
	s := &scene{tb: tb, members: map[string]topology.Node{}, starts: map[string]uint64{}}
	o := opening{epoch: 10, lease: testLease}
	for name := range strings.FieldsSeq(members) {
		n := nodeNamed(name)
		s.members[n.ID] = n
		o.members = append(o.members, n)
	}
	for _, c := range change {
		c(&o)
	}
	s.ledger = openLedger(o, f)
	return s
}

func (s *scene) renewal(name string, acked uint64) renewal {
	n := nodeNamed(name)
	return renewal{ID: n.ID, Incarnation: n.Incarnation, Starts: s.starts[name], Acked: acked}
}

// renew has a renewal arrive and its entry committed at once.
func (s *scene) renew(now float64, name string, acked uint64) error {
	r := s.renewal(name, acked)
	if err := s.ledger.hear(at(now), r, s.members[r.ID]); err != nil {
		return err
	}
	return s.ledger.grant(at(now), testLease, r, s.members[r.ID])
}

func (s *scene) mustRenew(now float64, acked uint64, names ...string) {
	s.tb.Helper()
	for _, name := range names {
		if err := s.renew(now, name, acked); err != nil {
			s.tb.Errorf("renewal of %s at %g: %v", name, now, err)
		}
	}
}

func (s *scene) ack(now float64, epoch uint64, names ...string) {
	s.tb.Helper()
	for _, name := range names {
		r := s.renewal(name, epoch)
		if err := s.ledger.hear(at(now), r, s.members[r.ID]); err != nil {
			s.tb.Errorf("acknowledgement of %s at %g: %v", name, now, err)
		}
	}
}

func (s *scene) remove(id string) { delete(s.members, id) }

func (s *scene) join(name string) {
	n := nodeNamed(name)
	s.members[n.ID] = n
}

// barrier asks for the barrier of an epoch that began at 0.
func (s *scene) barrier(now float64, epoch uint64) string {
	v := s.ledger.decide(question{
		now: at(now), epoch: epoch, members: s.members, silentAfter: testLease / 2, servesBelow: s.served,
	})
	if !v.done {
		return fmt.Sprintf("waits for %s, next %g", strings.Join(v.waiting, "; "), float64(v.next)/1e9)
	}
	var ids []string
	for _, n := range v.silent {
		ids = append(ids, n.ID+strings.TrimPrefix(n.Incarnation, "i"))
	}
	return strings.TrimSpace("done " + strings.Join(ids, " "))
}

func (s *scene) wantBarrier(now float64, epoch uint64, want string) {
	s.tb.Helper()
	if got := s.barrier(now, epoch); got != want {
		s.tb.Errorf("barrier of %d at %g: %s\nwant %s", epoch, now, got, want)
	}
}

func (s *scene) wantRefused(err, want error) {
	s.tb.Helper()
	if !errors.Is(err, want) {
		s.tb.Errorf("error %v, want %v", err, want)
	}
}

// ledgerStories are the rules of SAFETY.md L1 and L4, one story each. fault is the
// mutant that the story catches.
var ledgerStories = []struct {
	name  string
	fault faults
	tell  func(s *scene)
	open  func(o *opening)
}{
	{name: "all acknowledge", tell: func(s *scene) {
		s.mustRenew(1, 10, "a", "b", "c")
		s.ack(2, 20, "a", "b")
		s.wantBarrier(2, 20, "waits for c has acknowledged only the table of epoch 10, next 6")
		s.ack(3, 21, "c")
		s.wantBarrier(3, 20, "done")
	}},
	{name: "a member that drains is renewed and waited for", tell: func(s *scene) {
		for now := 1.0; now < 30; now++ {
			s.mustRenew(now, 20, "a", "b")
			s.mustRenew(now, 10, "c")
			s.wantBarrier(now, 20, fmt.Sprintf("waits for c has acknowledged only the table of epoch 10, next %g", now+5))
		}
	}},
	{name: "a silent member's lease is waited for", fault: faults{noWait: true}, tell: func(s *scene) {
		s.mustRenew(1, 10, "c")
		s.ack(2, 20, "a", "b")
		s.wantBarrier(5, 20, "waits for c has acknowledged only the table of epoch 10, next 6")
		s.wantBarrier(6, 20, "waits for c is silent, and its lease may live for 6s, next 12")
		s.wantBarrier(11.9, 20, "waits for c is silent, and its lease may live for 100ms, next 12")
		s.wantBarrier(12, 20, "done c")
	}},
	{name: "a silent member is not renewed meanwhile", fault: faults{renewSilent: true}, tell: func(s *scene) {
		s.mustRenew(1, 10, "c")
		s.ack(2, 20, "a", "b")
		s.wantBarrier(7, 20, "waits for c is silent, and its lease may live for 5s, next 12")
		s.wantRefused(s.renew(8, "c", 10), errBehind)
		s.wantBarrier(8, 20, "waits for c is silent, and its lease may live for 4s, next 12")
		s.wantBarrier(12, 20, "done c")
	}},
	{name: "a silent member that is back and acknowledges", tell: func(s *scene) {
		s.mustRenew(1, 10, "c")
		s.ack(2, 20, "a", "b")
		s.wantBarrier(7, 20, "waits for c is silent, and its lease may live for 5s, next 12")
		s.mustRenew(8, 20, "c")
		s.wantBarrier(8, 20, "done")
	}},
	{name: "who missed a barrier is renewed only after it has acknowledged", fault: faults{noFloor: true, renewSilent: true}, tell: func(s *scene) {
		s.ack(2, 20, "a", "b")
		s.wantBarrier(11, 20, "done c")
		s.wantRefused(s.renew(12, "c", 10), errBehind)
		s.mustRenew(13, 20, "c")
	}},
	{name: "a node that joins after a barrier needs it", fault: faults{noFloor: true}, tell: func(s *scene) {
		s.ack(2, 20, "a", "b", "c")
		s.wantBarrier(2, 20, "done")
		s.join("d")
		s.wantRefused(s.renew(3, "d", 0), errBehind)
		s.mustRenew(4, 20, "d")
	}},
	{name: "a node that joins during a barrier, without a lease", tell: func(s *scene) {
		s.join("d")
		s.ack(2, 20, "a", "b", "c")
		s.wantRefused(s.renew(2, "d", 0), errBehind)
		s.wantBarrier(3, 20, "done d")
	}},
	{name: "a node that joins during a barrier, with a lease", tell: func(s *scene) {
		s.join("d")
		s.ack(2, 20, "a", "b", "c")
		s.mustRenew(2, 10, "d")
		s.wantBarrier(3, 20, "waits for d has acknowledged only the table of epoch 10, next 7")
	}},
	{name: "a new leader assumes that every lease lives", fault: faults{trustStart: true}, tell: func(s *scene) {
		s.ack(1, 20, "a", "b")
		s.wantBarrier(5, 20, "waits for c is silent, and its lease may live for 6s, next 11")
		s.wantBarrier(11, 20, "done c")
	}},
	{name: "a new leader renews only who has its table", fault: faults{noFloor: true}, tell: func(s *scene) {
		s.wantRefused(s.renew(1, "a", 9), errBehind)
		s.mustRenew(1, 10, "a")
	}},
	{name: "a member that was removed in this term", tell: func(s *scene) {
		s.mustRenew(3, 10, "c")
		s.remove("c")
		s.wantRefused(s.renew(4, "c", 10), errNotMember)
		s.ack(4, 20, "a", "b")
		s.wantBarrier(5, 20, "waits for c is silent, and its lease may live for 9s, next 14")
		s.wantBarrier(14, 20, "done c")
	}},
	{name: "a member that was removed while its renewal waited for the entry", tell: func(s *scene) {
		r := s.renewal("c", 10)
		s.wantRefused(s.ledger.hear(at(1), r, s.members["c"]), nil)
		s.remove("c")
		s.wantRefused(s.ledger.grant(at(1), testLease, r, s.members["c"]), errNotMember)
	}},
	{name: "a member that was removed in an earlier term", fault: faults{forgetLeft: true},
		open: func(o *opening) { o.left = []departure{{node: nodeNamed("d"), until: at(7)}} },
		tell: func(s *scene) {
			s.ack(1, 20, "a", "b", "c")
			s.wantBarrier(1, 20, "waits for d is silent, and its lease may live for 6s, next 7")
			s.wantBarrier(7, 20, "done d")
		}},
	{name: "somebody else has the name of a removed member", tell: func(s *scene) {
		s.mustRenew(1, 10, "c")
		s.remove("c")
		s.join("c2")
		s.wantRefused(s.renew(2, "c", 10), errNotMember)
		s.mustRenew(2, 20, "a", "b", "c2")
		s.wantBarrier(2, 20, "waits for c is silent, and its lease may live for 10s, next 12")
		s.wantBarrier(12, 20, "done c")
	}},
	{name: "its connections are not ended for one that left long ago",
		open: func(o *opening) {
			o.now = at(-100)
			o.left = []departure{{node: nodeNamed("c9"), at: at(-100), until: at(-90)}, {node: nodeNamed("d"), at: at(-100), until: at(-90)}}
		},
		tell: func(s *scene) {
			s.ack(1, 20, "a", "b", "c")
			s.wantBarrier(1, 20, "done d")
		}},
	{name: "a new process has acknowledged nothing", fault: faults{keepAck: true}, tell: func(s *scene) {
		s.mustRenew(1, 30, "a", "b", "c")
		s.wantBarrier(1, 30, "done")
		s.starts["c"]++
		s.wantRefused(s.renew(2, "c", 25), errBehind)
		s.mustRenew(3, 30, "c")
	}},
	{name: "a message of an earlier process", tell: func(s *scene) {
		s.starts["c"] = 2
		s.mustRenew(1, 10, "c")
		s.starts["c"] = 1
		s.wantRefused(s.renew(2, "c", 40), errOldRun)
		s.ack(2, 20, "a", "b")
		s.wantBarrier(2, 20, "waits for c has acknowledged only the table of epoch 10, next 6")
	}},
	{name: "two processes with copies of one directory", fault: faults{twins: true}, tell: func(s *scene) {
		original, twin := s.renewal("c", 10), s.renewal("c", 10)
		original.Run, twin.Run = "x", "y"
		for _, r := range []renewal{original, original} {
			if err := s.ledger.hear(at(1), r, s.members["c"]); err != nil {
				s.tb.Errorf("the first one: %v", err)
			}
		}
		s.wantRefused(s.ledger.hear(at(2), twin, s.members["c"]), errTwin)
		if !s.ledger.accounts[original.holder()].twin {
			s.tb.Errorf("nobody tells the first one")
		}
		twin.Starts++ // it is started once more, or the first one is: the last one counts
		if err := s.ledger.hear(at(3), twin, s.members["c"]); err != nil {
			s.tb.Errorf("a later start: %v", err)
		}
		s.wantRefused(s.ledger.hear(at(4), original, s.members["c"]), errTwin)
	}},
	{name: "a lease that was given back is not waited for", tell: func(s *scene) {
		s.mustRenew(1, 10, "c")
		s.ledger.giveBack(at(2), s.renewal("c", 10))
		s.ack(2, 20, "a", "b")
		s.wantBarrier(2, 20, "done c")
		s.wantRefused(s.renew(2, "c", 20), errOldRun)
		s.starts["c"]++
		s.mustRenew(3, 20, "c")
	}},
	{name: "a leader that was given a snapshot", fault: faults{notBlind: true}, open: func(o *opening) { o.blind = at(8) }, tell: func(s *scene) {
		s.ack(1, 20, "a", "b", "c")
		s.wantBarrier(1, 20, "waits for this leader is new here, and a node that it does not know may have a lease for 7s, next 8")
		s.wantBarrier(8, 20, "done")
	}},
	{name: "leases that are longer than the setting", fault: faults{deafToLonger: true}, open: func(o *opening) { o.longer = at(33) }, tell: func(s *scene) {
		s.ack(1, 20, "a", "b")
		s.wantBarrier(20, 20, "waits for c is silent, and its lease may live for 13s, next 33")
		s.wantBarrier(33, 20, "done c")
	}},
	{name: "a silent member that serves without a lease", tell: func(s *scene) {
		s.served = 15
		s.ack(1, 20, "a", "b")
		s.mustRenew(1, 14, "c")
		s.wantBarrier(500, 20, "waits for c is silent, and may serve without a lease, because on-quorum-loss is or was serve, next 0")
		s.remove("c") // a person says that it is gone
		s.wantBarrier(500, 20, "done c")
	}},
	{name: "one that has heard that it may not", tell: func(s *scene) {
		s.served = 15
		s.ack(1, 20, "a", "b")
		s.mustRenew(1, 15, "c")
		s.wantBarrier(500, 20, "done c")
	}},
	{name: "a member without a lease that never adopts a table", tell: func(s *scene) {
		s.ack(1, 20, "a", "b")
		for now := 1.0; now < 11; now++ {
			s.wantRefused(s.renew(now, "c", 3), errBehind)
		}
		s.wantBarrier(10.5, 20, "waits for c has acknowledged only the table of epoch 3, next 15")
		s.wantBarrier(11, 20, "done c")
	}},
	{name: "two barriers at once", tell: func(s *scene) {
		s.mustRenew(1, 20, "c")
		s.ack(1, 30, "a", "b")
		s.wantBarrier(2, 20, "done")
		s.wantBarrier(7, 30, "waits for c is silent, and its lease may live for 5s, next 12")
		s.wantBarrier(7, 20, "done")
		s.wantBarrier(12, 30, "done c")
	}},
}

func TestL1L4Ledger(t *testing.T) {
	for _, story := range ledgerStories {
		t.Run(story.name, func(t *testing.T) { tellStory(t, story.open, faults{}, story.tell) })
	}
}

// TestLedgerMutants: each rule that is turned off is caught by its story.
func TestLedgerMutants(t *testing.T) {
	for _, story := range ledgerStories {
		if story.fault == (faults{}) {
			continue
		}
		caught := &quietTB{TB: t}
		tellStory(caught, story.open, story.fault, story.tell)
		if !caught.failed {
			t.Errorf("%q does not catch %+v", story.name, story.fault)
		}
	}
}

func tellStory(tb testing.TB, open func(*opening), f faults, tell func(*scene)) {
	var changes []func(*opening)
	if open != nil {
		changes = append(changes, open)
	}
	tell(newScene(tb, f, "a b c", changes...))
}

// quietTB remembers errors instead of reporting them.
type quietTB struct {
	testing.TB
	failed bool
}

func (q *quietTB) Errorf(string, ...any) { q.failed = true }
func (q *quietTB) Helper()               {}

func TestPast(t *testing.T) {
	state := func(epoch uint64, members, lease, loss string) *topology.State {
		s := topology.NewState()
		s.Epoch, s.Settings = epoch, topology.Settings{"lease": lease, "on-quorum-loss": loss}
		for name := range strings.FieldsSeq(members) {
			n := nodeNamed(name)
			s.Nodes[n.ID] = n
		}
		return s
	}
	var p past
	tables := []*topology.State{
		state(1, "a b c", "10s", "stop"),
		state(2, "a b c", "100s", "serve"),
		state(3, "a b", "100s", "serve"),
		state(4, "a b2", "10s", "stop"),
		state(5, "a", "10s", "reads"),
	}
	if got := p.servesBelow(tables[0]); got != 0 {
		t.Errorf("never served, but below %d", got)
	}
	for i := range tables[1:] {
		p.note(at(float64(i)), tables[i], tables[i+1])
	}
	o := p.opening(at(9), tables[4])
	var left []string
	for _, d := range o.left {
		left = append(left, fmt.Sprintf("%s%s %g", d.node.ID, d.node.Incarnation, float64(d.until)/1e9))
	}
	// b2 left when the lease was 10 s again, but may hold a longer one.
	if want := []string{"ci 111", "bi 112", "bi2 112"}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
	if o.longer != at(112) || o.epoch != 5 || o.lease != testLease || len(o.members) != 1 || o.blind != 0 {
		t.Errorf("opening %+v", o)
	}
	if below := p.servesBelow(tables[4]); below != 4 {
		t.Errorf("serves below %d, want 4", below)
	}
	if below := p.servesBelow(tables[2]); below != ^uint64(0) {
		t.Errorf("serves below %d while it serves", below)
	}
	p.jumped(at(20), tables[4], state(9, "", "10s", "stop"))
	if o := p.opening(at(21), tables[4]); o.blind != at(31) || len(o.left) != 4 {
		t.Errorf("after a snapshot: %+v", o)
	}
	// What nobody can need any more is forgotten.
	for i := range 2 * maxDepartures {
		p.note(at(30), state(1, "a", "10s", "stop"), state(uint64(i), "", "10s", "stop"))
	}
	if got := len(p.left); got != maxDepartures {
		t.Errorf("%d departures are remembered", got)
	}
	p.note(at(30+2*departedFor.Seconds()), tables[0], tables[4])
	if got := len(p.left); got != 2 {
		t.Errorf("%d departures are remembered two hours later, want 2", got)
	}
}
