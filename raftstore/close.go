package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Close hands leadership over, if this node leads, and stops. It returns when all
// goroutines of the store have ended, or the context has; it may be called more
// than once. What serves under the lease has to be stopped before: Close gives the
// lease back. The node stays a member of its cluster.
func (s *Store) Close(ctx context.Context) error {
	if s.IsLeader() && s.Err() == nil {
		if err := s.handOver(ctx, ""); err != nil && !errors.Is(err, errNobodyElse) {
			s.log.Warn("leadership was not handed over; the others will elect a leader after a moment", "error", err)
		}
	}
	s.giveBack(ctx)
	return s.stop(ctx)
}

// stop is Close without the courtesy: to the others it looks like a crash.
func (s *Store) stop(ctx context.Context) error {
	var err error
	s.closeOnce.Do(func() {
		defer close(s.closed)
		err = s.stopAll(ctx)
	})
	select {
	case <-s.closed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stopAll ends everything in the reverse order of open. Each part may be missing,
// when open has failed.
func (s *Store) stopAll(ctx context.Context) error {
	s.cancel(ErrClosed)
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()

	var errs []error
	if s.raft != nil {
		errs = append(errs, within(ctx, "raft", s.stopRaft().Error))
	}
	if s.port != nil {
		errs = append(errs, s.port.Close())
	}
	errs = append(errs, within(ctx, "goroutines", func() error { s.wg.Wait(); return nil }))
	if err := errors.Join(errs...); err != nil {
		// Something still runs, and may write: the files stay open until the
		// process ends.
		return err
	}
	if s.logs != nil {
		errs = append(errs, s.logs.Close())
	}
	if s.disk != nil {
		errs = append(errs, s.disk.close())
	}
	return errors.Join(errs...)
}

// within waits for stop, but not longer than the context.
func within(ctx context.Context, what string, stop func() error) error {
	done := make(chan error, 1)
	// Owned by the process when it outlives the context: a disk that hangs can't
	// be waited for.
	go func() { done <- stop() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", what, context.Cause(ctx))
	}
}

// errNobodyElse is returned when no other voter could lead.
var errNobodyElse = errors.New("no other voter")

// TransferLeadership makes another voter the leader: that one, or the one that is
// most up to date when the ID is empty. Only the leader can.
func (s *Store) TransferLeadership(ctx context.Context, id string) error {
	if !s.IsLeader() {
		return ErrNotLeader
	}
	if id == s.self.ID {
		return nil
	}
	if id != "" {
		node, ok := s.State().Nodes[id]
		if !ok {
			return fmt.Errorf("there is no node %q", id)
		}
		if !node.Voter {
			return fmt.Errorf("node %s is not a voter, so it can't lead", id)
		}
	}
	if err := s.handOver(ctx, id); err != nil {
		return fmt.Errorf("transfer leadership: %w", err)
	}
	return nil
}

func (s *Store) handOver(ctx context.Context, id string) error {
	if s.State().Voters() < 2 {
		return errNobodyElse
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.cfg.ElectionTimeout+time.Second)
	defer cancel()
	var future raft.Future
	if id == "" {
		future = s.raft.LeadershipTransfer()
	} else {
		future = s.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(id))
	}
	if err := s.await(ctx, future); err != nil {
		return err
	}
	// The others need a moment to elect; until this node has heard of the new
	// leader, what it forwards would come back.
	for {
		changed := s.leaderChanged.next()
		if leader := s.leaderID(); leader != "" && leader != s.self.ID {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
