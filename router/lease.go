package router

import "codis/router/command"

// quorumLoss is what a node does whose lease has run out: the setting
// on-quorum-loss.
type quorumLoss uint8

const (
	lossStop  quorumLoss = iota // refuse every request for data
	lossReads                   // answer read-only commands, which may be stale
	lossServe                   // go on; then a silent node blocks moves and failovers
)

func parseQuorumLoss(text string) quorumLoss {
	switch text {
	case "reads":
		return lossReads
	case "serve":
		return lossServe
	default:
		return lossStop
	}
}

const (
	noLeaseText   = "-CLUSTERDOWN this node has lost the cluster: it has no lease, see CODIS.INFO\r\n"
	leaseLostText = "-ERR lease lost, outcome unknown\r\n"
)

// bound says whether a command may only be served under a lease (SAFETY L1).
func (l *loop) bound(cmd *command.Command) bool {
	switch mode := l.table.limits.quorumLoss; {
	case !l.hadLease:
		// The table is that of when the last process stopped. Nobody counts on this
		// one before it had a lease: slots may have left meanwhile.
		return true
	case mode == lossServe:
		return false
	case mode == lossReads:
		return !cmd.Flags.Has(command.FlagReadonly)
	default:
		return true
	}
}

// leased says whether the node's lease holds at the time of this round.
func (l *loop) leased() bool { return l.now < l.lease }

// withoutLease answers a request that needs a lease. A member that has just started has
// its first one in a moment: clients that come back to it at once wait for that, no
// longer than for the end of a hold.
func (s *session) withoutLease(cmd *command.Command) (taken bool) {
	l, since := s.l, s.waitsSince
	if since == 0 {
		since = l.now
	}
	limits := &l.table.limits
	deadline := since + int64(limits.holdDeadline)
	starting := !l.hadLease && l.table.epoch > 0
	if !starting || l.now >= deadline || len(l.waiting) >= limits.holdRequests || l.heldBytes >= limits.holdBytes {
		s.answer(cmd, []byte(noLeaseText))
		return true
	}
	s.holdUntil(deadline)
	return false
}

// lapsed says whether the lease has run out since the connection was asked for.
func (b *backend) lapsed() bool { return !b.l.leased() || b.lapses != b.l.lapses }

// carriesBound says whether a request waits that needs a lease.
func (b *backend) carriesBound() bool {
	for i := range b.fifo.size {
		q := b.fifo.ring[(b.fifo.head+i)&(len(b.fifo.ring)-1)]
		if q.parent != nil {
			q = q.parent
		}
		if q.bound {
			return true
		}
	}
	return false
}

// loseLease answers a request whose lease ran out between dispatch and reply, and
// ends its session: the servers may have been told to forget this node meanwhile,
// so nobody knows what the reply is worth (SAFETY L2).
func (l *loop) loseLease(q *request) {
	l.stats.leaseLost++
	l.pool.put(q.reply)
	q.reply = nil
	q.bound = false
	s := q.sess
	l.complete(q, []byte(leaseLostText))
	if s != nil {
		s.close()
	}
}
