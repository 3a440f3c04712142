package trial

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// move is one job that the trial has asked for.
type move struct {
	job      uint64
	from, to int // groups; from is that of the first slot
}

// moves are the last job of each mover.
type moves struct {
	mu      sync.Mutex
	current []move
}

func (m *moves) set(mover int, to move) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current[mover] = to
}

func (m *moves) any(pick uint64) move {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current[pick%uint64(len(m.current))]
}

// movers is how many move at a time, each in slots of its own.
const movers = 2

// refused says whether an error is the cluster's last word, and not that it can't
// tell at the moment.
func refused(err error) bool {
	var e *resp.ServerError
	if !errors.As(err, &e) {
		return false
	}
	switch topology.Code(e.Code) {
	case topology.CodeBadArg, topology.CodeBusy, topology.CodeExists, topology.CodeStale, topology.CodeNoGroup:
		return true
	}
	return e.Code == "NOJOB" || e.Code == "DONE"
}

// runMoves moves ranges of slots to and fro until ctx ends, then waits for the end
// of the last job. With FORCE jobs are made also while a server is away; they wait.
func (t *trial) runMoves(ctx context.Context, mover int) {
	r := rand.New(rand.NewPCG(t.opt.Seed, uint64(2000+mover)))
	width := topology.SlotCount / movers
	for ctx.Err() == nil {
		within := width
		if r.IntN(4) > 0 {
			within = arena
		}
		length := 1 + r.IntN(min(t.opt.Slots, within-1))
		start := mover*width + r.IntN(within-length+1)
		to := 1 + r.IntN(t.opt.Groups)
		owners, err := t.site.owners(ctx)
		if err != nil || owners[start] == to {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		reply, err := t.site.askAny(ctx, "CODIS.MIGRATE", strconv.Itoa(start), strconv.Itoa(start+length-1), strconv.Itoa(to), "FORCE")
		if err != nil || reply.Kind != resp.KindInteger {
			t.rec.count("moves refused: " + codeOf(err))
			pause(ctx, 100*time.Millisecond)
			continue
		}
		m := move{job: uint64(reply.Int), from: owners[start], to: to}
		t.moves.set(mover, m)
		t.rec.event("job %d: slots %d-%d to group %d", m.job, start, start+length-1, to)
		begin := t.rec.now()
		t.follow(m.job)
		t.load.waits.during("move", begin, t.rec.now())
	}
}

func codeOf(err error) string {
	var e *resp.ServerError
	if errors.As(err, &e) {
		return e.Text
	}
	return "no answer"
}

// follow waits until a job has ended, for so long as faults last and some more.
func (t *trial) follow(job uint64) {
	id := strconv.FormatUint(job, 10)
	last := "nobody knows"
	begin := time.Now()
	for time.Since(begin) < t.opt.JobPatience {
		reply, err := t.site.askAny(context.Background(), "CODIS.JOB", id, "WAIT", "2")
		if err != nil {
			time.Sleep(100 * time.Millisecond) // every node is busy with other things
			continue
		}
		fields := fieldsOf(reply)
		state := topology.JobState(fields["state"])
		if last = fields["state"] + ": " + fields["reason"]; state.Finished() {
			t.rec.event("job %s: %s %s", id, last, time.Since(begin).Round(time.Millisecond))
			t.rec.count("job " + fields["state"])
			if state == topology.JobFailed {
				t.rec.found(Wrong, nil, "job %s failed: %s", id, last)
			}
			return
		}
	}
	t.rec.found(Wrong, nil, "job %s has not ended in %v: %s", id, t.opt.JobPatience, last)
}
