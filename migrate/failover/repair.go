package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// order makes a server a replica of another one, and keeps it so over a restart.
func (r *run) order(ctx context.Context, c *resp.Client, master Target, epoch uint64) error {
	_ = setMasterAuth(ctx, c, master) // see Follow: where CONFIG is forbidden, its file may say it
	o := order{epoch: epoch, follow: &master, confirm: r.c.store.Confirm, faults: r.c.cfg.faults}
	err := o.run(ctx, c)
	if se := (*resp.ServerError)(nil); errors.As(err, &se) && (se.Code == "OOM" || se.Code == "EXECABORT") {
		// A full master takes no transaction. What it holds is to be replaced anyway.
		err = r.orderFull(ctx, c, o)
	}
	if err != nil {
		return err
	}
	_, _ = c.Do(ctx, "CONFIG", "REWRITE")
	return nil
}

// orderFull is for a server that is out of memory: its limit is lifted while the
// order is given.
func (r *run) orderFull(ctx context.Context, c *resp.Client, o order) error {
	limit, err := c.Do(ctx, "CONFIG", "GET", "maxmemory")
	if err != nil || len(limit.Array) != 2 {
		return fmt.Errorf("server %s is out of memory, and its limit can't be read: %w", c.Addr(), err)
	}
	if _, err := c.Do(ctx, "CONFIG", "SET", "maxmemory", "0"); err != nil {
		return explain(c.Addr(), err)
	}
	err = o.run(ctx, c)
	if _, back := c.Do(ctx, "CONFIG", "SET", "maxmemory", limit.Array[1].Text()); back != nil {
		r.c.log.Warn("maxmemory could not be set again", "server", c.Addr(), "value", limit.Array[1].Text(), "error", back)
	}
	return err
}

// open connects to the server of an action, if its group is still as it was when the
// action was decided, with the table as it is.
func (r *run) open(ctx context.Context, a action) (*topology.State, *resp.Client, error) {
	s := r.c.store.State()
	g, ok := s.Groups[a.group]
	if !ok || g.Epoch != a.epoch || g.Turn != nil {
		return nil, nil, errAgain
	}
	c, err := dial(ctx, TargetFor(s, g.ID, a.addr))
	return s, c, err
}

// makeFollow makes a server a replica of its group's master. One that was the master
// is asked first what it had: following wipes it.
func (r *run) makeFollow(ctx context.Context, a action) error {
	ctx, cancel := context.WithTimeout(ctx, 2*r.c.cfg.StepTimeout)
	defer cancel()
	s, c, err := r.open(ctx, a)
	if err != nil {
		return err
	}
	defer c.Close()
	g := s.Groups[a.group]
	now, err := ask(ctx, c, a.addr)
	if err != nil {
		return err
	}
	if a.fork != nil {
		if err := r.measure(ctx, g.ID, *a.fork, now); err != nil {
			return err
		}
	} else {
		r.noteOnce(ctx, a.lane(), fmt.Sprintf("server %s is made a replica of %s: %s", a.addr, g.Master, a.reason))
	}
	// The group's epoch is above that of every turn that was given up, which this
	// server may have obeyed all the same.
	if err := r.order(ctx, c, TargetFor(s, g.ID, g.Master), g.Epoch); err != nil {
		return err
	}
	r.c.log.Info("server made a replica", "group", g.ID, "server", a.addr, "master", g.Master, "reason", a.reason)
	r.c.cfg.Watcher.Look(a.addr)
	return nil
}

// measure tells what a replaced master had acknowledged and nobody else has.
func (r *run) measure(ctx context.Context, group int, f topology.Fork, now Facts) error {
	m := topology.ForkMeasured{Group: group, Epoch: f.Epoch, LostBytes: -1}
	least := ""
	if f.Seen > f.Offset {
		least = fmt.Sprintf("; it was seen at offset %d, so it is %d bytes at least", f.Seen, f.Seen-f.Offset)
	}
	switch {
	case now.ReplID == f.ReplID:
		m.LostBytes = max(0, now.Offset-f.Offset)
		m.Note = fmt.Sprintf("%s was at offset %d, the new master had %d", f.Addr, now.Offset, f.Offset)
	case now.ReplID2 == f.ReplID:
		// It was restarted: up to here it has found its data on its disk.
		m.LostBytes = max(0, now.Offset2-f.Offset)
		m.Note = fmt.Sprintf("%s has come back with what it had saved, up to offset %d, the new master had %d%s", f.Addr, now.Offset2, f.Offset, least)
	default:
		m.Note = fmt.Sprintf("%s has come back as another process, which does not know how far it was%s", f.Addr, least)
	}
	if _, err := r.c.propose(ctx, topology.Command{Body: m}); err != nil {
		return stale(err)
	}
	return nil
}

// putBackMaster makes the group's master a master again.
func (r *run) putBackMaster(ctx context.Context, a action) error {
	ctx, cancel := context.WithTimeout(ctx, 2*r.c.cfg.StepTimeout)
	defer cancel()
	s, c, err := r.open(ctx, a)
	if err != nil {
		return err
	}
	defer c.Close()
	g := s.Groups[a.group]
	if err := (order{epoch: g.Epoch, faults: r.c.cfg.faults}).run(ctx, c); err != nil {
		return err
	}
	_, _ = c.Do(ctx, "CONFIG", "REWRITE")
	r.noteOnce(ctx, a.lane(), fmt.Sprintf("server %s is the master again: %s", a.addr, a.reason))
	r.c.cfg.Watcher.Look(a.addr)
	return nil
}

// keepers are connections to masters that are looked after each second.
type keepers map[int]*resp.Client

func (k keepers) forget(gone func(group int) bool) {
	for id, c := range k {
		if gone(id) {
			c.Close()
			delete(k, id)
		}
	}
}

// keepKey sets the group's key at the master where it is gone: a FLUSHALL takes it
// along, and min-replicas-to-write may have refused it.
func (r *run) keepKey(ctx context.Context, a action) error {
	s := r.c.store.State()
	g, ok := s.Groups[a.group]
	if !ok || g.Epoch != a.epoch || g.Turn != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.cfg.StepTimeout)
	defer cancel()
	c, err := r.keeper(ctx, s, g)
	if err != nil {
		return err
	}
	if _, err = c.Do(ctx, "EVAL", setKey, "1", fence.GroupKey, strconv.FormatUint(g.Turned, 10)); err != nil {
		r.dropKeeper(g.ID)
		return fmt.Errorf("set the group's key: %w", explain(g.Master, err))
	}
	return nil
}

// keeper returns the connection to a group's master; keepKey runs once at a time for
// each group.
func (r *run) keeper(ctx context.Context, s *topology.State, g topology.Group) (*resp.Client, error) {
	r.mu.Lock()
	c := r.keys[g.ID]
	r.mu.Unlock()
	if c != nil && c.Addr() == g.Master {
		return c, nil
	}
	r.dropKeeper(g.ID)
	c, err := dial(ctx, TargetFor(s, g.ID, g.Master))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.keys[g.ID] = c
	r.mu.Unlock()
	return c, nil
}

func (r *run) dropKeeper(group int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.keys[group]; c != nil {
		c.Close()
		delete(r.keys, group)
	}
}
