package raftstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// Propose has a command committed by the leader, whichever node that is, and
// returns when this node has applied it too. Outcome.Err is the refusal, if any;
// the error is for what could not be decided. It tries again when leadership
// changes: the request ID, which is made up when it is empty, makes that safe.
func (s *Store) Propose(ctx context.Context, c topology.Command) (topology.Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ProposeTimeout, ErrNoLeader)
	defer cancel()
	done, err := s.commit(ctx, c)
	if err != nil {
		return topology.Outcome{}, err
	}
	if err := s.waitApplied(ctx, done.Index); err != nil {
		return done.Outcome, fmt.Errorf("entry %d is committed, but not applied on this node yet: %w", done.Index, err)
	}
	return done.Outcome, nil
}

// commit returns when the leader has applied the command.
func (s *Store) commit(ctx context.Context, c topology.Command) (applied, error) {
	if c.RequestID == "" {
		c.RequestID = rand.Text()
	}
	if c.At == 0 {
		c.At = time.Now().UnixMilli()
	}
	data, err := c.Encode()
	if err != nil {
		return applied{}, err
	}
	var done applied
	err = s.withLeader(ctx, func(leader string) error {
		// A leader that does not answer may have been replaced long ago: ask again,
		// whoever leads by then.
		ctx, cancel := context.WithTimeout(ctx, s.cfg.PeerTimeout)
		defer cancel()
		var err error
		if leader == s.self.ID {
			done, err = s.applyHere(ctx, data)
		} else {
			err = s.callJSON(ctx, &done, leader, "PROPOSE", string(data))
		}
		if isCode(err, string(topology.CodeUpgrade)) {
			return permanent{asTopologyError(err)}
		}
		return err
	})
	return done, err
}

// permanent wraps an error that another try, or another leader, does not cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// withLeader calls try with the leader's ID until it succeeds or fails for good,
// or the context ends. Between tries it waits for another leader, or a little.
func (s *Store) withLeader(ctx context.Context, try func(leader string) error) error {
	last := error(ErrNoLeader)
	for pause := s.cfg.CommitTimeout; ; pause = min(2*pause, s.cfg.HeartbeatTimeout) {
		if err := s.whyStopped(); err != nil {
			return err
		}
		changed := s.leaderChanged.next()
		err := ErrNoLeader
		if leader := s.leaderID(); leader != "" {
			err = try(leader)
		} else if refusal := s.logs.refusal(); refusal != nil {
			err = fmt.Errorf("%w; the disk of node %s refuses writes: %w", ErrNoLeader, s.self.ID, refusal)
		}
		var final permanent
		switch {
		case err == nil:
			return nil
		case errors.As(err, &final):
			return final.error
		case isCode(err, codeUnknown):
			return err
		case ctx.Err() == nil || errors.Is(last, ErrNoLeader):
			last = err // later ones only say that the time is over
		}
		select {
		case <-changed:
		case <-time.After(pause):
		case <-s.ctx.Done():
		case <-ctx.Done():
			if errors.Is(last, context.Cause(ctx)) {
				return last
			}
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

func (s *Store) leaderID() string {
	_, id := s.raft.LeaderWithID()
	return string(id)
}

// applyHere commits an encoded command; only the leader can.
func (s *Store) applyHere(ctx context.Context, data []byte) (applied, error) {
	// A leader must not write what it could not read back.
	c, err := topology.DecodeCommand(data)
	if err != nil {
		return applied{}, permanent{err}
	}
	// Nor what a member could not read.
	if err := s.State().Admit(c); err != nil {
		return applied{}, permanent{s.namingOutdated(err)}
	}
	began := time.Now()
	future := s.raft.Apply(data, 0)
	if err := s.await(ctx, future); err != nil {
		return applied{}, err
	}
	s.commits.change.Observe(time.Since(began).Seconds())
	s.spread()
	switch answer := future.Response().(type) {
	case applied:
		return answer, nil
	case error:
		return applied{}, permanent{answer}
	default:
		return applied{}, permanent{fmt.Errorf("the state answered %T", answer)}
	}
}

// spread lets the followers hear at once of what is committed: Raft tells them with
// the next entry, else within twice the CommitTimeout, for which the clients of a slot
// that is held would wait twice.
func (s *Store) spread() { _ = s.raft.Barrier(s.cfg.CommitTimeout) } // nobody needs its answer

// await waits for a future of Raft, which knows no context. When the context ends
// first, the goroutine that waits goes on until Raft answers. It is Raft's and not
// among those that Close waits for: a Raft that shuts down never answers what it
// had queued for the FSM, and Close would wait for ever.
func (s *Store) await(ctx context.Context, future raft.Future) error {
	if s.ctx.Err() != nil {
		return permanent{ErrClosed}
	}
	answered := make(chan error, 1)
	go func() { answered <- future.Error() }()
	select {
	case err := <-answered:
		if errors.Is(err, raft.ErrRaftShutdown) {
			return permanent{ErrClosed}
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
		return permanent{ErrClosed}
	}
}
