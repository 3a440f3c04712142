package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// move copies keys until a whole pass has met none, and says so.
func (r *run) move(ctx context.Context, t task) error {
	s := r.c.store.State()
	b, _ := s.Jobs[t.job].Batch(t.epoch)
	forced := b.Forced
	masters := [2]string{s.Groups[t.from].Master, s.Groups[t.to].Master}
	ctx, stop := r.while(ctx, func(s *topology.State) bool {
		j := s.Jobs[t.job]
		b, ok := j.Batch(t.epoch)
		return ok && b.Phase == topology.BatchMigrating && (b.Forced == 0 || b.Forced == forced) && j.State != topology.JobPaused && !toReverse(s, j, b) &&
			!turning(s, t.from, t.to) && masters == [2]string{s.Groups[t.from].Master, s.Groups[t.to].Master}
	})
	defer stop()
	if forced != 0 {
		if err := r.force(ctx, s, t, b); err != nil {
			return err
		}
	}
	m, err := r.newMover(ctx, s, t)
	if err != nil {
		return err
	}
	defer m.close()
	err = m.untilEmpty(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.moved[t.epoch] = true
	delete(r.inBatch, t.epoch)
	r.mu.Unlock()
	_, err = r.c.propose(ctx, topology.SlotsDone{Job: t.job, Epoch: t.epoch})
	return stale(err)
}

// mover copies the keys of one batch of slots. Its stages have a connection each:
//
//	scan at G1 -> gate at G1 -> restore and WAIT at G2 -> WAITAOF at G2 -> unlink at G1
type mover struct {
	run   *run
	task  task
	tally *tally
	slots [topology.SlotCount]bool
	list  []int

	scan     *link        // to the old group's master
	unlinks  [2]*link     // too
	gates    [2]*link     // too: it works on one flight while the other is on its way
	restores [lanes]*link // to the new one's
	disks    *link        // too
	pings    [2]*link
	idle     [2]time.Duration
	brakes   [2]brake
	counters [2]counter
	pace     *pace
	disk     atomic.Bool // the new group's master is asked to wait for its disk
	big      *bigKeys

	db         int  // that a pass is at
	persistent bool // no key of the database has an expiry

	// spare is memory for values on their way.
	spare chan []byte

	met     int64   // keys of the slots that the pass has met
	refused refused // of them, by the new group
}

func (r *run) newMover(ctx context.Context, s *topology.State, t task) (_ *mover, err error) {
	m := &mover{run: r, task: t, tally: r.c.tallyOf(t.job), list: topology.Batch{Ranges: t.moves}.Slots(),
		spare: make(chan []byte, 4*lanes*depth)}
	m.pace = newPace()
	m.big = newBigKeys(m)
	for _, slot := range m.list {
		m.slots[slot] = true
	}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	source := []**link{&m.scan, &m.gates[0], &m.gates[1], &m.unlinks[0], &m.unlinks[1], &m.pings[0], &m.big.from}
	target := []**link{&m.pings[1], &m.big.to, &m.disks}
	for i := range m.restores {
		target = append(target, &m.restores[i])
	}
	for group, links := range map[int][]**link{t.from: source, t.to: target} {
		for _, l := range links {
			if *l, err = r.c.openMaster(ctx, s, group); err != nil {
				return nil, err
			}
			if err := m.same((*links[0]).facts, (*l).facts); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range m.gates {
		l.borrow = m.borrow
	}
	disk, err := waitsForDisk(ctx, m.disks)
	if err != nil {
		return nil, err
	}
	m.disk.Store(disk)
	for i := range m.pings {
		if m.idle[i], err = idle(ctx, m.pings[i]); err != nil {
			return nil, err
		}
	}
	return m, m.lookFirst(ctx)
}

// same refuses to work with two servers at one address: a cursor is one server's.
func (m *mover) same(facts ...serverFacts) error {
	for _, f := range facts {
		if f.runID != facts[0].runID || f.replID != facts[0].replID || !f.master {
			return fmt.Errorf("group %d: the server has changed under way", m.task.from)
		}
	}
	return nil
}

// links are the connections that work in a database.
func (m *mover) links() []*link {
	return append([]*link{m.scan, m.gates[0], m.gates[1], m.unlinks[0], m.unlinks[1]}, m.restores[:]...)
}

func (m *mover) close() {
	for _, l := range append(m.links(), m.pings[0], m.pings[1], m.disks, m.big.from, m.big.to) {
		if l != nil {
			l.close()
		}
	}
}

// untilEmpty makes passes until one has met nothing, and watches both masters.
func (m *mover) untilEmpty(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watches sync.WaitGroup
	for i := range m.pings {
		watches.Go(func() {
			if err := m.watch(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	watches.Go(func() {
		if err := m.big.work(ctx); err != nil {
			cancel(err)
		}
	})
	err := m.passes(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	watches.Wait()
	return err
}

func (m *mover) passes(ctx context.Context) error {
	if b, _ := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch); b.Was != 0 {
		if err := m.bringBack(ctx); err != nil {
			return err
		}
	}
	for {
		first, err := m.scan.ask(ctx)
		if err != nil {
			return err
		}
		m.run.observeBatch(m, first)
		if err := m.checkMoved(ctx, first); err != nil {
			return err
		}
		m.met = 0
		for _, db := range slices.Sorted(maps.Keys(first.keys)) {
			// Nobody writes the slots' keys here any more: none gets an expiry.
			m.persistent = !first.volatile[db]
			if err := m.database(ctx, db); err != nil {
				return err
			}
		}
		if err := m.big.wait(ctx); err != nil {
			return err
		}
		last, err := m.scan.ask(ctx)
		if err != nil {
			return err
		}
		if err := m.same(m.scan.facts, first, last); err != nil {
			return err
		}
		if n, text := m.refused.take(); n > 0 {
			return fmt.Errorf("group %d refuses %d keys: %s", m.task.to, n, text)
		}
		m.say("")
		if m.met == 0 {
			return m.settle(ctx)
		}
	}
}

// say shows why the batch does not get on; an empty reason, that it does.
func (m *mover) say(reason string) { m.tally.say(m.task.taskKey, reason) }

// checkMoved refuses to go on without some of the moved sets: a replica may have
// become the master that never had them. They must not be made again: what they
// knew kept deleted keys from coming back. A database that had no keys has none of
// them, but for database 0; where all are lost, the restore script says so. A fence
// that is gone is set again.
func (m *mover) checkMoved(ctx context.Context, source serverFacts) error {
	if m.run.c.cfg.mutant == mutantRemakeSets {
		m.restores[0].out = fence.AppendSetMarkers(m.restores[0].out, m.task.epoch, m.list, math.MaxInt64)
		if _, err := m.restores[0].do(ctx, 1); err != nil {
			return err
		}
	}
	b, _ := m.run.c.store.State().Jobs[m.task.job].Batch(m.task.epoch)
	dbs := slices.Sorted(maps.Keys(source.keys))
	sets := func(l *link, dbs []int, atLeast int) error {
		n, err := checkSets(ctx, l, dbs, m.task.epoch, m.list)
		if errors.Is(err, errLost) || err == nil && n < atLeast {
			return l.wrap(lost(m.task.job))
		}
		return err
	}
	if b.Was != 0 { // what is at the group that the slots leave tells as much
		if err := sets(m.scan, dbs, 0); err != nil {
			return err
		}
	} else if err := sets(m.restores[0], []int{0}, 1); err != nil {
		return err
	}
	if err := sets(m.restores[0], dbs, 0); err != nil {
		return err
	}
	batch := fence.NewBatch(m.task.epoch)
	for _, db := range databases(1, source) {
		if _, err := m.scan.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
			return err
		}
		m.scan.out = batch.AppendFence(m.scan.out)
		frames, err := m.scan.do(ctx, 1)
		if err != nil {
			return err
		}
		set, err := batch.ParseFence(frames[0])
		switch {
		case err != nil:
			return m.scan.wrap(err)
		case set:
		case b.Was != 0 || !m.migrates():
			return m.scan.wrap(m.fenceGone())
		default:
			return m.setFences(ctx)
		}
	}
	return nil
}

// checkSets returns how many of the databases have all moved sets; the others have
// none, or they are lost.
func checkSets(ctx context.Context, l *link, dbs []int, epoch uint64, slots []int) (count int, err error) {
	for _, db := range dbs {
		l.request("SELECT", strconv.Itoa(db))
		l.out = fence.AppendCountMoved(l.out, epoch, slots)
	}
	frames, err := l.do(ctx, 2*len(dbs))
	if err != nil {
		return 0, err
	}
	for i, db := range dbs {
		if err := l.status(frames[2*i]); err != nil {
			return 0, fmt.Errorf("select database %d: %w", db, err)
		}
		switch string(frames[2*i+1]) {
		case ":" + strconv.Itoa(len(slots)) + "\r\n":
			count++
		case ":0\r\n":
		default:
			return 0, l.wrap(errLost)
		}
	}
	return count, nil
}

// settle makes sure that the old group's replicas have deleted what its master
// has: one that is promoted later must not hold keys of slots that are elsewhere.
func (m *mover) settle(ctx context.Context) error { return m.replicas(ctx, m.scan) }

const (
	// waitRound is how long one WAIT of the mover takes at most, waitRounds how
	// many there are before the pass is given up.
	waitRound  = 500 * time.Millisecond
	waitRounds = 20
)

// replicas waits until the replicas of a link's group have what its master has
// written, whoever asked for it: there is a write of its own before each WAIT. While they have not, the reason is shown and nothing goes on behind it.
func (m *mover) replicas(ctx context.Context, l *link) (err error) {
	for round := 0; ; round++ {
		n := need(m.run.c.store.State(), l.group, l.facts)
		if n <= 0 || m.run.c.cfg.mutant == mutantNoWait {
			return nil
		}
		l.out = fence.AppendWaitWrite(l.out, m.task.epoch)
		asked := l
		if m.run.c.cfg.mutant == mutantWaitElsewhere {
			if asked, err = m.elsewhere(ctx, l); err != nil {
				return err
			}
			defer asked.close()
		}
		asked.wait(n, waitRound)
		frames, err := asked.do(ctx, 2)
		if err != nil {
			return err
		}
		err = l.waited(frames[1], n)
		if err == nil || !errors.Is(err, errReplicas) {
			if round > 0 {
				m.say("")
			}
			return err
		}
		m.say(err.Error() + "; nothing is deleted until they have")
		if round >= waitRounds {
			return err
		}
	}
}

// brake waits as long as the slower master asks for.
func (m *mover) brake(ctx context.Context) error {
	if m.brakes[0].pause.Load() > m.brakes[1].pause.Load() {
		return m.brakes[0].wait(ctx)
	}
	return m.brakes[1].wait(ctx)
}

// observeBatch learns how many keys the batch and the slots of its group have.
func (r *run) observeBatch(m *mover, f serverFacts) {
	r.observe(r.c.store.State(), m.task.from, f)
	r.mu.Lock()
	r.inBatch[m.task.epoch] = r.perSlot[m.task.from] * float64(len(m.list))
	r.mu.Unlock()
}
