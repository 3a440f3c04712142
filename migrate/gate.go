package migrate

import (
	"context"
	"errors"

	"codis/migrate/fence"
)

// plainKeys is how many keys are worth to be asked for without a script.
const plainKeys = 32

// gateStage asks for the values, about migrate-batch-bytes at a time.
func (m *mover) gateStage(ctx context.Context, l *link, in <-chan names, out [lanes]chan values) error {
	g := gate{mover: m, link: l, batch: fence.NewBatch(m.task.epoch)}
	for work := range in {
		for keys := work.keys; len(keys) > 0; {
			if err := m.brake(ctx); err != nil {
				return err
			}
			if err := m.pace.begin(ctx); err != nil {
				return err
			}
			budget := m.run.c.store.State().Settings.Bytes("migrate-batch-bytes")
			v, rest, err := g.next(ctx, keys, budget)
			if err != nil {
				return err
			}
			keys, v.dumps = rest, l.in
			if len(v.items) == 0 {
				m.pace.end()
				m.giveBack(v.dumps)
				continue
			}
			if err := send(ctx, out[work.lane], v); err != nil {
				return err
			}
		}
	}
	return nil
}

// borrow gives memory for replies, that of values which are at the target now.
func (m *mover) borrow() []byte {
	select {
	case b := <-m.spare:
		return b
	default:
		return nil
	}
}

func (m *mover) giveBack(b []byte) {
	if cap(b) > 4<<20 {
		return
	}
	select {
	case m.spare <- b:
	default:
	}
}

// gate reads values at the old group. What it asks for depends on what came: keys
// come in the order of SCAN or of slots, which says nothing about their size, so
// that those to come are like those that came.
type gate struct {
	*mover
	link  *link
	batch *fence.Batch
	// oldServer does not know PEXPIRETIME.
	oldServer bool
	// large is the largest value of the last few thousand; 0 when none is known.
	large int64
	// last is how many bytes came the last time.
	last int64
}

// next asks for keys from the first on, and returns those that are left.
func (g *gate) next(ctx context.Context, keys []fence.Key, budget int64) (values, []fence.Key, error) {
	if g.large > 0 && !(g.oldServer && !g.persistent) {
		flight := int64(flightKeys)
		if g.pace.gentle() {
			flight = gentleKeys
		}
		if n := min(budget/g.large, int64(len(keys)), flight); n >= min(plainKeys, int64(len(keys))) {
			v, err := g.plain(ctx, keys[:n])
			if !errors.Is(err, fence.ErrNoExpireTime) {
				return v, keys[n:], err
			}
			g.oldServer = true
		}
	}
	return g.script(ctx, keys, budget)
}

// learn keeps in mind how large values are.
func (g *gate) learn(v values) {
	g.last = v.bytes
	g.large -= g.large / 16
	for i := range v.items {
		g.large = max(g.large, int64(len(v.items[i].Dump))+64)
	}
}

// plain asks with commands, and looks at the fences behind them.
func (g *gate) plain(ctx context.Context, keys []fence.Key) (values, error) {
	l, per := g.link, 1
	if !g.persistent {
		per = 2
	}
	l.out = fence.AppendDump(l.out, keys, !g.persistent)
	l.out = g.batch.AppendFence(l.out)
	frames, err := l.do(ctx, per*len(keys)+1)
	if err != nil {
		return values{}, err
	}
	if set, err := g.batch.ParseFence(frames[per*len(keys)]); err != nil {
		return values{}, l.wrap(err)
	} else if !set {
		return values{}, l.wrap(g.fenceGone())
	}
	v := values{items: make([]fence.Item, 0, len(keys))}
	for i, key := range keys {
		var expiry []byte
		if per == 2 {
			expiry = frames[2*i+1]
		}
		item, found, err := fence.ParseDump(key, frames[per*i], expiry)
		if err != nil {
			return values{}, l.wrap(err)
		}
		v.bytes += int64(len(frames[per*i]))
		if found {
			v.items = append(v.items, item)
		}
	}
	g.learn(v)
	return v, nil
}

// script asks with scripts, which stop when a reply is large enough.
func (g *gate) script(ctx context.Context, keys []fence.Key, budget int64) (values, []fence.Key, error) {
	l, scripts := g.link, (len(keys)+scriptKeys-1)/scriptKeys
	if g.last > budget {
		scripts = 1 // values are large: no more than one beyond the budget
	}
	var later []fence.Key
	var asked [][]fence.Key
	for len(asked) < scripts && len(keys) > 0 {
		n := min(scriptKeys, len(keys))
		l.out = g.batch.AppendGate(l.out, keys[:n], fence.Ask{Budget: max(budget/int64(scripts), 1), Persistent: g.persistent})
		asked, keys = append(asked, keys[:n]), keys[n:]
	}
	frames, err := l.do(ctx, len(asked))
	if err != nil {
		return values{}, nil, err
	}
	v := values{items: make([]fence.Item, 0, len(asked)*scriptKeys)}
	for i, frame := range frames {
		var n int
		var fenced bool
		if v.items, n, fenced, err = fence.ParseGateBatch(v.items, frame, asked[i]); err != nil {
			return values{}, nil, l.wrap(err)
		}
		if fenced {
			return values{}, nil, l.wrap(g.fenceGone())
		}
		v.bytes += int64(len(frame))
		later = append(later, asked[i][n:]...)
	}
	g.learn(v)
	return v, append(later, keys...), nil
}
