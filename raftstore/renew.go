package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tidwall/redcon"
)

// granted is the answer to a renewal.
type granted struct {
	// Lease is what the leader grants, from when the renewal was sent; the node takes
	// its margin off.
	Lease time.Duration `json:"lease"`
	// Twin says that another process with a copy of the node's directory has asked
	// too, and was refused.
	Twin bool `json:"twin,omitempty"`
}

// now is Boottime, or the clock of a test.
func (s *Store) now() int64 {
	if s.cfg.seams.now != nil {
		return s.cfg.seams.now()
	}
	return Boottime()
}

func (s *Store) renewal() renewal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return renewal{ID: s.self.ID, Incarnation: s.self.Incarnation, Starts: s.identity.Starts, Run: s.run, Acked: s.lease.acked.Load(), Format: int(s.format())}
}

// keepLease is a goroutine: it renews this node's lease, at once when there is
// another leader, and tells in the log when the lease is lost and found.
func (s *Store) keepLease() {
	defer s.lease.end()
	held := false
	for {
		changed := s.leaderChanged.next()
		sent := s.now()
		times := leaseTimesOf(s.State())
		err := s.renewOnce(changed, sent, times)
		if s.ctx.Err() != nil {
			return
		}
		if has := s.LeaseUntil() > s.now(); has != held {
			held = has
			s.logLease(held, err)
		}
		next := sent + int64(times.renew)
		if err != nil {
			// Soon again, but no more often than it takes to commit an entry.
			next = s.now() + int64(min(times.renew, s.cfg.RetryMin))
		}
		if until := s.LeaseUntil(); held && until < next {
			next = until
		}
		select {
		case <-time.After(max(time.Millisecond, time.Duration(next-s.now()))):
		case <-changed:
		case <-s.renewNow:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) logLease(held bool, err error) {
	if held {
		s.log.Info("this node has a lease: it may serve")
	} else {
		s.log.Warn("this node has lost its lease", "error", err)
	}
}

// renewOnce asks the leader of this moment for a lease.
func (s *Store) renewOnce(leaderChanged <-chan struct{}, sent int64, times leaseTimes) error {
	if !s.seen.Load() {
		return errNotMember
	}
	ctx, cancel := s.whileLed(leaderChanged, max(times.renew, times.length/3))
	defer cancel()
	var answer granted
	err := s.tellLeader(ctx, "RENEW", &answer)
	if errors.Is(err, errTwin) || isCode(err, codeTwin) {
		s.refusedAsTwin(err)
	}
	if err != nil {
		return err
	}
	if answer.Twin {
		s.log.Error("another process has started with a copy of this node's directory; it was refused a lease", "id", s.self.ID, "directory", s.cfg.Dir)
	}
	if s.cfg.seams.faults.fromAnswer {
		sent = s.now()
	}
	s.lease.extend(sent, answer.Lease)
	return nil
}

// whileLed returns a context that ends when there is another leader, too: an
// answer of the old one is not worth waiting for.
func (s *Store) whileLed(leaderChanged <-chan struct{}, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeoutCause(s.ctx, limit, errNoAnswer)
	s.spawn(func() {
		select {
		case <-leaderChanged:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// errNoAnswer is returned when the leader has not answered in time.
var errNoAnswer = errors.New("the leader has not answered in time")

// sendAcks is a goroutine: it tells the leader, and every new one, which table the
// router has adopted.
func (s *Store) sendAcks() {
	type message struct {
		leader string
		epoch  uint64
	}
	var told message
	for {
		changed := s.leaderChanged.next()
		due := message{s.leaderID(), s.lease.acked.Load()}
		var again <-chan time.Time
		if due.leader != "" && due.epoch > 0 && due != told {
			if err := s.sendAck(changed); err == nil {
				told = due
			} else {
				again = time.After(s.cfg.RetryMin)
			}
		}
		select {
		case <-s.ackNow:
		case <-changed:
		case <-again:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) sendAck(leaderChanged <-chan struct{}) error {
	ctx, cancel := s.whileLed(leaderChanged, s.cfg.PeerTimeout)
	defer cancel()
	return s.tellLeader(ctx, "ACK", nil)
}

// giveBack ends this node's lease and tells the leader, so that no barrier waits
// for it. Only for a node that has stopped serving.
func (s *Store) giveBack(ctx context.Context) {
	held := s.LeaseUntil() > s.now()
	s.lease.end()
	if !held || s.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.HeartbeatTimeout, ErrNoLeader)
	defer cancel()
	err := s.withLeader(ctx, func(string) error { return s.tellLeader(ctx, "GIVEBACK", nil) })
	if err != nil {
		s.log.Debug("the lease was not given back; it runs out", "error", err)
	}
}

// tellLeader sends one message about leases to the leader. All of them may be sent
// twice.
func (s *Store) tellLeader(ctx context.Context, verb string, answer *granted) error {
	leader, r := s.leaderID(), s.renewal()
	if leader == "" {
		return ErrNoLeader
	}
	if verb == "RENEW" {
		r.Report = s.report()
	}
	if leader == s.self.ID {
		got, err := s.takeMessage(ctx, verb, r)
		if err == nil && answer != nil {
			*answer = got
		}
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if answer == nil {
		answer = &granted{}
	}
	return s.callJSON(ctx, answer, leader, verb, string(text))
}

// takeMessage is the leader's part.
func (s *Store) takeMessage(ctx context.Context, verb string, r renewal) (granted, error) {
	book := s.leases.Load()
	if book == nil {
		return granted{}, ErrNotLeader
	}
	switch verb {
	case "RENEW":
		return book.renew(ctx, r)
	case "ACK":
		return granted{}, book.hear(r)
	case "GIVEBACK":
		return granted{}, book.giveBack(r)
	}
	return granted{}, errArguments
}

// serveLease returns the handler of one of the messages about leases.
func (s *Store) serveLease(verb string) func(context.Context, redcon.Conn, [][]byte) (any, error) {
	return func(ctx context.Context, conn redcon.Conn, args [][]byte) (any, error) {
		var r renewal
		if len(args) != 1 || json.Unmarshal(args[0], &r) != nil || callerOf(conn) != r.ID {
			return nil, errArguments
		}
		return s.takeMessage(ctx, verb, r)
	}
}
