package migrate

import (
	"context"
	"errors"
	"strconv"

	"codis/migrate/fence"
	"codis/router/resp"
)

// errDisk is returned when a server has not written to its disk in time.
var errDisk = errors.New("it has not written to its disk what it was given")

// diskDepth is how many batches may wait for the disk: with appendfsync everysec it
// takes a second, and the stages before go on meanwhile.
const diskDepth = 512

// waitsForDisk says whether a server can be asked to wait for its disk: it has an
// append-only file, does not leave the writing to its kernel, and knows WAITAOF (Redis
// 7.2, Valkey).
func waitsForDisk(ctx context.Context, l *link) (bool, error) {
	if !l.facts.appendOnly {
		return false, nil
	}
	var refusal *resp.ServerError
	r, err := l.one(ctx, "CONFIG", "GET", "appendfsync")
	switch {
	case err != nil && !errors.As(err, &refusal):
		return false, err
	case err == nil && len(r.Array) == 2 && r.Array[1].Text() == "no":
		return false, nil
	}
	_, err = l.one(ctx, "WAITAOF", "0", "0", "1")
	if errors.As(err, &refusal) {
		return false, nil
	}
	return err == nil, err
}

// diskStage passes on what the new group's disk has. All that has come while it
// waited goes with the next wait.
func (m *mover) diskStage(ctx context.Context, l *link, in <-chan values, out chan<- values) error {
	for v := range in {
		for more := true; more; {
			select {
			case next, ok := <-in:
				v.items, v.bytes, more = append(v.items, next.items...), v.bytes+next.bytes, ok
			default:
				more = false
			}
		}
		if err := m.onDisk(ctx, l); err != nil {
			return err
		}
		if err := send(ctx, out, v); err != nil {
			return err
		}
	}
	return nil
}

// onDisk waits until the new group's master has on its disk what it has been given,
// whoever gave it: like WAIT, WAITAOF speaks for all that was written before a write
// of its own connection. While it has not, the reason is shown and nothing goes on
// behind it. A server that can't be asked any more is not waited for.
func (m *mover) onDisk(ctx context.Context, l *link) error {
	for round := 0; m.disk.Load(); round++ {
		l.out = fence.AppendWaitWrite(l.out, m.task.epoch)
		l.request("WAITAOF", "1", "0", strconv.FormatInt(waitRound.Milliseconds(), 10))
		frames, err := l.do(ctx, 2)
		if err != nil {
			return err
		}
		r, _, err := resp.ParseReply(frames[1])
		if err != nil {
			return l.wrap(err)
		}
		if err := r.Err(); err != nil {
			m.disk.Store(false)
			m.run.c.log.Warn("the target's disk is not waited for any more", "job", m.task.job, "group", l.group, "server", l.addr, "error", err)
			return nil
		}
		if len(r.Array) == 2 && r.Array[0].Int >= 1 {
			if round > 2 {
				m.say("")
			}
			return nil
		}
		switch {
		case round >= waitRounds:
			return l.wrap(errDisk)
		case round > 1: // once a second is what most servers write
			m.say(l.wrap(errDisk).Error() + "; nothing is deleted until it has")
		}
	}
	return nil
}
