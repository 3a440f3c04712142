package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"codis/migrate/fence"
	"codis/router/resp"
)

// lanes is how many transactions are on their way to the new group at a time. A
// slot's keys keep to one lane: transactions of one slot disturb each other, since
// each changes the moved set that the other watches.
const lanes = 3

// tries is how often a transaction that was disturbed by clients is made again
// before a script does it, which can't be disturbed and costs twice as much.
const tries = 3

// refused counts what the new group did not take in a pass.
type refused struct {
	mu    sync.Mutex
	count int64
	text  string // the first one's reason
}

func (r *refused) add(name []byte, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if r.text == "" {
		r.text = fmt.Sprintf("%.64q: %s", name, text)
	}
}

// take returns what was counted, and begins again.
func (r *refused) take() (count int64, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count, text = r.count, r.text
	r.count, r.text = 0, ""
	return count, text
}

// restorer gives values to the new group, on a connection of its own.
type restorer struct {
	*mover
	link  *link
	batch *fence.Batch
	// scripts: the server does not know what the transactions need.
	scripts bool
}

// restoreStage gives the values to the new group and waits for its replicas. What
// it passes on is safe to delete at the old one.
func (m *mover) restoreStage(ctx context.Context, l *link, in <-chan values, out chan<- values) error {
	r := restorer{mover: m, link: l, batch: fence.NewBatch(m.task.epoch)}
	for v := range in {
		if err := m.tally.limit.wait(ctx, m.run.c.store.State(), m.task.job, len(v.items), v.bytes); err != nil {
			return err
		}
		there, err := r.take(ctx, v.items)
		if err != nil {
			return err
		}
		m.giveBack(v.dumps)
		for i := range there {
			there[i].Dump = nil
		}
		m.pace.end()
		if err := send(ctx, out, values{items: there, bytes: v.bytes}); err != nil {
			return err
		}
	}
	return nil
}

// take brings items to the new group. It returns those that are there, in the
// moved sets, and at all replicas.
func (r *restorer) take(ctx context.Context, items []fence.Item) ([]fence.Item, error) {
	there, added, err := r.restore(ctx, items)
	if err != nil {
		return nil, err
	}
	if added, err = r.mark(ctx, added); err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return added, nil
	}
	return append(there, added...), nil
}

// restore makes the first transaction. The items of done were in the moved sets,
// those of added are to be put there.
func (r *restorer) restore(ctx context.Context, items []fence.Item) (done, added []fence.Item, err error) {
	var refusal *resp.ServerError
	for try := 0; !r.scripts && try < tries; try++ {
		missing, moved, err := r.ask(ctx, items)
		if errors.As(err, &refusal) || errors.Is(err, fence.ErrNoMultiMember) {
			r.scripts = true // an old server, or one that does not allow WATCH and MULTI
			break
		}
		if err != nil || len(missing) == 0 {
			return moved, nil, err
		}
		added, err = r.execute(ctx, missing)
		switch {
		case err == nil:
			return moved, added, nil
		case errors.As(err, &refusal):
			// EXEC as a whole was refused, for lack of memory and the like. The script
			// says of each key what is the matter.
			try = tries
		case !errors.Is(err, fence.ErrTouched):
			return nil, nil, err
		}
	}
	added, err = r.script(ctx, items)
	return nil, added, err
}

// ask watches the moved sets, and says which items they lack and have.
func (r *restorer) ask(ctx context.Context, items []fence.Item) (missing, moved []fence.Item, err error) {
	l, n := r.link, 0
	l.out, n = r.batch.AppendWatch(l.out, items)
	frames, err := l.do(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	in, fenced, err := r.batch.ParseWatch(frames, items)
	if fenced {
		return nil, nil, l.wrap(r.fenced())
	}
	if err == nil && !slices.Contains(in, true) {
		return items, nil, nil
	}
	missing = make([]fence.Item, 0, len(items))
	for i := range in {
		if in[i] {
			moved = append(moved, items[i])
		} else {
			missing = append(missing, items[i])
		}
	}
	if err != nil || len(missing) == 0 {
		err = errors.Join(err, r.discard(ctx))
	}
	return missing, moved, err
}

// discard leaves a transaction; a server that is in none says so, which is well.
func (r *restorer) discard(ctx context.Context) error {
	r.link.out = fence.AppendDiscard(r.link.out)
	_, err := r.link.do(ctx, 1)
	return err
}

// execute restores items unless a moved set has changed, and returns those that
// are there.
func (r *restorer) execute(ctx context.Context, items []fence.Item) ([]fence.Item, error) {
	l, n := r.link, 0
	l.out, n = fence.AppendRestores(l.out, items)
	frames, err := l.do(ctx, n)
	if err != nil {
		return nil, err
	}
	results, texts, err := fence.ParseRestores(frames[n-1], len(items))
	if err != nil {
		return nil, l.wrap(err)
	}
	if texts == nil {
		return items, nil
	}
	there := items[:0]
	for i, result := range results {
		if result == 0 {
			r.refused.add(items[i].Name, texts[i])
			continue
		}
		there = append(there, items[i])
	}
	return there, nil
}

// mark makes the second transaction, adds items to their moved sets, and waits for
// the replicas. It waits also when there is nothing to add: what other connections
// have written may be on its way to them.
func (r *restorer) mark(ctx context.Context, items []fence.Item) ([]fence.Item, error) {
	for try := 0; !r.scripts && len(items) > 0; try++ {
		ok, err := r.markOnce(ctx, items)
		if err != nil {
			return nil, err
		}
		if ok {
			break
		}
		if try+1 == tries {
			// They count as BUSY, or as DONE where a client was there since.
			if items, err = r.script(ctx, items); err != nil {
				return nil, err
			}
			break
		}
	}
	return items, r.replicas(ctx, r.link)
}

// markOnce says whether it was not disturbed.
func (r *restorer) markOnce(ctx context.Context, items []fence.Item) (bool, error) {
	l, n := r.link, 0
	l.out = r.batch.AppendRewatch(l.out, items)
	frames, err := l.do(ctx, 3)
	if err != nil {
		return false, err
	}
	if fenced, err := r.batch.ParseRewatch(frames, items); err != nil {
		return false, l.wrap(err)
	} else if fenced {
		return false, l.wrap(r.fenced())
	}
	l.out, n = r.batch.AppendMark(l.out, items)
	if frames, err = l.do(ctx, n); err != nil {
		return false, err
	}
	err = r.batch.ParseMark(frames[n-1], items)
	var refusal *resp.ServerError
	if errors.Is(err, fence.ErrTouched) || errors.As(err, &refusal) {
		return false, nil
	}
	if err != nil {
		return false, l.wrap(err)
	}
	return true, nil
}

const (
	// scriptKeys is how many keys one script takes, so how long others wait for it,
	// and scriptBytes about how much.
	scriptKeys  = 64
	scriptBytes = 64 << 10
)

// script does both with scripts, and returns the items that are there.
func (r *restorer) script(ctx context.Context, items []fence.Item) ([]fence.Item, error) {
	parts := split(items)
	for _, part := range parts {
		r.link.out = r.batch.AppendRestore(r.link.out, part)
	}
	frames, err := r.link.do(ctx, len(parts))
	if err != nil {
		return nil, err
	}
	there := make([]fence.Item, 0, len(items))
	for i, part := range parts {
		results, texts, err := fence.ParseRestoreBatch(frames[i], len(part))
		if err != nil {
			return nil, r.link.wrap(err)
		}
		if results == nil {
			there = append(there, part...)
			continue
		}
		for j, result := range results {
			switch {
			case result == fence.RestoreFenced:
				return nil, r.link.wrap(r.fenced())
			case result != 0:
				there = append(there, part[j])
			case strings.HasPrefix(texts[j], "OOM"):
				return nil, r.link.wrap(errors.New(texts[j]))
			default:
				r.refused.add(part[j].Name, texts[j])
			}
		}
	}
	return there, nil
}

// split cuts items into what one script takes.
func split(items []fence.Item) [][]fence.Item {
	var parts [][]fence.Item
	start, size := 0, 0
	for i, item := range items {
		if i > start && (i-start >= scriptKeys || size+len(item.Dump) > scriptBytes) {
			parts = append(parts, items[start:i])
			start, size = i, 0
		}
		size += len(item.Dump)
	}
	if start < len(items) {
		parts = append(parts, items[start:])
	}
	return parts
}
