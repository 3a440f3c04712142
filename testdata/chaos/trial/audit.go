package trial

import (
	"context"
	"slices"
	"strings"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

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
