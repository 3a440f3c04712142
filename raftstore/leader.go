package raftstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// followLeadership is a goroutine: it runs lead while this node is the leader.
func (s *Store) followLeadership() {
	for {
		select {
		case leading := <-s.raft.LeaderCh():
			for leading {
				leading = s.term()
			}
		case <-s.ctx.Done():
			return
		}
	}
}

// term runs lead until Raft says something else about leadership, and returns
// what it said. lead has returned by then.
func (s *Store) term() (again bool) {
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	if s.spawn(func() { defer close(ended); s.lead(ctx) }) {
		defer func() { cancel(); <-ended }()
	} else {
		defer cancel()
	}
	select {
	case again = <-s.raft.LeaderCh():
	case <-s.ctx.Done():
	}
	return again
}

// lead does all that only the leader does, and returns when leadership ends.
func (s *Store) lead(ctx context.Context) {
	term := s.raft.CurrentTerm()
	s.tell(slog.LevelInfo, "this node leads the cluster", "term", term)
	defer func() { s.tell(slog.LevelInfo, "this node no longer leads", "term", term) }()
	s.resetUnreachable()
	// Last in, first out: nobody is granted a lease any more when the work is waited
	// for.
	var work sync.WaitGroup
	defer work.Wait()
	defer s.leases.Store(nil)

	ticker := time.NewTicker(s.cfg.ReconcileInterval)
	defer ticker.Stop()
	for ready, working := false, false; ; {
		err := error(nil)
		if !ready {
			err = s.catchUp(ctx)
			if err == nil {
				err = s.takeLeases(ctx, term)
			}
			ready = err == nil
		}
		if ready && !working {
			working = s.startWork(ctx, &work)
		}
		if ready {
			err = errors.Join(s.reconcile(ctx), s.raiseFormat(ctx))
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, raft.ErrNotLeader) && !errors.Is(err, raft.ErrLeadershipLost) {
			s.log.Warn("membership is not settled yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.nudge:
		case <-ticker.C:
		}
	}
}

// catchUp waits until the FSM has everything that earlier leaders have committed,
// and begins the cluster when there is nothing.
func (s *Store) catchUp(ctx context.Context) error {
	if err := s.await(ctx, s.raft.Barrier(0)); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	if s.State().ClusterID != "" {
		return nil
	}
	return s.settle(ctx, topology.ClusterInit{ClusterID: s.identity.ClusterID, Node: s.self, Format: s.format()})
}

// settle commits a command of the leader's own.
func (s *Store) settle(ctx context.Context, body topology.Body) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	return s.settleCommand(ctx, topology.Command{Body: body})
}

func (s *Store) settleCommand(ctx context.Context, c topology.Command) error {
	c.Who, c.At = "node "+s.self.ID, time.Now().UnixMilli()
	data, err := c.Encode()
	if err != nil {
		return err
	}
	done, err := s.applyHere(ctx, data)
	if err != nil {
		return err
	}
	return done.Outcome.Err()
}

// reconcile brings Raft's configuration and the table together, one change after
// another. The table says who is a member; Raft's configuration says who votes.
func (s *Store) reconcile(ctx context.Context) error {
	for ctx.Err() == nil {
		future := s.raft.GetConfiguration()
		if err := future.Error(); err != nil {
			return fmt.Errorf("raft configuration: %w", err)
		}
		nodes, servers := s.State().Nodes, future.Configuration().Servers
		change, ok := nextChange(s.self.ID, nodes, servers)
		if !ok {
			change, ok = s.attendance(s.State()).replaceable(nodes, servers)
		}
		if !ok {
			change, ok = s.findPromotion(ctx, promotable(nodes, servers))
		}
		if !ok {
			return nil
		}
		if err := s.make(ctx, change); err != nil {
			return fmt.Errorf("%s: %w", change, err)
		}
		s.log.Info("membership changed", "change", change.String())
	}
	return context.Cause(ctx)
}

// make carries one change out. Nobody else changes Raft's configuration, and Raft
// itself takes one change at a time.
func (s *Store) make(ctx context.Context, c change) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout)
	defer cancel()
	id, addr := raft.ServerID(c.id), raft.ServerAddress(c.id)
	switch c.verb {
	case addServer:
		return s.await(ctx, s.raft.AddNonvoter(id, addr, 0, 0))
	case removeServer:
		return s.await(ctx, s.raft.RemoveServer(id, 0, 0))
	case promote:
		return s.await(ctx, s.raft.AddVoter(id, addr, 0, 0))
	case demote:
		return s.await(ctx, s.raft.DemoteVoter(id, 0, 0))
	case recordVoter:
		return s.settle(ctx, topology.NodeSetVoter{ID: c.id, Voter: true})
	case recordLearner:
		return s.settle(ctx, topology.NodeSetVoter{ID: c.id, Reason: s.whyLearner(c.id)})
	}
	return fmt.Errorf("unknown change %s", c)
}

// findPromotion returns the first of the nodes that has caught up: one that does
// not answer, or has not got the table yet, must not count for the quorum.
func (s *Store) findPromotion(ctx context.Context, ids []string) (change, bool) {
	target := s.table.applied.Load()
	for _, id := range ids {
		status, err := s.ask(ctx, id)
		if err != nil {
			s.log.Debug("a node that could become a voter does not answer", "node", id, "error", err)
			continue
		}
		if status.Applied >= target && status.Epoch > 0 {
			return change{promote, id}, true
		}
	}
	return change{}, false
}
