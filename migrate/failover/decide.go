package failover

import (
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// step is what there is to do.
type step uint8

const (
	// stepTurn: go on with the turn that the state has.
	stepTurn step = iota + 1
	// stepBegin: begin a turn that nobody asked for.
	stepBegin
	// stepRecord: put what is seen of a server into the state.
	stepRecord
	// stepMaster: someone made the master a replica: put it back.
	stepMaster
	// stepFollow: make a server a replica of the master.
	stepFollow
	// stepForget: what a replaced master had can't be told any more.
	stepForget
	// stepNote: write an alarm into the history.
	stepNote
	// stepKey: see that the master has the group's key.
	stepKey
)

func (s step) String() string {
	switch s {
	case stepTurn:
		return "turn"
	case stepBegin:
		return "begin a turn"
	case stepRecord:
		return "record a server"
	case stepMaster:
		return "put the master back"
	case stepFollow:
		return "make a replica"
	case stepForget:
		return "forget a fork"
	case stepNote:
		return "note an alarm"
	case stepKey:
		return "keep the group's key"
	}
	return "unknown"
}

// action is a step, and what it is about.
type action struct {
	step  step
	group int
	// epoch is the group's.
	epoch uint64
	// addr is the server that changes.
	addr string
	// reason is why, for people.
	reason string
	kind   topology.TurnKind // of stepBegin
	// guard: the master has come back with less.
	guard  bool
	server topology.Server // of stepRecord
	fork   *topology.Fork  // of stepFollow, stepForget
}

func (a action) lane() lane {
	switch a.step {
	case stepTurn, stepBegin:
		return lane{group: a.group}
	case stepKey:
		return lane{group: a.group, addr: "key"}
	case stepNote:
		return lane{group: a.group, addr: "note " + a.addr}
	}
	return lane{group: a.group, addr: a.addr}
}

// pause is how long its lane rests when it is done.
func (a action) pause(c Config) time.Duration {
	switch a.step {
	case stepMaster, stepFollow:
		return c.CareEvery
	case stepKey, stepNote:
		return time.Second
	}
	return 0
}

// sight is what is known at one moment.
type sight struct {
	seen map[string]Health
	poll Poll
	now  time.Time
	// since is when the group became what it is: what was seen before does not count
	// for its care.
	since  time.Time
	faults faults
}

// decide says what there is to do for a group. Pure.
func decide(s *topology.State, g topology.Group, o sight) ([]action, []Alarm) {
	d := &decision{s: s, g: g, o: o, master: o.seen[g.Master]}
	d.recorded = g.Servers[indexOf(g, g.Master)]
	switch judgment := o.poll.Judge(g.Master, masters(s), s.Settings.Duration("down-after")); {
	case g.Turn != nil:
		d.add(action{step: stepTurn, addr: g.Turn.To})
	case judgment.Down:
		d.down(judgment)
	case d.restarted():
	default:
		if len(judgment.Suspect) > 0 {
			d.alarm("observer-suspect", "its master %s is silent, but nothing is done: %s", g.Master, judgment)
		}
		d.care()
	}
	return d.actions, d.alarms
}

// decision is decide at work.
type decision struct {
	s        *topology.State
	g        topology.Group
	o        sight
	master   Health
	recorded topology.Server
	actions  []action
	alarms   []Alarm
}

func (d *decision) add(a action) {
	a.group, a.epoch = d.g.ID, d.g.Epoch
	d.actions = append(d.actions, a)
}

func (d *decision) alarm(code, format string, args ...any) {
	d.alarms = append(d.alarms, Alarm{Group: d.g.ID, Code: code, Text: fmt.Sprintf(format, args...)})
}

// down: a majority says that the master is silent.
func (d *decision) down(j Judgment) {
	p := prospect(d.s, d.g, d.o)
	if !p.Possible {
		d.alarm("failover-blocked", "its master %s is down, but no replica is promoted: %s; bring the master back, or CODIS.GROUP PROMOTE %d addr FORCE, or REPLACE", d.g.Master, p.Why, d.g.ID)
		return
	}
	d.add(action{step: stepBegin, kind: topology.TurnFailover, addr: p.Candidate,
		reason: fmt.Sprintf("%d voters have not heard of the master for %s", j.Say, d.s.Settings.Duration("down-after"))})
}

// Prospect says whether a group's master would be replaced if it died now.
type Prospect struct {
	Possible bool
	// Candidate is who would be promoted.
	Candidate string
	// Why says what stands against it, or that nothing does.
	Why string
}

// Prospects returns the prospect of every group, as this node sees it. It is the
// function that decides, without the votes.
func Prospects(s *topology.State, seen map[string]Health, now time.Time) map[int]Prospect {
	all := make(map[int]Prospect, len(s.Groups))
	for id, g := range s.Groups {
		all[id] = prospect(s, g, sight{seen: seen, now: now})
	}
	return all
}

func prospect(s *topology.State, g topology.Group, o sight) Prospect {
	master := o.seen[g.Master]
	best, ok := choose(g, membersOf(g, o.seen), ruleOf(s, g, master, master.Silence(o.now), o.faults))
	interval := s.Settings.Duration("failover-interval")
	next := time.UnixMilli(g.FailoverAt).Add(interval).Sub(o.now)
	switch {
	case g.Turn != nil:
		return Prospect{Why: fmt.Sprintf("it is getting %s as its master", g.Turn.To)}
	case !s.Settings.Bool("failover"):
		return Prospect{Why: "the setting failover is no; CODIS.GROUP PROMOTE gid addr FORCE does it by hand"}
	case !ok:
		return Prospect{Why: best.String()}
	case g.FailoverAt != 0 && next > 0 && next <= 2*interval: // later than that, a clock was wrong
		return Prospect{Candidate: best.addr, Why: fmt.Sprintf("its last failover was less than %s ago (failover-interval), the next may be in %s", interval, max(time.Second, next.Round(time.Second)))}
	}
	return Prospect{Possible: true, Candidate: best.addr, Why: "to " + best.addr}
}

// ruleOf is what a candidate of a group has to keep to. master is what is known of its
// master, silence for how long that is silent.
func ruleOf(s *topology.State, g topology.Group, master Health, silence time.Duration, f faults) rule {
	recorded := g.Servers[indexOf(g, g.Master)]
	r := rule{replID: recorded.ReplID, age: silence + s.Settings.Duration("failover-max-link-down"), seen: -1, runs: map[string]string{},
		durable: s.Settings.Int("durability-replicas"), faults: f}
	for _, server := range g.Servers {
		r.runs[server.Addr] = server.RunID
	}
	if run, ok := master.Run(recorded.RunID); ok && run.ReplID == recorded.ReplID {
		r.seen = run.Offset
	}
	return r
}

func membersOf(g topology.Group, seen map[string]Health) []member {
	members := make([]member, 0, len(g.Servers))
	for _, server := range g.Servers {
		h := seen[server.Addr]
		h.Addr = server.Addr
		members = append(members, memberOf(h))
	}
	return members
}

// masters are those of the groups that have slots.
func masters(s *topology.State) []string {
	owns := map[int]bool{}
	for _, slot := range s.Slots {
		owns[slot.Group] = true
	}
	var list []string
	for id, g := range s.Groups {
		if owns[id] {
			list = append(list, g.Master)
		}
	}
	return list
}

// indexOf returns where a group has a server.
func indexOf(g topology.Group, addr string) int {
	for i, server := range g.Servers {
		if server.Addr == addr {
			return i
		}
	}
	return -1
}
