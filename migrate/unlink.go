package migrate

import (
	"context"
	"errors"

	"codis/migrate/fence"
	"codis/router/resp"
)

// unlinkKeys is how many keys are deleted at a time: others wait for it.
const unlinkKeys = 256

// join adds what waits already.
func (v values) join(in <-chan values) values {
	for len(v.items) < unlinkKeys {
		select {
		case next, ok := <-in:
			if !ok {
				return v
			}
			v.items, v.bytes = append(v.items, next.items...), v.bytes+next.bytes
		default:
			return v
		}
	}
	return v
}

// unlinker deletes at the old group, on a connection of its own.
type unlinker struct {
	*mover
	link  *link
	batch *fence.Batch
	// armed: the connection watches the fence, which was there, and is in a
	// transaction.
	armed bool
	// scripts: the server does not allow WATCH and MULTI, or is full, which lets it
	// refuse even UNLINK in a transaction.
	scripts bool
}

// unlinkStage deletes at the old group what has moved.
func (m *mover) unlinkStage(ctx context.Context, l *link, in <-chan values) error {
	u := unlinker{mover: m, link: l, batch: fence.NewBatch(m.task.epoch)}
	for v := range in {
		v = v.join(in)
		for items := v.items; len(items) > 0; {
			n := min(unlinkKeys, len(items))
			deleted, err := u.unlink(ctx, items[:n])
			if err != nil {
				return err
			}
			m.tally.add(int(deleted), 0)
			items = items[n:]
		}
		m.tally.add(0, v.bytes)
	}
	return u.disarm(ctx)
}

// unlink deletes keys if the fence is there.
func (u *unlinker) unlink(ctx context.Context, items []fence.Item) (int64, error) {
	if u.run.c.cfg.mutant == mutantUnfenced {
		return u.unfenced(ctx, items)
	}
	if err := u.arm(ctx); err != nil {
		return 0, err
	}
	if u.scripts {
		return u.script(ctx, items)
	}
	l, n, again := u.link, 0, 0
	l.out, n = fence.AppendUnlinks(l.out, items)
	l.out, again = u.batch.AppendArm(l.out)
	frames, err := l.do(ctx, n+again)
	if err != nil {
		return 0, err
	}
	deleted, err := fence.ParseUnlinks(frames[n-1])
	var refusal *resp.ServerError
	switch {
	case err == nil:
		err = u.check(frames[n:])
	case errors.Is(err, fence.ErrTouched):
		err = u.fenceGone()
	case errors.As(err, &refusal):
		u.scripts = true
		if err := u.disarm(ctx); err != nil {
			return 0, err
		}
		return u.script(ctx, items)
	}
	if err != nil {
		return 0, l.wrap(err)
	}
	return deleted, nil
}

// arm looks at the fence and begins a transaction, unless that is done.
func (u *unlinker) arm(ctx context.Context) error {
	if u.armed || u.scripts {
		return nil
	}
	l, n := u.link, 0
	l.out, n = u.batch.AppendArm(l.out)
	frames, err := l.do(ctx, n)
	if err != nil {
		return err
	}
	err = u.check(frames)
	var refusal *resp.ServerError
	if errors.As(err, &refusal) {
		u.scripts, u.armed = true, true // it may be in a transaction
		return u.disarm(ctx)
	}
	if err != nil {
		return l.wrap(err)
	}
	u.armed = true
	return nil
}

// check reads the replies of arming.
func (u *unlinker) check(frames [][]byte) error {
	fenced, err := u.batch.ParseArm(frames)
	if err == nil && fenced {
		err = u.fenceGone()
	}
	return err
}

// disarm leaves the transaction: the connection goes on in another database.
func (u *unlinker) disarm(ctx context.Context) error {
	if !u.armed {
		return nil
	}
	u.armed = false
	u.link.out = fence.AppendDiscard(u.link.out)
	_, err := u.link.do(ctx, 1)
	return err
}

// script does it with a script.
func (u *unlinker) script(ctx context.Context, items []fence.Item) (int64, error) {
	keys := make([]fence.Key, len(items))
	for i := range items {
		keys[i] = items[i].Key
	}
	u.link.out = u.batch.AppendUnlink(u.link.out, keys)
	frames, err := u.link.do(ctx, 1)
	if err != nil {
		return 0, err
	}
	deleted, fenced, err := fence.ParseUnlink(frames[0])
	if err == nil && fenced {
		err = u.fenceGone()
	}
	if err != nil {
		return 0, u.link.wrap(err)
	}
	return deleted, nil
}
