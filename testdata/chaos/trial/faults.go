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
		m := t.choose(ctx, what, p.pick)
		if m == nil || !m.busy.TryLock() {
			return // nobody leads, or the other lane has it
		}
		defer m.busy.Unlock()
		t.hurt(ctx, m, p, verb)
	case "pause", "cancel":
		t.meddle(ctx, p, verb)
	default:
		t.cut(ctx, p, verb, what)
	}
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
		return t.site.groups[move.from-1].master
	case "target":
		return t.site.groups[move.to-1].master
	default:
		return t.site.groups[pick%uint64(len(t.site.groups))].replica
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
	group := t.site.groups[p.pick>>8%uint64(len(t.site.groups))]
	if move := t.moves.any(p.pick >> 16); p.pick>>16%2 == 0 {
		group = t.site.groups[move.from-1]
	}
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
		faults = append(faults, wire.Fault{From: group.replica.name, To: group.master.name})
	default: // one node, or all, to one master, or all
		f := wire.Fault{From: node.name, To: group.master.name}
		switch p.pick >> 24 % 4 {
		case 0:
			f.From = ""
		case 1:
			for _, g := range t.site.groups {
				faults = append(faults, wire.Fault{From: node.name, To: g.master.name})
			}
		}
		if len(faults) == 0 {
			faults = append(faults, f)
		}
	}
	text := make([]string, len(faults))
	for i := range faults {
		faults[i].Kind, faults[i].Delay = kind, p.delay
		text[i] = orAll(faults[i].From) + "->" + orAll(faults[i].To)
	}
	t.rec.event("%s: %s %s for %v", p.kind, kind, strings.Join(text, " "), p.last.Round(time.Millisecond))
	t.rec.count("fault " + p.kind)
	for _, f := range faults {
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
