package raftstore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// This is a model of a cluster around the real ledger and the real past: a log,
// nodes with clocks of their own, messages that take their time, leaders that do not
// know that they were replaced, nodes that are cut off, restarted, removed. After
// each step it checks what leases are for: once a barrier has gone on, nobody who
// has not adopted its table has a lease.

// simNode is one data directory.
type simNode struct {
	node   topology.Node
	rate   float64 // of its clock
	zero   int64
	starts uint64
	cut    bool // no message leaves or reaches it
	next   time.Duration
	slow   time.Duration // until then the router adopts nothing

	applied int // entries of the log
	past    past
	saved   uint64 // what a new process begins with
	acked   uint64 // by the router of this process
	lease   lease
}

// simLeader is one term. It ends when another begins, but it may not know.
type simLeader struct {
	on      *simNode
	ledger  *ledger
	barrier uint64 // that is under way; 0: none
	began   int64
	applied int // of its own term, and earlier ones
}

type simEvent struct {
	at time.Duration
	do func()
}

type sim struct {
	rand    *rand.Rand
	faults  faults
	now     time.Duration
	log     []*topology.State // index i is the table of epoch i+1
	nodes   map[holder]*simNode
	leaders []*simLeader // the last one is the real one
	events  []simEvent
	passed  uint64 // the highest epoch of which a barrier has gone on
	counts  struct{ grants, barriers, silent, terms int }
	names   int
}

func newSim(seed uint64, f faults) *sim {
	s := &sim{rand: rand.New(rand.NewPCG(seed, 7)), faults: f, nodes: map[holder]*simNode{}}
	first := topology.NewState()
	first.Epoch = 1
	first.Settings = topology.Settings{"lease": "1s"}
	s.log = append(s.log, first)
	for range 4 {
		s.join()
	}
	s.elect()
	return s
}

func (s *sim) table() *topology.State { return s.log[len(s.log)-1] }

// write appends a table to the log. Only the real leader can.
func (s *sim) write(change func(*topology.State)) {
	next := *s.table()
	next.Epoch++
	next.Nodes, next.Settings = maps.Clone(next.Nodes), maps.Clone(next.Settings)
	change(&next)
	s.log = append(s.log, &next)
}

func (s *sim) join() {
	s.names++
	n := &simNode{
		node: topology.Node{ID: fmt.Sprintf("n%d", s.names%6), Incarnation: fmt.Sprint(s.names)},
		// The ratio of two clocks is below 1.1/0.9.
		rate: 0.92 + 0.16*s.rand.Float64(), zero: s.rand.Int64N(1 << 40), starts: 1,
	}
	if _, taken := s.table().Nodes[n.node.ID]; taken {
		return
	}
	s.nodes[holderOf(n.node)] = n
	s.write(func(t *topology.State) { t.Nodes[n.node.ID] = n.node })
	s.apply(n, s.rand.IntN(2) == 0)
}

func (n *simNode) clock(now time.Duration) int64 { return n.zero + int64(float64(now)*n.rate) }

// apply brings a node's table up to date, entry by entry or with a snapshot.
func (s *sim) apply(n *simNode, snapshot bool) {
	before := topology.NewState()
	if n.applied > 0 {
		before = s.log[n.applied-1]
	}
	if snapshot && n.applied < len(s.log)-1 {
		n.past.jumped(n.clock(s.now), before, s.table())
	} else {
		for _, after := range s.log[n.applied:] {
			n.past.note(n.clock(s.now), before, after)
			before = after
		}
	}
	n.applied = len(s.log)
}

// elect begins a term on a member that is not cut off.
func (s *sim) elect() {
	var able []*simNode
	for _, id := range sortedIDs(s.table().Nodes) {
		if n := s.nodes[holderOf(s.table().Nodes[id])]; !n.cut {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return
	}
	n := able[s.rand.IntN(len(able))]
	s.apply(n, s.rand.IntN(4) == 0)
	s.counts.terms++
	s.leaders = append(s.leaders, &simLeader{on: n, applied: n.applied, ledger: openLedger(n.past.opening(n.clock(s.now), s.table()), s.faults)})
	if len(s.leaders) > 3 {
		s.leaders = s.leaders[1:]
	}
}

func (s *sim) real(l *simLeader) bool { return l == s.leaders[len(s.leaders)-1] }

func (s *sim) after(d time.Duration, do func()) {
	s.events = append(s.events, simEvent{s.now + d, do})
}

// delay is that of a message: mostly short, sometimes more than a lease.
func (s *sim) delay() time.Duration {
	if s.rand.IntN(20) == 0 {
		return time.Duration(s.rand.Int64N(int64(3 * time.Second)))
	}
	return time.Duration(s.rand.Int64N(int64(20 * time.Millisecond)))
}

// tableAt is what a leader's node knows: a deposed one has nothing new.
func (s *sim) tableAt(l *simLeader) *topology.State {
	if s.real(l) {
		s.apply(l.on, false)
		l.applied = l.on.applied
	}
	if s.faults.anyTerm {
		return s.log[l.on.applied-1]
	}
	return s.log[l.applied-1]
}

// commits says whether an entry that a leader has written is committed.
func (s *sim) commits(l *simLeader) bool {
	return s.real(l) || s.faults.anyTerm && s.leaders[len(s.leaders)-1].on == l.on
}

// renew is one renewal, from the sending to the answer.
func (s *sim) renew(n *simNode, l *simLeader) {
	sent, starts := n.clock(s.now), n.starts
	r := renewal{ID: n.node.ID, Incarnation: n.node.Incarnation, Starts: starts, Acked: n.acked}
	s.after(s.delay(), func() {
		arrived := l.on.clock(s.now)
		member := s.tableAt(l).Nodes[r.ID]
		if l.ledger.hear(arrived, r, member) != nil || l.ledger.grant(arrived, 0, r, member) != nil {
			return
		}
		s.after(s.delay(), func() {
			if !s.commits(l) && !s.faults.noEntry {
				return
			}
			t := s.tableAt(l)
			length := leaseTimesOf(t).length
			if l.ledger.grant(arrived, length, r, t.Nodes[r.ID]) != nil {
				return
			}
			s.counts.grants++
			s.after(s.delay(), func() {
				if n.starts != starts || n.cut {
					return
				}
				if s.faults.fromAnswer {
					sent = n.clock(s.now)
				}
				n.lease.extend(sent, length)
			})
		})
	})
}

// adopt is what the router does with a newer table, some time later.
func (s *sim) adopt(n *simNode) {
	epoch, starts := n.saved, n.starts
	s.after(s.delay(), func() {
		if n.starts == starts && s.now >= n.slow {
			n.acked = max(n.acked, epoch)
		}
	})
}

func (s *sim) restart(n *simNode) {
	n.starts++
	n.acked, n.lease, n.past, n.applied = 0, lease{}, past{}, 0
	s.apply(n, s.rand.IntN(2) == 0)
	n.slow = s.now + time.Duration(s.rand.Int64N(int64(2*time.Second)))
}

// pick returns one of the nodes that ever were.
func (s *sim) pick() *simNode {
	var all []*simNode
	for i := 1; i <= s.names; i++ {
		if n := s.nodes[holder{fmt.Sprintf("n%d", i%6), fmt.Sprint(i)}]; n != nil {
			all = append(all, n)
		}
	}
	if len(all) > 8 {
		all = all[len(all)-8:]
	}
	return all[s.rand.IntN(len(all))]
}

// step is 10 ms of the model.
func (s *sim) step() error {
	s.now += 10 * time.Millisecond
	s.disturb()
	for i := 1; i <= s.names; i++ {
		n := s.nodes[holder{fmt.Sprintf("n%d", i%6), fmt.Sprint(i)}]
		if n == nil || n.cut {
			continue
		}
		if _, member := s.table().Nodes[n.node.ID]; member && s.rand.IntN(8) == 0 {
			s.apply(n, s.rand.IntN(4) == 0)
			n.saved = s.table().Epoch
		}
		s.adopt(n)
		if s.now >= n.next {
			n.next = s.now + 200*time.Millisecond
			s.renew(n, s.leaders[s.rand.IntN(len(s.leaders))])
		}
	}
	due := s.events
	s.events = nil
	for _, e := range due {
		if e.at <= s.now {
			e.do()
		} else {
			s.events = append(s.events, e)
		}
	}
	for _, l := range s.leaders {
		s.decide(l)
	}
	return s.check()
}

func (s *sim) disturb() {
	switch n := s.pick(); s.rand.IntN(400) {
	case 0, 1, 2:
		n.cut = !n.cut
	case 3, 4, 5, 6:
		n.cut = false
	case 7:
		s.restart(n)
	case 8:
		s.elect()
	case 9:
		if len(s.table().Nodes) > 3 {
			s.write(func(t *topology.State) { delete(t.Nodes, n.node.ID) })
		}
	case 10, 11:
		s.join()
	case 12:
		s.write(func(t *topology.State) { t.Settings["lease"] = []string{"1s", "3s"}[s.rand.IntN(2)] })
	}
	if l := s.leaders[s.rand.IntN(len(s.leaders))]; l.barrier == 0 && s.rand.IntN(50) == 0 {
		if s.real(l) {
			s.write(func(*topology.State) {}) // the hold
		}
		l.barrier, l.began = s.tableAt(l).Epoch, l.on.clock(s.now)
	}
}

func (s *sim) decide(l *simLeader) {
	if l.barrier == 0 {
		return
	}
	t := s.tableAt(l)
	v := l.ledger.decide(question{
		now: l.on.clock(s.now), epoch: l.barrier, began: l.began, members: t.Nodes,
		silentAfter: leaseTimesOf(t).length / 2,
	})
	if v.done {
		s.passed = max(s.passed, l.barrier)
		s.counts.barriers++
		s.counts.silent += len(v.silent)
		l.barrier = 0
	}
}

func (s *sim) check() error {
	for _, n := range s.nodes {
		if n.lease.until.Load() > n.clock(s.now) && n.acked < s.passed {
			return fmt.Errorf("after %s: %s/%s has a lease and has adopted %d, a barrier of %d has gone on",
				s.now, n.node.ID, n.node.Incarnation, n.acked, s.passed)
		}
	}
	return nil
}

func sortedIDs(nodes map[string]topology.Node) []string {
	var ids []string
	for i := range 6 {
		if id := fmt.Sprintf("n%d", i); nodes[id].ID != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// runSim runs the model with so many seeds, until one fails.
func runSim(f faults, first, seeds uint64) (total *sim, err error) {
	total = &sim{}
	for seed := first; seed < first+seeds; seed++ {
		s := newSim(seed, f)
		for range 3000 {
			if err := s.step(); err != nil {
				return total, fmt.Errorf("seed %d: %w", seed, err)
			}
		}
		total.counts.grants += s.counts.grants
		total.counts.barriers += s.counts.barriers
		total.counts.silent += s.counts.silent
		total.counts.terms += s.counts.terms
	}
	return total, nil
}

func TestL1L4Model(t *testing.T) {
	t.Parallel()
	total, err := runSim(faults{}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", total.counts)
	if c := total.counts; c.grants < 1000 || c.barriers < 100 || c.silent < 20 || c.terms < 20 {
		t.Errorf("the model does not do much: %+v", c)
	}
}

// TestL1L4ModelMutants: the model catches rules that are turned off, but for those
// that only delay, and what is too rare for it; TestLedgerMutants has all.
func TestL1L4ModelMutants(t *testing.T) {
	t.Parallel()
	for name, mutant := range map[string]struct {
		faults
		first uint64 // a seed that is known to catch it soon; the others would, too
	}{
		"a lease without an entry":            {faults{noEntry: true}, 0},
		"a lease that runs from the answer":   {faults{fromAnswer: true}, 6},
		"a new leader that assumes no leases": {faults{trustStart: true}, 0},
		"removed members forgotten":           {faults{forgetLeft: true}, 49},
		"silent members not waited for":       {faults{noWait: true}, 0},
		"who missed a barrier is renewed":     {faults{noFloor: true}, 0},
		"a process inherits acknowledgements": {faults{keepAck: true}, 0},
		"longer leases forgotten":             {faults{deafToLonger: true}, 45},
		"a leader that mixes terms":           {faults{anyTerm: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := runSim(mutant.faults, mutant.first, 400); err == nil {
				t.Error("not caught")
			} else {
				t.Log(err)
			}
		})
	}
}
