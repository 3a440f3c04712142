package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/testdata/lab"
)

// settle waits until the cluster is at rest: no unfinished job, and every replica
// has what its master has.
func (t *trial) settle(ctx context.Context) {
	deadline := time.Now().Add(t.opt.JobPatience)
	why := ""
	for time.Now().Before(deadline) {
		if why = t.unsettled(ctx); why == "" {
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
	t.rec.found(Wrong, nil, "no rest %v after the last fault: %s", t.opt.JobPatience, why)
}

func (t *trial) unsettled(ctx context.Context) string {
	for _, n := range t.site.nodes {
		if reply, err := t.site.ask(ctx, n, "EXISTS", "x"); err != nil {
			return fmt.Sprintf("node %s: %v %s", n.name, err, reply.Text())
		}
	}
	jobs, err := t.site.askAny(ctx, "CODIS.JOBS")
	if err != nil {
		return "CODIS.JOBS: " + err.Error()
	}
	for _, row := range jobs.Array {
		f := fieldsOf(row)
		if !topology.JobState(f["state"]).Finished() {
			if f["state"] == string(topology.JobPaused) {
				t.resume(f["id"])
			}
			return fmt.Sprintf("job %s is %s: %s", f["id"], f["state"], f["reason"])
		}
	}
	for _, turn := range t.watch.turns(t.site) {
		if turn.lossy() && !turn.measured {
			return fmt.Sprintf("the history does not tell what was lost: %v", turn)
		}
	}
	return t.unsettledGroups(ctx)
}

// unsettledGroups: every replica must have what its master has; the stream goes on.
func (t *trial) unsettledGroups(ctx context.Context) string {
	seats, err := t.site.seats(ctx)
	if err != nil {
		return err.Error()
	}
	for _, g := range t.site.groups {
		master, err := t.replication(ctx, seats[g.id].master)
		if err != nil {
			return err.Error()
		}
		if seats[g.id].turning || master.replica {
			return fmt.Sprintf("group %d is without a master", g.id)
		}
		for _, m := range g.servers {
			if m == seats[g.id].master {
				continue
			}
			replica, err := t.replication(ctx, m)
			if err != nil {
				return err.Error()
			}
			if !replica.replica || !replica.linked || replica.offset < master.offset || replica.replID != master.replID {
				return fmt.Sprintf("%s has not all that its master %s has: %+v, %+v", m.name, seats[g.id].master.name, replica, master)
			}
		}
	}
	return ""
}

func (t *trial) replication(ctx context.Context, m *member) (s sample, err error) {
	info, err := t.site.ask(ctx, m, "INFO", "replication")
	if err == nil {
		s.read(resp.ParseInfo(info.Text()))
	}
	return s, err
}

// place is where a key was found.
type place struct {
	db  int
	key string
}

// audit looks at every key of every master: it must be at the group of its slot
// and nowhere else, be expected, and have the right value and time to live.
func (t *trial) audit(ctx context.Context) {
	t.rec.event("audit")
	owners, err := t.site.owners(ctx)
	if err != nil {
		t.rec.found(Wrong, nil, "audit: %v", err)
		return
	}
	found := map[place]int{}
	for _, g := range t.site.groups {
		for _, db := range databases {
			if err := t.auditGroup(ctx, g, db, owners, found); err != nil {
				t.rec.found(Wrong, nil, "audit of group %d, database %d: %v", g.id, db, err)
			}
		}
	}
	for _, db := range databases {
		if err := t.auditValues(ctx, db, owners, found); err != nil {
			t.rec.found(Wrong, nil, "audit of database %d: %v", db, err)
		}
	}
}

func (t *trial) dialMaster(ctx context.Context, g *group, db int) (*resp.Client, error) {
	return resp.Dial(ctx, resp.ClientOptions{Addr: t.site.master(ctx, g.id).addr, DB: db, Timeout: 30 * time.Second})
}

// auditGroup lists the keys of one master.
func (t *trial) auditGroup(ctx context.Context, g *group, db int, owners map[int]int, found map[place]int) error {
	c, err := t.dialMaster(ctx, g, db)
	if err != nil {
		return err
	}
	defer c.Close()
	seen := map[string]bool{}
	for cursor := "0"; ; {
		reply, err := c.Do(ctx, "SCAN", cursor, "COUNT", "1000")
		if err != nil {
			return err
		}
		for _, key := range reply.Array[1].Strings() {
			if seen[key] { // SCAN may tell a key twice
				continue
			}
			seen[key] = true
			if fence.IsReserved([]byte(key)) {
				t.reserved(ctx, c, g, db, key)
				continue
			}
			slot := topology.SlotOf([]byte(key))
			if other, twice := found[place{db, key}]; twice {
				t.rec.found(Wrong, nil, "%q in database %d is at groups %d and %d, slot %d belongs to %d", key, db, other, g.id, slot, owners[slot])
			} else if owners[slot] != g.id {
				t.rec.found(Wrong, nil, "%q in database %d is at group %d, slot %d belongs to %d", key, db, g.id, slot, owners[slot])
			}
			found[place{db, key}] = g.id
		}
		if cursor = reply.Array[0].Text(); cursor == "0" {
			return nil
		}
	}
}

// reserved judges a reserved key that is left. Those that expire by themselves
// may be left by a leader that was killed.
func (t *trial) reserved(ctx context.Context, c *resp.Client, g *group, db int, key string) {
	r, ok := fence.ParseKey([]byte(key))
	ttl, err := c.Do(ctx, "PTTL", key)
	if ok && err == nil && r.Kind.Expires() && ttl.Int != -1 {
		return
	}
	if ok && r.Kind == fence.KindGroup && db == 0 {
		return // it stays
	}
	t.rec.found(Wrong, nil, "reserved key %q is left at group %d, database %d", key, g.id, db)
}

// auditValues reads all keys at their owners and compares.
func (t *trial) auditValues(ctx context.Context, db int, owners map[int]int, found map[place]int) error {
	at := map[int]*resp.Client{}
	for _, g := range t.site.groups {
		c, err := t.dialMaster(ctx, g, db)
		if err != nil {
			return err
		}
		defer c.Close()
		at[g.id] = c
	}
	ask := func(key string, cmd ...string) (resp.Reply, error) {
		return at[owners[topology.SlotOf([]byte(key))]].Do(ctx, cmd...)
	}
	expected := map[string]bool{}
	for key, s := range t.load.statics[db] {
		expected[key] = true
		v, err := ask(key, "GET", key)
		if err != nil {
			return err
		}
		e, err := ask(key, "PEXPIRETIME", key)
		if err != nil {
			return err
		}
		if flat(v) != s.value {
			t.rec.found(Lost, nil, "%s in database %d is %q, want %q", key, db, flat(v), s.value)
		} else if max(e.Int, 0) != s.at {
			t.rec.found(Wrong, nil, "%s in database %d expires at %d, want %d", key, db, e.Int, s.at)
		}
	}
	for _, o := range t.load.objects[db] {
		for _, key := range o.keys() {
			expected[key] = true
		}
		r, err := ask(o.keys()[0], models[o.kind].read(o.keys())...)
		if err != nil {
			return err
		}
		now := t.rec.now()
		if got := flat(r); !o.see(sighting{got, now, now}) || !slices.Contains(o.last(), got) {
			o.suspect(o.judge(got), "%s {%s} in database %d is at the end %s, want %s", o.kind, o.tag, db, got, strings.Join(o.last(), " or "))
		}
	}
	for _, g := range t.load.allRegisters(db) {
		expected[g.key] = true
		call := t.rec.now()
		r, err := ask(g.key, "GET", g.key)
		if err != nil {
			return err
		}
		g.add(0, input{op: "get"}, output{null: r.IsNil(), text: r.Text()}, call, t.rec.now())
	}
	for _, f := range t.load.fleeting {
		expected[f.key] = true
		if f.db != db {
			continue
		}
		r, err := ask(f.key, "GET", f.key)
		if err != nil {
			return err
		}
		if !r.IsNil() && t.rec.now() > f.gone {
			t.rec.found(Resurrected, nil, "%s in database %d is there at the end, it expired at %s", f.key, db, stamp(f.gone))
		}
	}
	for p, g := range found {
		if p.db == db && !expected[p.key] {
			t.rec.found(Wrong, nil, "%q in database %d at group %d was never written", p.key, db, g)
		}
	}
	return nil
}

func (l *load) allRegisters(db int) []*register {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.registers[db])
	for _, g := range l.retired {
		if g.db == db {
			all = append(all, g)
		}
	}
	return all
}

// judge names an illegal history: when only reads of nothing or of a value that
// had been deleted are in the way, writes were lost or keys resurrected.
func (g *register) judge(info porcupine.LinearizationInfo) VerdictKind {
	best := 0
	for _, partial := range info.PartialLinearizationsOperations() {
		for _, p := range partial {
			best = max(best, len(p))
		}
	}
	ordered := slices.Clone(g.ops)
	slices.SortFunc(ordered, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	if best < len(ordered) {
		if out := ordered[best].Output.(output); !out.null && !out.unknown && ordered[best].Input.(input).op == "get" && deletedBefore(ordered[:best]) {
			return Resurrected
		}
	}
	return Lost
}

// deletedBefore says whether the last write that was answered is a deletion.
func deletedBefore(ops []porcupine.Operation) bool {
	for i := len(ops) - 1; i >= 0; i-- {
		switch ops[i].Input.(input).op {
		case "get":
		case "del", "drop":
			return true
		default:
			return false
		}
	}
	return false
}

// lines is the history of a register for people.
func (g *register) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	ordered := slices.Clone(g.ops)
	slices.SortFunc(ordered, func(a, b porcupine.Operation) int {
		if a.Call < b.Call {
			return -1
		}
		return 1
	})
	var lines []string
	for _, op := range ordered {
		end := "          ?"
		if op.Return != endOfTime {
			end = stamp(op.Return)
		}
		lines = append(lines, fmt.Sprintf("%s - %s  client %d  %s", stamp(op.Call), end, op.ClientId, describe(op.Input.(input), op.Output.(output))))
	}
	return lines
}

// Report is what a trial has found.
type Report struct {
	Findings []Finding
	// Moves are the jobs that ended, Faults what was done to the cluster, Switchovers
	// and Failovers the changes of masters that are done.
	Moves, Faults, Switchovers, Failovers int
	// Line is the figures on one line.
	Line string
	// Counts are further figures, by name.
	Counts map[string]int
	// Dir has the logs, if something was found.
	Dir string
}

func (t *trial) report(dir string) *Report {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	r := &Report{Findings: t.rec.findings, Counts: t.rec.counts, Dir: dir}
	kinds := map[VerdictKind]int{}
	for _, f := range r.Findings {
		kinds[f.Kind]++
	}
	for name, n := range t.rec.counts {
		switch {
		case name == "job done" || name == "job cancelled":
			r.Moves += n
		case strings.HasPrefix(name, "fault "):
			r.Faults += n
		}
	}
	for _, turn := range t.turns {
		switch {
		case turn.abandoned || turn.end == 0:
		case turn.kind == topology.TurnSwitchover:
			r.Switchovers++
		default:
			r.Failovers++
			t.load.waits.during("failover", turn.begin, turn.end)
		}
	}
	bytes, unknown := t.reported()
	r.Line = fmt.Sprintf("operations=%d moves=%d switchovers=%d failovers=%d faults=%d lost=%d explained=%d reported=%dB (not known of %d failovers) resurrected=%d violations=%d",
		t.load.ops.Load(), r.Moves, r.Switchovers, r.Failovers, r.Faults, kinds[Lost], t.losses.explained, bytes, unknown, kinds[Resurrected], kinds[Wrong])
	for _, what := range []string{"move", "switchover", "failover"} {
		s := t.load.waits.stall(what, 0.5, 0.99, 1)
		r.Line += fmt.Sprintf("; %s stall p50=%v p99=%v max=%v", what, s[0], s[1], s[2])
	}
	if len(t.pauses) > 0 {
		r.Line += fmt.Sprintf("; switchover pause p50=%v p99=%v max=%v",
			time.Duration(lab.Percentile(t.pauses, 0.5)), time.Duration(lab.Percentile(t.pauses, 0.99)), time.Duration(lab.Percentile(t.pauses, 1)))
	}
	_ = os.WriteFile(filepath.Join(dir, "events.log"), []byte(strings.Join(t.rec.events, "\n")+"\n"), 0o600) // for people only
	return r
}
