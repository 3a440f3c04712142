package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"codis/migrate/bigkey"
	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

const (
	// sizeKeys is how many keys are asked for their size at a time.
	sizeKeys = 2000
	// wantedEvery is how often the mover asks which big keys requests wait for.
	wantedEvery = 100 * time.Millisecond
	// sweepLimit bounds the removal of a copy that was given up.
	sweepLimit = 2 * time.Second
)

// bigLimits are the settings that say which keys are big.
func bigLimits(s *topology.State) fence.Limits {
	return fence.Limits{Bytes: s.Settings.Bytes("migrate-big-bytes"), Elements: int64(s.Settings.Int("migrate-big-elements"))}
}

// bigKeys moves the big keys of a batch one after the other, beside the passes, which
// leave them to it: first those that requests wait for. A pass ends when it has ended.
type bigKeys struct {
	*mover
	from, to *link

	more chan struct{} // one slot: there is something to do
	done chan struct{} // one slot: a key is done

	mu    sync.Mutex
	queue []bigKey
	known map[bigKey]bool // in the queue or being moved
}

// bigKey names a key.
type bigKey struct {
	db   int
	name string
}

func newBigKeys(m *mover) *bigKeys {
	return &bigKeys{mover: m, more: make(chan struct{}, 1), done: make(chan struct{}, 1), known: map[bigKey]bool{}}
}

// take keeps the big ones of the keys that a pass has met and returns the others. Nobody
// writes them any more, so what is found stays true.
func (b *bigKeys) take(ctx context.Context, db int, keys []fence.Key) ([]fence.Key, error) {
	limits := bigLimits(b.run.c.store.State())
	var maybe []int
	for start := 0; start < len(keys); start += sizeKeys {
		if err := b.brake(ctx); err != nil {
			return nil, err
		}
		some := keys[start:min(start+sizeKeys, len(keys))]
		for _, key := range some {
			b.scan.out = fence.AppendSize(b.scan.out, key.Name)
		}
		frames, err := b.scan.do(ctx, len(some))
		if err != nil {
			return nil, err
		}
		for i, frame := range frames {
			if limits.MaybeBig(frame) {
				maybe = append(maybe, start+i)
			}
		}
	}
	big := map[int]bool{}
	for part := range slices.Chunk(maybe, scriptKeys) {
		some := make([]fence.Key, len(part))
		for i, at := range part {
			some[i] = keys[at]
		}
		b.scan.out = fence.AppendBig(b.scan.out, some, limits)
		frames, err := b.scan.do(ctx, 1)
		if err != nil {
			return nil, err
		}
		places, err := fence.ParseBig(frames[0], len(some))
		if err != nil {
			return nil, b.scan.wrap(err)
		}
		for _, place := range places {
			big[part[place]] = true
			b.add(bigKey{db, string(some[place].Name)})
		}
	}
	if len(big) == 0 {
		return keys, nil
	}
	small := make([]fence.Key, 0, len(keys)-len(big))
	for i, key := range keys {
		if !big[i] {
			small = append(small, key)
		}
	}
	return small, nil
}

func (b *bigKeys) add(key bigKey) {
	b.mu.Lock()
	if !b.known[key] {
		b.known[key] = true
		b.queue = append(b.queue, key)
	}
	b.mu.Unlock()
	notify(b.more)
}

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// wait returns when all keys that were added are done.
func (b *bigKeys) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		left := len(b.known)
		b.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-b.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// work moves keys until ctx ends.
func (b *bigKeys) work(ctx context.Context) error {
	defer b.sayBig("")
	dbs := slices.Sorted(maps.Keys(b.scan.facts.keys))
	if err := b.everywhere(ctx, dbs, fence.AppendSweepCopies, nil); err != nil {
		return ended(ctx, err)
	}
	ticker := time.NewTicker(wantedEvery)
	defer ticker.Stop()
	for {
		var wanted []bigKey
		if err := b.everywhere(ctx, dbs, fence.AppendWanted, func(db int, r resp.Reply) {
			for _, name := range r.Strings() {
				wanted = append(wanted, bigKey{db, name})
			}
		}); err != nil {
			return ended(ctx, err)
		}
		if key, ok := b.next(wanted); ok {
			if err := b.one(ctx, key); err != nil {
				b.sweep(ctx, key.db)
				return ended(ctx, err)
			}
			continue
		}
		select {
		case <-b.more:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// ended drops an error that only says that the work was ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// everywhere asks the target in several databases.
func (b *bigKeys) everywhere(ctx context.Context, dbs []int, request func([]byte, uint64) []byte, reply func(int, resp.Reply)) error {
	for _, db := range dbs {
		b.to.request("SELECT", strconv.Itoa(db))
		b.to.out = request(b.to.out, b.task.epoch)
	}
	frames, err := b.to.do(ctx, 2*len(dbs))
	if err != nil {
		return err
	}
	for i, db := range dbs {
		if err := b.to.status(frames[2*i]); err != nil {
			return fmt.Errorf("select database %d: %w", db, err)
		}
		r, _, err := resp.ParseReply(frames[2*i+1])
		if err == nil {
			err = r.Err()
		}
		if err != nil {
			return b.to.wrap(err)
		}
		if reply != nil {
			reply(db, r)
		}
	}
	return nil
}

// next takes a key off the queue: one that is wanted, if there is one. What is wanted and
// not in the queue has not been met yet, or has moved.
func (b *bigKeys) next(wanted []bigKey) (bigKey, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(wanted) > 0 {
		key := wanted[0]
		b.known[key] = true
		b.queue = slices.DeleteFunc(b.queue, func(k bigKey) bool { return k == key })
		return key, true
	}
	if len(b.queue) == 0 {
		return bigKey{}, false
	}
	key := b.queue[0]
	b.queue = b.queue[1:]
	return key, true
}

// one moves a key. A refusal of the target is kept for wait; other errors end the pass.
func (b *bigKeys) one(ctx context.Context, key bigKey) error {
	for _, l := range []*link{b.from, b.to} {
		if _, err := l.one(ctx, "SELECT", strconv.Itoa(key.db)); err != nil {
			return fmt.Errorf("database %d: %w", key.db, err)
		}
	}
	k := fence.Key{Slot: topology.SlotOf([]byte(key.name)), Name: []byte(key.name)}
	r, err := b.copier(key).Copy(ctx, k)
	var refusal *resp.ServerError
	switch {
	case err == nil && !r.Gone:
		err = b.finish(ctx, k, r.Bytes)
		if err != nil {
			return err
		}
	case errors.Is(err, bigkey.ErrType): // wished for, but not big: the pass moves it
		err = nil
	case errors.Is(err, bigkey.ErrFenced):
		return b.to.wrap(b.fenced())
	case errors.As(err, &refusal) && refusal.Code != "OOM":
		b.sweep(ctx, key.db)
	case err != nil:
		return fmt.Errorf("big key %.64q: %w", key.name, err)
	}
	b.to.out = fence.AppendUnwant(b.to.out, b.task.epoch, k.Name)
	if _, err := b.to.do(ctx, 1); err != nil {
		return err
	}
	if refusal != nil {
		b.refused.add(k.Name, refusal.Text)
	}
	b.mu.Lock()
	delete(b.known, key)
	b.mu.Unlock()
	b.sayBig("")
	notify(b.done)
	return nil
}

// finish deletes a key at the old group that is at the new one, once its replicas and
// its disk have it.
func (b *bigKeys) finish(ctx context.Context, key fence.Key, bytes int64) error {
	if err := b.replicas(ctx, b.to); err != nil {
		return err
	}
	if err := b.onDisk(ctx, b.to); err != nil {
		return err
	}
	b.from.out = fence.NewBatch(b.task.epoch).AppendUnlink(b.from.out, []fence.Key{key})
	frames, err := b.from.do(ctx, 1)
	if err != nil {
		return err
	}
	n, fenced, err := fence.ParseUnlink(frames[0])
	switch {
	case err != nil:
		return b.from.wrap(err)
	case fenced:
		return b.from.wrap(b.fenceGone())
	}
	b.tally.add(int(n), 0) // its bytes were counted on the way
	b.run.c.log.Info("big key moved", "job", b.task.job, "epoch", b.task.epoch, "slot", key.Slot, "bytes", bytes)
	return nil
}

// copier returns what copies a key and says how far it is.
func (b *bigKeys) copier(key bigKey) *bigkey.Copier {
	began := time.Now() // of the part that is on its way
	return &bigkey.Copier{
		From: b.from, To: b.to, Epoch: b.task.epoch,
		Pace: func(ctx context.Context, bytes int64) error {
			b.tally.add(0, bytes)
			if err := b.tally.limit.wait(ctx, b.run.c.store.State(), b.task.job, 0, bytes); err != nil {
				return err
			}
			if err := b.pace.after(ctx, time.Since(began)); err != nil {
				return err
			}
			err := b.brake(ctx)
			began = time.Now()
			return err
		},
		Sync: func(ctx context.Context) error { return b.replicas(ctx, b.to) },
		Progress: func(p bigkey.Progress) {
			what := "elements"
			if p.Type == "string" {
				what = "bytes"
			}
			b.sayBig(fmt.Sprintf("big key %.64q in database %d, a %s: %d of %d %s copied; reads of it go on, writes wait",
				key.name, key.db, p.Type, min(p.Elements, p.Size), p.Size, what))
		},
	}
}

// sayBig shows which key is being copied.
func (b *bigKeys) sayBig(text string) {
	key := b.task.taskKey
	key.step = stepBig
	b.tally.say(key, text)
}

// sweep removes a copy that was given up, over another connection: a copy of its own
// would expire only after fence.CopyTTL. It is no loss when it fails.
func (b *bigKeys) sweep(ctx context.Context, db int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepLimit)
	defer cancel()
	l, err := b.run.c.openMaster(ctx, b.run.c.store.State(), b.task.to)
	if err != nil {
		return
	}
	defer l.close()
	l.request("SELECT", strconv.Itoa(db))
	l.out = fence.AppendSweepCopies(l.out, b.task.epoch)
	_, _ = l.do(ctx, 2)
}
