package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/testdata/lab"
)

// deed is a write to an object that was answered, or may have been done.
type deed struct {
	cmd        []string
	reply      string
	begin, end int64
	unknown    bool // only the last one
}

// sighting is what a reader saw of an object.
type sighting struct {
	digest     string
	begin, end int64
}

// judge finds out whether failovers explain what was seen of an object: it does the
// object's writes once more, at a server of its own, and takes the last ones before a
// failover back, as few as will do.
type judge struct {
	conn *resp.Client
	o    *object
}

// maxReplays bounds the ways that are tried for one object.
const maxReplays = 3000

// cut is a failover in an object's course: behind how many deeds it came, and how many
// of these it took back.
type cut struct {
	turn       turn
	at, undone int
}

// explain returns the way on which the fewest acknowledged writes were lost.
func (j judge) explain(ctx context.Context, turns []turn) (w way, ok bool, err error) {
	for tried, w := range j.ways(turns) {
		if tried > maxReplays {
			return way{}, false, fmt.Errorf("more than %d ways", maxReplays)
		}
		if ok, err := j.try(ctx, w); ok || err != nil {
			return w, ok, err
		}
	}
	return way{}, false, nil
}

// lost counts the acknowledged deeds that it took back.
func (c cut) lost(deeds []deed) int {
	n := 0
	for _, d := range deeds[c.at-c.undone : c.at] {
		if !d.unknown {
			n++
		}
	}
	return n
}

// way is a course that the object's writes may have taken.
type way struct {
	deeds []deed
	cuts  []cut
	lost  int
}

// ways are all that there are, those that lose least first.
func (j judge) ways(turns []turn) []way {
	all := ways(j.o.deeds, nil, turns)
	if n := len(j.o.deeds); n > 0 && j.o.deeds[n-1].unknown {
		all = append(all, ways(j.o.deeds[:n-1], nil, turns)...)
	}
	slices.SortStableFunc(all, func(a, b way) int { return a.lost - b.lost })
	return all
}

func ways(deeds []deed, cuts []cut, turns []turn) []way {
	if len(turns) == 0 {
		w := way{deeds: deeds, cuts: cuts}
		for _, c := range cuts {
			w.lost += c.lost(deeds)
		}
		return []way{w}
	}
	var all []way
	t := turns[0]
	least := 0
	if len(cuts) > 0 {
		least = cuts[len(cuts)-1].at
	}
	for at := least; at <= len(deeds); at++ {
		if at > 0 && deeds[at-1].begin > t.end {
			break // it was written to the new master
		}
		if at < len(deeds) && !deeds[at].unknown && deeds[at].end < t.begin {
			continue // it was written to the old one
		}
		for undone := 0; at-undone >= least && (undone == 0 || deeds[at-undone].unknown || deeds[at-undone].end >= t.since); undone++ {
			all = append(all, ways(deeds, append(slices.Clone(cuts), cut{t, at, undone}), turns[1:])...)
		}
	}
	return all
}

// span is a state and when the object may have been in it.
type span struct {
	digest   string
	from, to int64
}

// try does the deeds with the cuts and compares answers and sightings.
func (j judge) try(ctx context.Context, w way) (bool, error) {
	deeds, cuts := w.deeds, w.cuts
	spans := []span{{digest: models[j.o.kind].digest(), to: endOfTime}}
	enter := func(digest string, from, left int64) {
		spans[len(spans)-1].to = left
		spans = append(spans, span{digest, from, endOfTime})
	}
	var kept []deed
	if err := j.clean(ctx); err != nil {
		return false, err
	}
	for i := 0; i <= len(deeds); i++ {
		for len(cuts) > 0 && cuts[0].at == i {
			kept = kept[:len(kept)-cuts[0].undone]
			digest, err := j.again(ctx, kept)
			if err != nil {
				return false, err
			}
			enter(digest, cuts[0].turn.begin, cuts[0].turn.end)
			cuts = cuts[1:]
		}
		if i == len(deeds) {
			break
		}
		d := deeds[i]
		replies, err := j.conn.Pipeline(ctx, d.cmd, j.read())
		if err != nil {
			return false, err
		}
		left := d.end
		if d.unknown {
			left = endOfTime
		} else if flat(replies[0]) != d.reply {
			return false, nil
		}
		kept = append(kept, d)
		enter(flat(replies[1]), d.begin, left)
	}
	return allSeen(j.o.seen, spans), nil
}

// allSeen says whether every sighting was of a state that may have been there then.
func allSeen(seen []sighting, spans []span) bool {
	for _, s := range seen {
		if !slices.ContainsFunc(spans, func(p span) bool { return p.digest == s.digest && p.from <= s.end && p.to >= s.begin }) {
			return false
		}
	}
	return true
}

func (j judge) read() []string { return models[j.o.kind].read(j.o.keys()) }

func (j judge) clean(ctx context.Context) error {
	_, err := j.conn.Do(ctx, "FLUSHALL")
	return err
}

// again does deeds from the beginning, and says what came of them.
func (j judge) again(ctx context.Context, deeds []deed) (string, error) {
	if err := j.clean(ctx); err != nil {
		return "", err
	}
	var cmds [][]string
	for _, d := range deeds {
		cmds = append(cmds, d.cmd)
	}
	replies, err := j.conn.Pipeline(ctx, append(cmds, j.read())...)
	if err != nil {
		return "", err
	}
	return flat(replies[len(replies)-1]), nil
}

// checkObjects judges the objects of which something was seen that should not have been.
func (t *trial) checkObjects(ctx context.Context) error {
	var conn *resp.Client
	for _, db := range databases {
		for _, o := range t.load.objects[db] {
			if o.doubt == nil {
				continue
			}
			if conn == nil {
				var err error
				if conn, err = t.startJudge(ctx); err != nil {
					return err
				}
				defer conn.Close()
			}
			t.checkObject(ctx, judge{conn, o})
		}
	}
	return nil
}

func (t *trial) checkObject(ctx context.Context, j judge) {
	turns := t.reverts(topology.SlotOf([]byte(j.o.keys()[0])), j.o.born, endOfTime)
	if len(turns) > 0 {
		w, ok, err := j.explain(ctx, turns)
		if err != nil {
			t.rec.event("%s {%s} can't be judged: %v", j.o.kind, j.o.tag, err)
		}
		if ok {
			t.rec.count("objects after a loss")
			for _, c := range w.cuts {
				t.lose(c.lost(w.deeds), []turn{c.turn})
			}
			return
		}
	}
	t.rec.found(j.o.doubt.Kind, j.o.doubt.History, "%s", j.o.doubt.Text)
}

// startJudge starts the server at which objects are written once more.
func (t *trial) startJudge(ctx context.Context) (*resp.Client, error) {
	r, err := t.site.lab.StartRedis(ctx, lab.RedisSpec{Name: "judge", Path: t.opt.RedisServer})
	if err != nil {
		return nil, err
	}
	return resp.Dial(ctx, resp.ClientOptions{Addr: r.Addr, Timeout: time.Minute})
}
