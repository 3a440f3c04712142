package trial

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"codis/router/resp"
)

// watch keeps what the cluster tells while the trial runs: how far every server was at
// what time, who owned the slots, and the history. What may be lost follows from it.
type watch struct {
	mu      sync.Mutex
	samples map[*member][]sample
	owners  []ownership
	changes map[uint64]told
	// cut is until when a link of nodes to a server was cut, and a while more.
	cut map[*member]int64
}

// sample is a server at a time: what was acknowledged before at is in offset.
type sample struct {
	at      int64
	replica bool
	linked  bool
	runID   string
	// replID and replID2 are its replication IDs; of the second history it has the
	// bytes up to fork.
	replID, replID2 string
	offset, fork    int64
	// reads counts commands that only clients send, and no master to its replicas.
	reads int64
}

// ownership is CODIS.SLOTS at a time.
type ownership struct {
	at     int64
	groups map[int][]int // by slot: the group, and the target of its move
}

// told is an entry of CODIS.HISTORY.
type told struct {
	at   int64 // by recorder.now
	what string
}

const (
	sampleEvery = 50 * time.Millisecond
	tableEvery  = 300 * time.Millisecond
	// settled is how long a server must have been a replica until no request is on its
	// way to it any more.
	settled = int64(time.Second)
)

func newWatch() *watch {
	return &watch{samples: map[*member][]sample{}, changes: map[uint64]told{}, cut: map[*member]int64{}}
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context, t *trial) {
	var all sync.WaitGroup
	for _, g := range t.site.groups {
		for _, m := range g.servers {
			all.Go(func() { w.follow(ctx, t, m) })
		}
	}
	all.Go(func() {
		for ctx.Err() == nil {
			w.readTable(ctx, t)
			pause(ctx, tableEvery)
		}
	})
	all.Wait()
}

// follow asks one server again and again, past the proxies.
func (w *watch) follow(ctx context.Context, t *trial, m *member) {
	var c *resp.Client
	for ; ctx.Err() == nil; pause(ctx, sampleEvery) {
		if c == nil {
			var err error
			if c, err = resp.Dial(ctx, resp.ClientOptions{Addr: m.addr, DialTimeout: time.Second, Timeout: time.Second}); err != nil {
				c = nil
				continue
			}
		}
		s := sample{at: t.rec.now()}
		replies, err := c.Pipeline(ctx, []string{"INFO", "replication"}, []string{"INFO", "commandstats"}, []string{"INFO", "server"})
		if err != nil || replies[0].Err() != nil {
			c.Close()
			c = nil
			continue
		}
		s.read(resp.ParseInfo(replies[0].Text()))
		s.reads = clientReads(resp.ParseInfo(replies[1].Text()))
		s.runID = resp.ParseInfo(replies[2].Text())["run_id"]
		w.add(t, m, s)
	}
	if c != nil {
		c.Close()
	}
}

func (s *sample) read(f map[string]string) {
	s.replica, s.linked = f["role"] == "slave", f["master_link_status"] == "up"
	s.replID, s.replID2 = f["master_replid"], f["master_replid2"]
	s.offset, _ = strconv.ParseInt(f["master_repl_offset"], 10, 64)
	second, _ := strconv.ParseInt(f["second_repl_offset"], 10, 64)
	s.fork = second - 1 // it counts from 1 there
}

// clientReads counts what only clients of the load send.
func clientReads(f map[string]string) int64 {
	sum := int64(0)
	for _, name := range []string{"eval_ro", "mget"} {
		calls, _, _ := strings.Cut(strings.TrimPrefix(f["cmdstat_"+name], "calls="), ",")
		n, _ := strconv.ParseInt(calls, 10, 64)
		sum += n
	}
	return sum
}

// add keeps a sample, and looks whether a server that is a replica serves clients: the
// load reads from masters, so it is one that was a master and is asked still.
func (w *watch) add(t *trial, m *member, s sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.samples[m]
	w.samples[m] = append(list, s)
	since := len(list)
	for since > 0 && list[since-1].quiet() && list[since-1].runID == s.runID {
		since--
	}
	if !s.quiet() || since == len(list) || s.at-list[since].at < settled || list[len(list)-1].at-list[since].at < settled || s.at < w.cut[m] {
		return
	}
	if before := list[len(list)-1]; s.reads > before.reads {
		t.rec.found(Wrong, nil, "%s has been a replica since %s, and clients' reads were served there: %d between %s and %s",
			m.name, stamp(list[since].at), s.reads-before.reads, stamp(before.at), stamp(s.at))
	}
}

func (s sample) quiet() bool { return s.replica && s.linked }

// noteCut remembers that requests may arrive late at a server, for a while.
func (w *watch) noteCut(m *member, until int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[m] = until
}

// noteHealed remembers that what was on its way arrives now.
func (w *watch) noteHealed(m *member, r *recorder) { w.noteCut(m, r.now()+settled) }

// readTable keeps who owns the slots and what is new in the history.
func (w *watch) readTable(ctx context.Context, t *trial) {
	at := t.rec.now()
	slots, err := t.site.askAny(ctx, "CODIS.SLOTS")
	if err != nil {
		return
	}
	o := ownership{at: at, groups: map[int][]int{}}
	for _, row := range slots.Array { // start end phase group master target
		groups := []int{int(row.Array[3].Int)}
		if target := row.Array[5]; !target.IsNil() {
			groups = append(groups, int(target.Int))
		}
		for slot := row.Array[0].Int; slot <= row.Array[1].Int; slot++ {
			o.groups[int(slot)] = groups
		}
	}
	history, err := t.site.askAny(ctx, "CODIS.HISTORY", "200")
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.owners = append(w.owners, o)
	for _, row := range history.Array { // epoch at who what
		epoch := uint64(row.Array[0].Int)
		if _, known := w.changes[epoch]; !known {
			w.changes[epoch] = told{at: t.rec.sinceBegin(row.Array[1].Int), what: row.Array[3].Text()}
		}
	}
}

// owned says whether a group may have had a slot between two times.
func (w *watch) owned(slot, group int, from, to int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first, _ := slices.BinarySearchFunc(w.owners, from, func(o ownership, at int64) int { return int(o.at - at) })
	for i := max(0, first-1); i < len(w.owners); i++ {
		if slices.Contains(w.owners[i].groups[slot], group) {
			return true
		}
		if w.owners[i].at > to {
			return false
		}
	}
	return len(w.owners) == 0
}
