package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/migrate/failover"
	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// waitSetup bounds the wait for replicas while clients wait too.
const waitSetup = time.Second

// begin takes slots from serving to migrating. All that may take long is done
// before the hold, and the hold is released when anything in it fails.
func (r *run) begin(ctx context.Context, t task) error {
	s := r.c.store.State()
	from, err := r.c.openMaster(ctx, s, t.from)
	if err != nil {
		return err
	}
	defer from.close()
	to, err := r.c.openMaster(ctx, s, t.to)
	if err != nil {
		return err
	}
	defer to.close()
	r.observe(s, t.from, from.facts)
	job := s.Jobs[t.job]
	// The plan was made before anybody had looked how many keys a slot has.
	r.mu.Lock()
	t.moves = firstSlots(s.Pending(job), t.moves[0], batchSlots(s, r.perSlot[t.from]))
	r.mu.Unlock()
	if len(t.moves) == 0 {
		return errMovedOn
	}
	purge, err := r.prepare(ctx, s, t, to, job.Options.Consent)
	if err != nil {
		return err
	}
	// Nodes that are silent already lose their leases here, not while clients wait.
	limit, cancel := context.WithTimeout(ctx, barrierLimit(s))
	defer cancel()
	if _, err := r.c.store.Barrier(limit, s.Epoch); err != nil {
		return fmt.Errorf("wait for all nodes: %w", err)
	}
	h := hold{run: r, job: t.job, moves: t.moves, from: from, to: to, purge: purge,
		dbs: databases(r.c.cfg.Databases, from.facts, to.facts), needFrom: need(s, t.from, from.facts), needTo: need(s, t.to, to.facts)}
	return h.do(ctx)
}

// barrierLimit is enough for a barrier that has to wait for a node's lease to end.
func barrierLimit(s *topology.State) time.Duration {
	return 2*s.Settings.Duration("lease") + time.Second
}

// databases is where the keys of a move may be: where clients may write, and
// wherever there are keys.
func databases(count int, servers ...serverFacts) []int {
	all := map[int]bool{}
	for db := range count {
		all[db] = true
	}
	for _, f := range servers {
		for db := range f.keys {
			all[db] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// observe learns how many keys a slot of a group has.
func (r *run) observe(s *topology.State, group int, f serverFacts) {
	owned, keys := 0, int64(0)
	for _, slot := range s.Slots {
		if slot.Group == group {
			owned++
		}
	}
	for _, n := range f.keys {
		keys += n
	}
	r.mu.Lock()
	r.perSlot[group] = float64(keys) / float64(max(owned, 1))
	r.mu.Unlock()
}

// hold is the time during which nobody serves the slots of a batch.
type hold struct {
	run              *run
	job, epoch       uint64
	moves            []topology.SlotMove
	slots            []int
	from, to         *link
	needFrom, needTo int
	dbs              []int
	purge            leftovers
	// deadlines, by the servers' own clocks.
	deadlineFrom, deadlineTo int64
}

func (h *hold) do(ctx context.Context) (err error) {
	c := h.run.c
	h.slots = topology.Batch{Ranges: h.moves}.Slots()
	// The clocks are read first: a request that lands within the window lands
	// before another leader can have ended this batch, see cleanUp.
	if h.deadlineFrom, err = h.deadline(ctx, h.from); err != nil {
		return err
	}
	if h.deadlineTo, err = h.deadline(ctx, h.to); err != nil {
		return err
	}
	began := time.Now()
	if h.epoch, err = c.propose(ctx, topology.SlotsHold{Job: h.job, Moves: h.moves}); err != nil {
		return stale(err)
	}
	limit, cancel := context.WithTimeout(ctx, barrierLimit(c.store.State()))
	defer cancel()
	if err = h.finish(limit); err == nil {
		_, err = c.propose(ctx, topology.SlotsMigrate{Job: h.job, Epoch: h.epoch})
	}
	if err == nil {
		c.log.Info("slots migrate", "job", h.job, "epoch", h.epoch, "slots", len(h.slots),
			"from", h.from.group, "to", h.to.group, "held", time.Since(began).Round(time.Microsecond))
		return nil
	}
	if ctx.Err() == nil {
		if _, released := c.propose(ctx, topology.SlotsRelease{Job: h.job, Epoch: h.epoch}); released != nil {
			c.log.Warn("a hold could not be released yet", "job", h.job, "epoch", h.epoch, "error", released)
		}
	}
	return stale(err)
}

func (h *hold) deadline(ctx context.Context, l *link) (int64, error) {
	r, err := l.one(ctx, "TIME")
	if err != nil {
		return 0, err
	}
	if len(r.Array) != 2 {
		return 0, l.wrap(fmt.Errorf("TIME: %w", resp.ErrProtocol))
	}
	seconds, _ := strconv.ParseInt(r.Array[0].Text(), 10, 64)
	micros, _ := strconv.ParseInt(r.Array[1].Text(), 10, 64)
	return seconds*1000 + micros/1000 + h.run.c.cfg.SetupWindow.Milliseconds(), nil
}

// together runs all and returns the first error, after all have ended.
func (h *hold) together(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Not the context's cause: at a deadline that would not say who was late.
	var first error
	var once sync.Once
	var all sync.WaitGroup
	for _, part := range parts {
		all.Go(func() {
			if err := part(ctx); err != nil {
				once.Do(func() { first = err })
				cancel()
			}
		})
	}
	all.Wait()
	return first
}

// barrier waits until no node writes at the old group any more.
func (h *hold) barrier(ctx context.Context) error {
	silent, err := h.run.c.store.Barrier(ctx, h.epoch)
	if err != nil {
		return fmt.Errorf("wait for all nodes: %w", err)
	}
	// At the new group, too: a FLUSHALL may wait there, which would take the moved
	// sets away.
	return errors.Join(h.run.c.hangUp(ctx, h.from.group, silent), h.run.c.hangUp(ctx, h.to.group, silent))
}

// finish makes the slots ready to migrate.
func (h *hold) finish(ctx context.Context) error {
	// Database 0 always: whoever promotes a replica looks for moved sets there.
	known := databases(1, h.from.facts)
	for db := range h.purge.keys {
		if !slices.Contains(known, db) {
			known = append(known, db)
		}
	}
	mark := func(ctx context.Context) error { return h.mark(ctx, known) }
	if err := h.together(ctx, h.barrier, h.fence, mark); err != nil {
		return err
	}
	// Only now no node makes a key in a database that had none. Where there is
	// none, none will move, and no moved set is needed.
	facts, err := h.from.ask(ctx)
	if err != nil {
		return err
	}
	if facts.runID != h.from.facts.runID || !facts.master {
		return h.from.wrap(errors.New("the server has changed under way"))
	}
	var more []int
	for db := range facts.keys {
		if h.from.facts.keys[db] == 0 && !slices.Contains(h.dbs, db) {
			return h.from.wrap(fmt.Errorf("keys have come to database %d, which nodes do not use", db))
		}
		if !slices.Contains(known, db) {
			more = append(more, db) // also where the fence is the only key
		}
	}
	if err := h.mark(ctx, slices.DeleteFunc(more, func(db int) bool { return facts.keys[db] <= 1 })); err != nil {
		return err
	}
	return h.purgeLeftovers(ctx)
}

// fence sets X(epoch) in every database of the old group.
func (h *hold) fence(ctx context.Context) error {
	return h.setUp(ctx, h.from, h.dbs, h.needFrom, func(dst []byte) []byte {
		return fence.AppendSetFence(dst, h.epoch, h.deadlineFrom)
	})
}

// mark makes M(slot, epoch) in databases of the new group.
func (h *hold) mark(ctx context.Context, dbs []int) error {
	if len(dbs) == 0 {
		return nil
	}
	return h.setUp(ctx, h.to, dbs, h.needTo, func(dst []byte) []byte {
		return fence.AppendSetMarkers(dst, h.epoch, h.slots, h.deadlineTo)
	})
}

func (h *hold) setUp(ctx context.Context, l *link, dbs []int, replicas int, request func([]byte) []byte) error {
	for _, db := range dbs {
		l.request("SELECT", strconv.Itoa(db))
		l.out = request(l.out)
	}
	waits := l.wait(replicas, waitSetup)
	frames, err := l.do(ctx, 2*len(dbs)+waits)
	if err != nil {
		return err
	}
	for i, db := range dbs {
		if err := l.status(frames[2*i]); err != nil {
			// A server with fewer databases has no keys there. Its fences went to the
			// database before, which does no harm.
			if l.facts.keys[db] > 0 || !strings.Contains(err.Error(), "out of range") {
				return fmt.Errorf("select database %d: %w", db, err)
			}
		}
		if err := l.status(frames[2*i+1]); err != nil {
			return fmt.Errorf("set the fences: %w", err)
		}
	}
	if waits > 0 {
		return l.waited(frames[2*len(dbs)], replicas)
	}
	return nil
}

// purgeLeftovers deletes what the new group has of the slots: no client can reach
// it, and a person has agreed.
func (h *hold) purgeLeftovers(ctx context.Context) error {
	if len(h.purge.keys) == 0 {
		return nil
	}
	mine := map[int]bool{}
	for _, slot := range h.slots {
		mine[slot] = true
	}
	batch, parts := fence.NewBatch(h.epoch), 0
	for db, keys := range h.purge.keys {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k fence.Key) bool { return !mine[k.Slot] })
		for part := range slices.Chunk(keys, 256) {
			h.to.request("SELECT", strconv.Itoa(db))
			h.to.out = batch.AppendPurge(h.to.out, part, h.deadlineTo)
			parts++
		}
	}
	frames, err := h.to.do(ctx, 2*parts)
	if err != nil {
		return err
	}
	deleted := int64(0)
	for i := range parts {
		n, fenced, err := fence.ParseUnlink(frames[2*i+1])
		if err != nil || fenced {
			return h.to.wrap(fmt.Errorf("delete left-over keys: %q: %w", frames[2*i+1], err))
		}
		deleted += n
	}
	h.run.c.log.Info("left-over keys deleted at the target", "job", h.job, "group", h.to.group, "keys", deleted)
	if !h.purge.complete {
		return fmt.Errorf("%d left-over keys deleted at group %d, there are more", deleted, h.to.group)
	}
	return nil
}

// hangUp ends connections of nodes that have no lease any more, at a group's master.
func (c *Controller) hangUp(ctx context.Context, group int, silent []topology.Node) error {
	if len(silent) == 0 {
		return nil
	}
	ids := make([]string, len(silent))
	for i, node := range silent {
		ids[i] = node.ID
	}
	s := c.store.State()
	g, ok := s.Groups[group]
	if !ok {
		return fmt.Errorf("end connections of silent nodes: there is no group %d", group)
	}
	ended, err := failover.EndConnections(ctx, failover.TargetFor(s, group, g.Master), ids)
	if err != nil {
		return fmt.Errorf("group %d: %w", group, err)
	}
	c.log.Warn("connections of silent nodes ended", "group", group, "nodes", ids, "connections", ended)
	return nil
}
