package failover

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// run is one term of leadership.
type run struct {
	c       *Controller
	workers sync.WaitGroup
	nudge   chan struct{} // a worker has ended

	mu sync.Mutex // guards what follows
	// busy are the lanes in which something is under way.
	busy  map[lane]bool
	retry map[lane]retry
	// since is when each group was first seen to be of its present epoch: what was
	// observed before is of another time.
	since map[int]sighting
	// results are what became of turns, by epoch, for who waits for them.
	results map[uint64]Result
	// failed is why the last turn of a group, or its beginning, came to nothing.
	failed map[int]string
	// noted is when a line about something was last written into the history.
	noted map[string]time.Time
	keys  keepers
}

// lane is what is done one at a time: a group's turn, or the care for one server.
type lane struct {
	group int
	addr  string
}

type sighting struct {
	epoch uint64
	at    time.Time
}

// retry says when a lane may be used again.
type retry struct {
	at   time.Time
	wait time.Duration
}

func newRun(c *Controller) *run {
	return &run{
		c: c, nudge: make(chan struct{}, 1), busy: map[lane]bool{}, retry: map[lane]retry{}, since: map[int]sighting{},
		results: map[uint64]Result{}, noted: map[string]time.Time{}, failed: map[int]string{}, keys: keepers{},
	}
}

// start begins what there is to do and is not being done.
func (r *run) start(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	s := r.c.store.State()
	o := sight{seen: r.c.cfg.Watcher.Snapshot(), poll: r.c.cfg.Poll(), now: time.Now(), faults: r.c.cfg.faults}
	var alarms []Alarm
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.Groups)) {
		g := s.Groups[id]
		if r.since[id].epoch != g.Epoch {
			r.since[id] = sighting{g.Epoch, o.now}
		}
		o.since = r.since[id].at
		actions, found := decide(s, g, o)
		for _, a := range actions {
			if text := r.failed[id]; text != "" && a.lane() == (lane{group: id}) {
				found = append(found, Alarm{Group: id, Code: "failover-failed", Text: text})
			}
			r.startLocked(ctx, a)
		}
		for _, alarm := range found {
			r.startLocked(ctx, action{step: stepNote, group: id, addr: alarm.Code, reason: alarm.Text})
		}
		alarms = append(alarms, found...)
	}
	r.forgetLocked(s)
	r.c.mu.Lock()
	r.c.alarms = alarms
	r.c.mu.Unlock()
}

func (r *run) startLocked(ctx context.Context, a action) {
	l := a.lane()
	if r.busy[l] || time.Now().Before(r.retry[l].at) {
		return
	}
	r.busy[l] = true
	r.workers.Go(func() { r.work(ctx, a) })
}

// forgetLocked drops what belongs to groups that are gone.
func (r *run) forgetLocked(s *topology.State) {
	gone := func(id int) bool { _, ok := s.Groups[id]; return !ok }
	maps.DeleteFunc(r.since, func(id int, _ sighting) bool { return gone(id) })
	maps.DeleteFunc(r.retry, func(l lane, _ retry) bool { return gone(l.group) })
	r.keys.forget(func(id int) bool { return gone(id) })
}

// errAgain is returned by work that has come to nothing because something was
// different from what it looked like: it is looked at again at once.
var errAgain = errors.New("look again")

// work does one action and keeps in mind when its lane may be used again.
func (r *run) work(ctx context.Context, a action) {
	err := r.do(ctx, a)
	r.mu.Lock()
	l := a.lane()
	delete(r.busy, l)
	if l == (lane{group: a.group}) {
		delete(r.failed, a.group)
		if err != nil && !errors.Is(err, errAgain) {
			r.failed[a.group] = err.Error()
		}
	}
	switch {
	case err == nil:
		r.retry[l] = retry{at: time.Now().Add(a.pause(r.c.cfg))}
	case errors.Is(err, errAgain) || ctx.Err() != nil:
		r.retry[l] = retry{at: time.Now().Add(r.c.cfg.Tick / 4), wait: r.retry[l].wait}
	default:
		wait := min(max(2*r.retry[l].wait, r.c.cfg.Backoff), r.c.cfg.MaxBackoff)
		r.retry[l] = retry{at: time.Now().Add(wait), wait: wait}
	}
	r.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		r.c.log.Warn("a step for a group failed and will be tried again", "group", a.group, "step", a.step.String(), "server", a.addr, "error", err)
	}
	notify(r.nudge)
}

func (r *run) do(ctx context.Context, a action) error {
	switch a.step {
	case stepTurn:
		return r.turn(ctx, a.group)
	case stepBegin:
		return r.begin(ctx, a)
	case stepRecord:
		_, err := r.c.propose(ctx, topology.Command{ExpectGroupEpoch: a.epoch, Body: topology.ServerUpdate{Group: a.group, Server: a.server}})
		return stale(err)
	case stepMaster:
		return r.putBackMaster(ctx, a)
	case stepFollow:
		return r.makeFollow(ctx, a)
	case stepNote:
		r.noteOnce(ctx, lane{group: a.group, addr: a.addr}, a.reason)
		return nil
	case stepForget:
		_, err := r.c.propose(ctx, topology.Command{Body: topology.ForkMeasured{Group: a.group, Epoch: a.fork.Epoch, LostBytes: -1, Note: a.reason}})
		return stale(err)
	}
	return r.keepKey(ctx, a)
}

// stale makes errAgain of a refusal that says that the state is another.
func stale(err error) error {
	if errors.Is(err, &topology.Error{Code: topology.CodeStale}) || errors.Is(err, &topology.Error{Code: topology.CodeBusy}) {
		return errors.Join(errAgain, err)
	}
	return err
}

// noteOnce writes a line of the history about a server, or a kind of alarm, unless the
// same was written of late. Numbers that go on changing make no new line.
func (r *run) noteOnce(ctx context.Context, about lane, text string) {
	key := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' {
			return -1
		}
		return c
	}, text) + " " + strconv.Itoa(about.group) + " " + about.addr
	r.mu.Lock()
	last, ok := r.noted[key]
	fresh := ok && time.Since(last) < 10*time.Minute
	if !fresh {
		if len(r.noted) > 1000 {
			clear(r.noted)
		}
		r.noted[key] = time.Now()
	}
	r.mu.Unlock()
	if !fresh {
		r.c.note(ctx, about.group, text)
	}
}
