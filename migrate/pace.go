package migrate

import (
	"context"
	"sync/atomic"
	"time"

	"codis/router/resp"
)

// pace is how much the mover leaves to others, while there are others: flights, the
// values that are asked for at a time, are smaller, and no more of them are on their way
// from one group to the other than clients' latency allows. Their deletion, which may have
// to wait for a disk, is not counted.
// So the work comes evenly, and a request finds few flights before it. Where nobody else
// is there is no limit. Parts of big keys, which go one by one, are followed by rests.
type pace struct {
	// traffic says whether a master serves others.
	traffic [2]atomic.Bool
	// rest is in thousandths of the time that a part of a big key took, for each master.
	rest [2]atomic.Int64
	// limit is how many flights may be on their way at a time, for each master.
	limit [2]atomic.Int64
	// under are those that are.
	under atomic.Int64
	// landed, one slot: one is not on its way any more.
	landed chan struct{}
}

func newPace() *pace {
	p := &pace{landed: make(chan struct{}, 1)}
	for i := range p.limit {
		p.limit[i].Store(flightsFirst)
	}
	return p
}

// begin waits until a flight may begin; end must be called once it is over.
func (p *pace) begin(ctx context.Context) error {
	for {
		n := p.under.Load()
		if !p.gentle() || n < min(p.limit[0].Load(), p.limit[1].Load()) {
			if !p.under.CompareAndSwap(n, n+1) {
				continue
			}
			p.wake() // who waits beside may go, too
			return nil
		}
		select {
		case <-p.landed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// end is called when a flight has landed.
func (p *pace) end() {
	p.under.Add(-1)
	p.wake()
}

func (p *pace) wake() {
	select {
	case p.landed <- struct{}{}:
	default:
	}
}

// nextLimit returns the limit that follows from a master's PING, usual and idle. It is
// a pure function.
func nextLimit(limit int64, usual, idle time.Duration) int64 {
	if usual > max(brisk, 3*idle) {
		return max(limit*3/4, flightsMin)
	}
	return min(limit+1, flightsMax)
}

const (
	// gentleKeys is how many keys are asked for at a time while there is traffic: a
	// quarter of a millisecond of the server's time.
	gentleKeys = 100
	// flightsMin, flightsFirst and flightsMax bound how many flights are on their way:
	// with two, both groups have work; more than six were no faster.
	flightsMin, flightsFirst, flightsMax = 2, 4, 6
	// brisk is what a PING may always take while there is traffic, before the mover
	// rests: a few flights.
	brisk = time.Millisecond
	// restStep and restMax bound the rest, so that a big key takes at most 1.5 times as
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

// ping adjusts limit and rest to what a PING took.
func (p *pace) ping(master int, usual, idle time.Duration) {
	if !p.traffic[master].Load() {
		p.rest[master].Store(0)
		p.limit[master].Store(flightsMax)
		p.wake()
		return
	}
	p.limit[master].Store(nextLimit(p.limit[master].Load(), usual, idle))
	p.rest[master].Store(nextRest(p.rest[master].Load(), usual, idle))
}

// after rests after a part of a big key.
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
