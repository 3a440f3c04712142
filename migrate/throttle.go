package migrate

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"codis/raftstore/topology"
)

// limiter spreads a job's keys and bytes over time; its tasks share it.
type limiter struct {
	mu          sync.Mutex
	keys, bytes time.Time // when the next may go
}

// burst is how much may go at once after a pause.
const burst = 100 * time.Millisecond

// rates are a job's limits a second: its own or else the settings'. 0 is none.
func rates(s *topology.State, job uint64) (keys, bytes int64) {
	options := s.Jobs[job].Options
	keys, bytes = options.KeysPerSecond, options.BytesPerSecond
	if keys == 0 {
		keys = int64(s.Settings.Int("migrate-keys-per-second"))
	}
	if bytes == 0 {
		bytes = s.Settings.Bytes("migrate-bytes-per-second")
	}
	return keys, bytes
}

// wait blocks as long as the job's limits demand for so many keys and bytes.
func (l *limiter) wait(ctx context.Context, s *topology.State, job uint64, keys int, bytes int64) error {
	keyRate, byteRate := rates(s, job)
	now := time.Now()
	l.mu.Lock()
	at := take(&l.keys, now, int64(keys), keyRate)
	if other := take(&l.bytes, now, bytes, byteRate); other.After(at) {
		at = other
	}
	l.mu.Unlock()
	return sleep(ctx, at.Sub(now))
}

// take reserves n of what comes at a rate per second, and returns when it may go.
func take(next *time.Time, now time.Time, n, rate int64) time.Time {
	if rate <= 0 {
		return now
	}
	if earliest := now.Add(-burst); next.Before(earliest) {
		*next = earliest
	}
	at := *next
	*next = next.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return at
}

const (
	// pingEvery is how often both masters are asked.
	pingEvery = 20 * time.Millisecond
	// pauseStep and pauseMax bound the pause that a slow answer puts before each batch.
	pauseStep = time.Millisecond
	pauseMax  = 20 * time.Millisecond
	// calm is what a PING may always take: a server that shares its cores waits as
	// long for its turn.
	calm = 15 * time.Millisecond
)

// brake is the pause between batches that a rise of the masters' PING asks for.
type brake struct{ pause atomic.Int64 }

// after returns the next pause: up at once when answers take much longer than
// when nothing was moved, and down when they do not. Both the newest answer and
// the usual one count: a slow answer of before the pause asks for no longer one. It
// is a pure function.
func after(pause, newest, usual, idle time.Duration) time.Duration {
	if limit := max(calm, 3*idle); newest > limit && usual > limit {
		return min(2*pause+pauseStep, pauseMax)
	}
	pause -= pause / 3
	if pause < pauseStep/4 {
		return 0
	}
	return pause
}

func (b *brake) wait(ctx context.Context) error { return sleep(ctx, time.Duration(b.pause.Load())) }

// idle is the median of a few PINGs, before anything moves.
func idle(ctx context.Context, l *link) (time.Duration, error) {
	var took [7]time.Duration
	for i := range took {
		began := time.Now()
		if _, err := l.one(ctx, "PING"); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took[:])
	return took[len(took)/2], nil
}

// watch measures a master until ctx ends. The median of the last five counts:
// a single slow answer may be anybody's fault.
func (m *mover) watch(ctx context.Context, master int) error {
	var last [5]time.Duration
	l, b, idle := m.pings[master], &m.brakes[master], m.idle[master]
	for n := 0; ; n++ {
		if err := sleep(ctx, pingEvery); err != nil {
			return nil
		}
		began := time.Now()
		_, err := l.one(ctx, "PING")
		last[n%len(last)] = time.Since(began)
		if err == nil && time.Since(m.counters[master].at) > lookEvery {
			err = m.look(ctx, master)
		}
		if ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		sorted := last
		slices.Sort(sorted[:])
		usual := sorted[len(sorted)/2]
		m.pace.ping(master, usual, idle)
		next := after(time.Duration(b.pause.Load()), last[n%len(last)], usual, idle)
		b.pause.Store(int64(next))
		if next == pauseMax {
			m.say(fmt.Sprintf("slowed down: group %d takes %s to answer PING, %s when idle", l.group, usual.Round(time.Millisecond/10), idle))
		}
	}
}
