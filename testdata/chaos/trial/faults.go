package trial

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"time"

	"codis/testdata/chaos/wire"
)

// runFaults carries out the plan of one lane. What it breaks is whole again when
// it returns, also when ctx ends in the middle.
func (t *trial) runFaults(ctx context.Context, plan []planned) {
	for _, p := range plan {
		pause(ctx, p.after)
		if ctx.Err() != nil {
			return
		}
		t.fault(ctx, p)
	}
}

func (t *trial) fault(ctx context.Context, p planned) {
	verb, what, _ := strings.Cut(p.kind, "-")
	switch verb {
	case "kill", "term", "stop":
		t.hurtRole(ctx, p, verb, what)
	case "lag":
		t.lag(ctx, p, what)
	case "pause", "cancel":
		t.meddle(ctx, p, verb)
	default:
		t.cut(ctx, p, verb, what)
	}
}

func (t *trial) hurtRole(ctx context.Context, p planned, verb, role string) {
	m := t.choose(ctx, role, p.pick)
	if m == nil || !m.busy.TryLock() {
		return // nobody leads, or the other lane has it
	}
	defer m.busy.Unlock()
	t.hurt(ctx, m, p, verb)
}

// lag holds a master's replicas back for a moment, and then the master fails: it has
// acknowledged what nobody else has.
func (t *trial) lag(ctx context.Context, p planned, verb string) {
	master := t.choose(ctx, "source", p.pick)
	for _, g := range t.site.groups {
		for _, m := range g.servers {
			if m != master {
				defer t.site.net.Apply(wire.Fault{Kind: wire.Freeze, From: m.name, To: master.name})()
			}
		}
	}
	pause(ctx, 4*p.delay)
	if verb == "cut" {
		t.apply(ctx, p, []wire.Fault{{Kind: wire.Freeze, To: master.name}})
		return
	}
	t.hurtRole(ctx, p, verb, "source")
}

// choose finds the process that a fault is for.
func (t *trial) choose(ctx context.Context, role string, pick uint64) *member {
	move := t.moves.any(pick)
	switch role {
	case "leader":
		return t.site.leader(ctx)
	case "node":
		return t.site.nodes[pick%uint64(len(t.site.nodes))]
	case "source":
		return t.site.master(ctx, move.from)
	case "target":
		return t.site.master(ctx, move.to)
	default:
		return t.site.replica(ctx, 1+int(pick%uint64(len(t.site.groups))), pick>>8)
	}
}

// hurt kills or stops a process and brings it back.
func (t *trial) hurt(ctx context.Context, m *member, p planned, verb string) {
	t.rec.event("%s: %s for %v", p.kind, m.name, p.last.Round(time.Millisecond))
	t.rec.count("fault " + p.kind)
	if verb == "stop" {
		pid := m.pid()
		_ = syscall.Kill(pid, syscall.SIGSTOP) // it is our child, and runs
		pause(ctx, p.last)
		_ = syscall.Kill(pid, syscall.SIGCONT)
		t.rec.event("%s: %s goes on", p.kind, m.name)
		return
	}
	if verb == "term" {
		ending, cancel := context.WithTimeout(context.Background(), adminTimeout)
		m.term(ending)
		cancel()
	} else {
		m.kill()
	}
	pause(ctx, p.last)
	if err := m.start(context.Background()); err != nil {
		t.rec.found(Wrong, nil, "%s does not come back after %s: %v", m.name, p.kind, err)
	}
	t.rec.event("%s: %s is back", p.kind, m.name)
}

// cut does something to links.
func (t *trial) cut(ctx context.Context, p planned, verb, what string) {
	node := t.site.nodes[p.pick%uint64(len(t.site.nodes))]
	group := 1 + int(p.pick>>8%uint64(len(t.site.groups)))
	if move := t.moves.any(p.pick >> 16); p.pick>>16%2 == 0 {
		group = move.from
	}
	master := t.site.master(ctx, group)
	kind := map[string]wire.Kind{"cut": wire.Freeze, "reset": wire.Reset, "delay": wire.Delay}[verb]
	if what == "replies" {
		kind = wire.FreezeReplies
	}
	var faults []wire.Fault
	switch what {
	case "peers": // one node, from all others and to all others
		if p.pick>>24%2 == 0 {
			if leader := t.site.leader(ctx); leader != nil {
				node = leader
			}
		}
		for _, other := range t.site.nodes {
			if other != node {
				faults = append(faults, wire.Fault{From: node.name, To: other.name}, wire.Fault{From: other.name, To: node.name})
			}
		}
	case "replication":
		faults = append(faults, wire.Fault{From: t.site.replica(ctx, group, p.pick>>24).name, To: master.name})
	default: // one node, or all, to one master, or all
		f := wire.Fault{From: node.name, To: master.name}
		switch p.pick >> 24 % 4 {
		case 0:
			f.From = ""
		case 1:
			for _, g := range t.site.groups {
				faults = append(faults, wire.Fault{From: node.name, To: t.site.master(ctx, g.id).name})
			}
		}
		if len(faults) == 0 {
			faults = append(faults, f)
		}
	}
	for i := range faults {
		faults[i].Kind, faults[i].Delay = kind, p.delay
	}
	t.apply(ctx, p, faults)
}

// apply lets links be faulty for the time of the plan.
func (t *trial) apply(ctx context.Context, p planned, faults []wire.Fault) {
	text := make([]string, len(faults))
	for i, f := range faults {
		text[i] = orAll(f.From) + "->" + orAll(f.To)
		t.watch.noteCut(t.site.server(f.To), endOfTime/2)
	}
	t.rec.event("%s: %s %s for %v", p.kind, faults[0].Kind, strings.Join(text, " "), p.last.Round(time.Millisecond))
	t.rec.count("fault " + p.kind)
	for _, f := range faults {
		defer t.watch.noteHealed(t.site.server(f.To), t.rec)
		defer t.site.net.Apply(f)()
	}
	pause(ctx, p.last)
	t.rec.event("%s: healed", p.kind)
}

func orAll(name string) string {
	if name == "" {
		return "all"
	}
	return name
}

// meddle pauses or cancels a job, as a person does.
func (t *trial) meddle(ctx context.Context, p planned, verb string) {
	job := strconv.FormatUint(t.moves.any(p.pick).job, 10)
	if _, err := t.site.askAny(ctx, "CODIS.JOB", job, strings.ToUpper(verb)); err != nil {
		return // it has ended
	}
	t.rec.event("%s: job %s", p.kind, job)
	t.rec.count("fault " + p.kind)
	if verb == "cancel" {
		return
	}
	pause(ctx, p.last)
	t.resume(job)
}

// resume goes on trying: a job that stays paused never ends.
func (t *trial) resume(job string) {
	for range 100 {
		_, err := t.site.askAny(context.Background(), "CODIS.JOB", job, "RESUME")
		if err == nil || refused(err) {
			t.rec.event("pause-job: job %s goes on", job)
			return
		}
		time.Sleep(200 * time.Millisecond) // no leader yet
	}
	t.rec.found(Wrong, nil, "job %s can't be resumed", job)
}
