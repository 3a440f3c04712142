package router

import (
	"math"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// restartedText is the error for requests that have to begin again; client libraries
// do so when they see its code word.
const restartedText = "-TRYAGAIN the server has restarted while keys of the request were on their way to it, nothing was sent\r\n"

// dropStale is called when a connection has opened and its server turns out to be
// another process than when requests queued for it. Nothing of them has been sent,
// so they go to the new process; but those for keys on their way counted on what
// had moved to the old one, which is known no longer, and have to begin again.
func (b *backend) dropStale() {
	stale := b.stale()
	if len(stale) == 0 {
		return
	}
	frames, queued := b.out, b.fifo
	b.out, b.fifo = nil, fifo{}
	scan := resp.Scanner{Limits: resp.Limits{MaxBulk: math.MaxInt, MaxInline: math.MaxInt, MaxArgs: math.MaxInt}}
	rest := frames
	for q := queued.pop(); q != nil; q = queued.pop() {
		n, err := scan.Next(rest)
		if err != nil || n == 0 {
			panic("router: the queue of a connection does not hold its requests")
		}
		if !stale[q] {
			b.fifo.push(q)
			b.out = b.l.pool.append(b.out, rest[:n])
		}
		rest = rest[n:]
	}
	b.l.pool.put(frames)
	for q := range stale {
		b.l.complete(q, []byte(restartedText))
	}
}

// stale returns the requests of the queue that count on keys to have moved.
func (b *backend) stale() map[*request]bool {
	var stale map[*request]bool
	for i := range b.fifo.size {
		q := b.fifo.ring[(b.fifo.head+i)&(len(b.fifo.ring)-1)]
		if b.l.countsOnMoves(q) {
			if stale == nil {
				stale = make(map[*request]bool)
			}
			stale[q] = true
		}
	}
	return stale
}

// countsOnMoves says whether a request was dispatched because its keys had moved. The
// steps of an access are not: the fences are at the servers.
func (l *loop) countsOnMoves(q *request) bool {
	if q.parent != nil {
		q = q.parent
	}
	for _, slot := range q.slots {
		if slot == everySlot {
			continue
		}
		if m := l.moves[int(slot)]; m != nil && m.phase == topology.PhaseMigrating {
			return true
		}
	}
	return false
}
