package trial

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// databases are those that the load uses.
var databases = []int{0, 3}

// registersPerDB is how many registers of a database are in use at a time.
const registersPerDB = 10

// load is all that clients write and read.
type load struct {
	rec   *recorder
	nodes []string
	opt   Options
	seq   atomic.Int64 // for tags and keys that are never used again
	ops   atomic.Int64
	waits waits

	mu        sync.Mutex
	registers map[int][]*register // in use, by database
	retired   []*register
	objects   map[int][]*object // all that ever were, by database
	fleeting  []*fleeting
	missed    []missed
	statics   map[int]map[string]static
}

func newLoad(rec *recorder, opt Options, nodes []string) *load {
	l := &load{rec: rec, nodes: nodes, opt: opt, registers: map[int][]*register{}, objects: map[int][]*object{},
		statics: map[int]map[string]static{}}
	for _, db := range databases {
		for range registersPerDB {
			l.registers[db] = append(l.registers[db], l.newRegister(db))
		}
		l.statics[db] = map[string]static{}
	}
	return l
}

func (l *load) newRegister(db int) *register {
	kind := "text:"
	if l.seq.Add(1)%2 == 0 {
		kind = "count:"
	}
	return &register{key: l.freshName(kind), db: db}
}

// worker is one client of the load.
type worker struct {
	*load
	id int
	client
	own []*object
}

// run sends commands until ctx ends.
func (l *load) run(ctx context.Context, id int) {
	db := databases[0]
	if id%3 == 2 {
		db = databases[1]
	}
	w := &worker{load: l, id: id, client: client{nodes: l.nodes, db: db, timeout: l.opt.clientTimeout(),
		random: rand.New(rand.NewPCG(l.opt.Seed, uint64(id)))}}
	defer w.close()
	think := time.Duration(l.opt.Clients) * time.Second / time.Duration(l.opt.Rate)
	for next := time.Now(); ctx.Err() == nil; {
		if !w.connect(ctx) {
			return
		}
		switch p := w.random.IntN(100); {
		case p < 40:
			w.change()
		case p < 52:
			w.observe()
		case p < 82:
			w.single()
		case p < 92:
			w.several()
		case p < 96:
			w.readStatic()
		default:
			w.flit()
		}
		// At a rate, but never faster to catch up after a stall.
		next = next.Add(think)
		if wait := time.Until(next); wait > 0 {
			pause(ctx, wait)
		} else {
			next = time.Now()
		}
	}
}

// send does one command and measures it.
func (w *worker) send(cmd []string) (r timed) {
	r.begin = w.rec.now()
	r.reply, r.outcome = w.do(cmd)
	r.end = w.rec.now()
	w.ops.Add(1)
	w.waits.add(r.begin, r.end)
	switch r.outcome {
	case failed:
		w.rec.count("refused: " + r.reply.Err().Error())
	case unknown:
		w.rec.count("unknown")
	}
	return r
}

// change writes to one of the worker's own objects.
func (w *worker) change() {
	const objects = 12
	if len(w.own) < objects {
		names := kinds()
		o := newObject(names[w.random.IntN(len(names))], w.freshName("o"), w.db, w.rec.now())
		w.own = append(w.own, o)
		w.mu.Lock()
		w.objects[w.db] = append(w.objects[w.db], o)
		w.mu.Unlock()
	}
	at := w.random.IntN(len(w.own))
	o := w.own[at]
	c := o.model.next(w.random, o.keys(), "t"+strconv.FormatInt(w.seq.Add(1), 10))
	o.begin(c, w.rec.now())
	r := w.send(c.cmd)
	if o.end(c, r.outcome, r.reply, r.begin, r.end) {
		o.suspect(w.suspect(o, r), "%s {%s} in database %d: %v was answered %s instead of %s",
			o.kind, o.tag, o.db, c.cmd, flat(r.reply), c.want)
	}
	if o.givenUp() {
		w.own = append(w.own[:at:at], w.own[at+1:]...)
	}
}

// suspect reads the object after a wrong answer, to name what is wrong.
func (w *worker) suspect(o *object, r timed) VerdictKind {
	if r.reply.Err() != nil {
		return Wrong
	}
	if w.conn == nil {
		return Wrong
	}
	got := w.send(o.model.read(o.keys()))
	if got.outcome != done {
		return Wrong
	}
	if o.see(sighting{flat(got.reply), got.begin, got.end}) {
		return Wrong
	}
	o.note("read after it: " + flat(got.reply))
	return Lost
}

// observe reads an object of anyone.
func (w *worker) observe() {
	w.mu.Lock()
	all := w.objects[w.db]
	if len(all) == 0 {
		w.mu.Unlock()
		return
	}
	o := all[max(0, len(all)-1-w.random.IntN(min(len(all), 200)))]
	w.mu.Unlock()
	r := w.send(models[o.kind].read(o.keys()))
	if r.outcome != done {
		return
	}
	digest := flat(r.reply)
	if !o.see(sighting{digest, r.begin, r.end}) {
		o.suspect(o.judge(digest), "%s {%s} in database %d: a reader saw %s between %s and %s",
			o.kind, o.tag, o.db, digest, stamp(r.begin), stamp(r.end))
	}
}
