package migrate

import (
	"context"
	"sync/atomic"
	"time"

	"codis/router/resp"
)

// pace is how much of the time the mover leaves to others, while there are others:
// it asks for fewer values at a time, and rests after each flight for as long as
// clients' latency asks for. Where nobody else is it goes as fast as it can.
type pace struct {
	// traffic says whether a master serves others.
	traffic [2]atomic.Bool
	// rest is in thousandths of the time that a flight took, for each master.
	rest [2]atomic.Int64
}

const (
	// gentleKeys is how many keys are asked for at a time while there is traffic: a
	// quarter of a millisecond of the server's time.
	gentleKeys = 100
	// brisk is what a PING may always take while there is traffic, before the mover
	// rests: a few flights.
	brisk = time.Millisecond
	// restStep and restMax bound the rest, so that moving takes at most 1.5 times as
	// long as it could: who wants it slower sets a rate.
	restStep = 100
	restMax  = 500
	// othersMin is from how many commands a second on there is traffic: our own are
	// counted when their replies are here, which is not to the moment.
	othersMin = 1000
	// lookEvery is how often they are counted, firstLook for how long before anything
	// moves.
	lookEvery = time.Second
	firstLook = 20 * time.Millisecond
)

// nextRest returns the rest that follows from a master's PING, usual and idle. It is
// a pure function.
func nextRest(rest int64, usual, idle time.Duration) int64 {
	if usual > max(brisk, 3*idle) {
		return min(rest+rest/4+restStep, restMax)
	}
	return rest - (rest+3)/4
}

// ping adjusts the rest to what a PING took.
func (p *pace) ping(master int, usual, idle time.Duration) {
	if !p.traffic[master].Load() {
		p.rest[master].Store(0)
		return
	}
	p.rest[master].Store(nextRest(p.rest[master].Load(), usual, idle))
}

// after rests after a flight.
func (p *pace) after(ctx context.Context, took time.Duration) error {
	rest := max(p.rest[0].Load(), p.rest[1].Load())
	return sleep(ctx, time.Duration(rest)*took/1000)
}

// gentle says whether others are there.
func (p *pace) gentle() bool { return p.traffic[0].Load() || p.traffic[1].Load() }

// counter finds out how many commands of others a master serves.
type counter struct {
	at           time.Time
	total, owned int64
}

// others takes the server's count and our own, and returns those of others a second
// since the last look; ok is false at the first.
func (c *counter) others(now time.Time, total, owned int64) (rate float64, ok bool) {
	if !c.at.IsZero() {
		rate, ok = float64((total-c.total)-(owned-c.owned))/now.Sub(c.at).Seconds(), true
	}
	*c = counter{at: now, total: total, owned: owned}
	return rate, ok
}

// lookFirst finds out whether others are there before anything moves.
func (m *mover) lookFirst(ctx context.Context) error {
	for range 2 {
		for i := range m.pings {
			if err := m.look(ctx, i); err != nil {
				return err
			}
		}
		if err := sleep(ctx, firstLook); err != nil {
			return err
		}
	}
	return nil
}

// look counts the commands at a master.
func (m *mover) look(ctx context.Context, master int) error {
	r, err := m.pings[master].one(ctx, "INFO", "stats")
	if err != nil {
		return err
	}
	total := number(resp.ParseInfo(r.Text()), "total_commands_processed")
	var owned int64
	for _, l := range append(m.links(), m.pings[master], m.big.from, m.big.to) {
		if l.group == m.pings[master].group {
			owned += l.commands.Load()
		}
	}
	if rate, ok := m.counters[master].others(time.Now(), total, owned); ok {
		m.pace.traffic[master].Store(rate > othersMin)
	}
	return nil
}
