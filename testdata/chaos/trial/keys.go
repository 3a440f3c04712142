package trial

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// static is a key that is written before everything begins and never again: what
// makes moves take their time, and is counted at the end.
type static struct {
	value string
	at    int64 // when it expires, ms; 0 never
}

func staticOf(i int, begin time.Time) (key string, s static) {
	key = "static:" + strconv.Itoa(i)
	h := fnv.New32a()
	h.Write([]byte(key))
	n := int(h.Sum32())
	s.value = strings.Repeat(strconv.Itoa(n)+".", 5+n%40)
	if i%4 == 0 {
		s.at = begin.UnixMilli() + int64(1+n%72)*3600_000
	}
	return key, s
}

// fillPatience is for a machine on which a node does not reach a server in time.
const fillPatience = time.Minute

// fill writes the static keys.
func (l *load) fill(ctx context.Context) error {
	begin := time.Now()
	const batch = 500
	for at, db := range databases {
		var cmds [][]string
		for i := range l.opt.Keys {
			if (i%5 == 4) != (at == 1) {
				continue
			}
			key, s := staticOf(i, begin)
			l.statics[db][key] = s
			cmd := []string{"SET", key, s.value}
			if s.at > 0 {
				cmd = append(cmd, "PXAT", strconv.FormatInt(s.at, 10))
			}
			cmds = append(cmds, cmd)
		}
		for some := range slices.Chunk(cmds, batch) {
			for {
				err := l.set(ctx, db, some)
				if err == nil {
					break
				}
				if time.Since(begin) > fillPatience || ctx.Err() != nil {
					return fmt.Errorf("fill: %w", err)
				}
				pause(ctx, 100*time.Millisecond)
			}
		}
	}
	return nil
}

func (l *load) set(ctx context.Context, db int, cmds [][]string) error {
	conn, err := resp.Dial(ctx, resp.ClientOptions{Addr: l.nodes[0], DB: db, Timeout: 30 * time.Second})
	if err != nil {
		return err
	}
	defer conn.Close()
	replies, err := conn.Pipeline(ctx, cmds...)
	for _, r := range replies {
		if err == nil {
			err = r.Err()
		}
	}
	return err
}

func (w *worker) readStatic() {
	for {
		key := "static:" + strconv.Itoa(w.random.IntN(w.opt.Keys))
		s, ok := w.statics[w.db][key]
		if !ok {
			continue
		}
		r := w.send([]string{"GET", key})
		if r.outcome == done && flat(r.reply) != s.value {
			w.rec.found(Lost, nil, "%s in database %d: read %q between %s and %s, want %q", key, w.db, flat(r.reply), stamp(r.begin), stamp(r.end), s.value)
		}
		return
	}
}

// fleeting is a key that expires soon after it was written, by one client. It is
// there until then, and never again.
type fleeting struct {
	key, value string
	db         int

	alive, gone int64 // by recorder.now: until when it is surely there, from when surely not
	written     int64 // when that was acknowledged
}

// missed is a fleeting key that was not there, when a failover may have lost it.
type missed struct {
	*fleeting
	at      int64
	history []string
}

// fuzz is what the clocks of servers and rounding may do: TTLs are kept to 1 s.
const fuzz = int64(time.Second)

// flit writes a fleeting key, or reads one.
func (w *worker) flit() {
	if w.random.IntN(3) == 0 {
		life := int64(300+w.random.IntN(4000)) * int64(time.Millisecond)
		f := &fleeting{key: w.freshName("fleeting:"), db: w.db}
		f.value = "of " + f.key
		r := w.send([]string{"SET", f.key, f.value, "PX", strconv.FormatInt(life/1e6, 10)})
		switch r.outcome {
		case failed:
			return
		case done:
			f.alive = r.begin + life - fuzz
			f.gone = r.end + life + fuzz
			f.written = r.end
		case unknown: // it may be written much later, but not in minutes
			f.gone = endOfTime
		}
		w.mu.Lock()
		w.fleeting = append(w.fleeting, f)
		w.mu.Unlock()
		return
	}
	w.mu.Lock()
	var f *fleeting
	if n := len(w.fleeting); n > 0 {
		f = w.fleeting[n-1-w.random.IntN(min(n, 60))]
	}
	w.mu.Unlock()
	if f == nil || f.db != w.db {
		return
	}
	r := w.send([]string{"GET", f.key})
	if r.outcome != done {
		return
	}
	history := []string{fmt.Sprintf("surely there until %s, surely gone from %s", stamp(f.alive), stamp(f.gone))}
	switch {
	case r.reply.IsNil() && r.end < f.alive:
		w.mu.Lock()
		w.missed = append(w.missed, missed{f, r.begin, append(history, fmt.Sprintf("not there between %s and %s", stamp(r.begin), stamp(r.end)))})
		w.mu.Unlock()
	case !r.reply.IsNil() && r.begin > f.gone:
		w.rec.found(Resurrected, history, "%s in database %d was there between %s and %s", f.key, f.db, stamp(r.begin), stamp(r.end))
	case !r.reply.IsNil() && r.reply.Text() != f.value:
		w.rec.found(Wrong, history, "%s in database %d: %q", f.key, f.db, r.reply.Text())
	}
}

// checkMissed judges fleeting keys that were not there.
func (t *trial) checkMissed() {
	counted := map[string]bool{}
	for _, m := range t.load.missed {
		turns := slices.DeleteFunc(t.reverts(topology.SlotOf([]byte(m.key)), m.written, m.at), func(u turn) bool { return u.since > m.written })
		switch {
		case len(turns) == 0:
			t.rec.found(Lost, m.history, "%s in database %d was not there", m.key, m.db)
		case !counted[m.key]:
			counted[m.key] = true
			t.lose(1, turns)
		}
	}
}
