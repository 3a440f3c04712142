package migrate

import (
	"context"
	"maps"
	"sync"
	"time"

	"codis/raftstore/topology"
)

// tally is what the leader knows of a job's progress beyond what is replicated.
type tally struct {
	mu sync.Mutex
	// keys and bytes moved, with what earlier leaders reported.
	keys, bytes int64
	// At the last look: when it was, keys then, and the rate that followed.
	at     time.Time
	was    int64
	rate   float64
	left   float64 // about how many keys are to be moved
	reason map[taskKey]string
	limit  limiter
	total  *moved // of all jobs
}

func (c *Controller) tallyOf(job uint64) *tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally[job]
	if t == nil {
		t = &tally{reason: map[taskKey]string{}, total: &c.moved}
		if j, ok := c.store.State().Jobs[job]; ok {
			t.keys, t.bytes, t.was = j.Progress.Keys, j.Progress.Bytes, j.Progress.Keys
		}
		c.tally[job] = t
	}
	return t
}

// add counts keys that have moved.
func (t *tally) add(keys int, bytes int64) {
	t.total.keys.Add(int64(keys))
	t.total.bytes.Add(bytes)
	t.mu.Lock()
	t.keys += int64(keys)
	t.bytes += bytes
	t.mu.Unlock()
}

// say keeps why a task does not get on; empty when it does.
func (t *tally) say(key taskKey, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if reason == "" {
		delete(t.reason, key)
		return
	}
	t.reason[key] = reason
}

// forgetReasons drops the reasons of tasks that neither run nor should.
func (c *Controller) forgetReasons(planned []task, active map[taskKey]bool) {
	keep := maps.Clone(active)
	for _, t := range planned {
		keep[t.taskKey] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tally {
		t.mu.Lock()
		maps.DeleteFunc(t.reason, func(key taskKey, _ string) bool { return !keep[key] })
		t.mu.Unlock()
	}
}

// why is one of the reasons: that of the lowest epoch.
func (t *tally) why() string { return t.whyBut(taskKey{}) }

// whyBut leaves out what a task has said.
func (t *tally) whyBut(but taskKey) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, text := taskKey{}, ""
	for key, reason := range t.reason {
		if key == but {
			continue
		}
		if text == "" || key.epoch < best.epoch || key.epoch == best.epoch && reason < text {
			best, text = key, reason
		}
	}
	return text
}

// look takes the rate since the last look, smoothed over some seconds.
func (t *tally) look(now time.Time, left float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = left
	if t.at.IsZero() {
		t.at, t.was = now, t.keys
		return
	}
	passed := now.Sub(t.at).Seconds()
	if passed < 0.2 {
		return
	}
	rate := float64(t.keys-t.was) / passed
	if t.rate == 0 {
		t.rate = rate
	} else {
		weight := min(passed/5, 1)
		t.rate += weight * (rate - t.rate)
	}
	t.at, t.was = now, t.keys
}

// Live is a job's progress as of now; ok is false when this node does not work on
// it. Its SlotsTotal and SlotsDone are the replicated ones.
func (c *Controller) Live(job uint64) (topology.JobProgress, bool) {
	j, ok := c.store.State().Jobs[job]
	c.mu.Lock()
	t := c.tally[job]
	c.mu.Unlock()
	if !ok || t == nil || j.State.Finished() {
		return topology.JobProgress{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := j.Progress
	p.Keys, p.Bytes, p.At = max(t.keys, p.Keys), max(t.bytes, p.Bytes), time.Now().UnixMilli()
	p.KeysPerSecond, p.ETA = float64(int64(t.rate*10))/10, -1
	if t.rate > 0 {
		p.ETA = int64(t.left/t.rate) + 1
	}
	return p, true
}

// reported is what the state was last told of a job.
type reported struct {
	at     time.Time
	keys   int64
	reason string
}

// report puts progress and reasons into the replicated state, now and then.
func (r *run) report(ctx context.Context) {
	last := map[uint64]reported{}
	for sleep(ctx, r.c.cfg.ReportEvery/4) == nil {
		s := r.c.store.State()
		for id, j := range s.Jobs {
			if j.State.Finished() {
				delete(last, id)
				continue
			}
			t := r.c.tallyOf(id)
			t.look(time.Now(), r.keysLeft(s, j))
			p, ok := r.c.Live(id)
			was, why := last[id], t.why()
			if !ok || p.Keys == was.keys && why == j.Reason || why == was.reason && time.Since(was.at) < r.c.cfg.ReportEvery {
				continue
			}
			p.SlotsTotal, p.SlotsDone = 0, 0
			if _, err := r.c.propose(ctx, topology.JobReport{ID: id, Progress: p, Reason: why}); err == nil {
				last[id] = reported{at: time.Now(), keys: p.Keys, reason: why}
			}
		}
	}
}

// keysLeft is about how many keys a job has still to move.
func (r *run) keysLeft(s *topology.State, j topology.Job) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := 0.0
	for _, m := range s.Pending(j) {
		left += float64(m.Len()) * r.perSlot[m.From]
	}
	for _, b := range j.Batches {
		if b.Phase != topology.BatchCleaning {
			left += r.inBatch[b.Epoch]
		}
	}
	return left
}
