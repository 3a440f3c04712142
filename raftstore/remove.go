package raftstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"codis/raftstore/topology"
)

// RemoveNode takes a node out of the cluster for good, running or not. Any node
// can do it. Without force it refuses when the voters that would be left have no
// majority that answers. It returns when the table is changed; Raft's
// configuration follows at once.
func (s *Store) RemoveNode(ctx context.Context, id string, force bool) error {
	if err := s.checkRemoval(ctx, id); err != nil && (!force || !errors.Is(err, ErrMajority)) {
		return err
	}
	if id == s.self.ID && s.IsLeader() {
		// So that the others have a leader at once. It works without, too.
		if err := s.handOver(ctx, ""); err != nil {
			s.log.Warn("leadership was not handed over before the removal", "error", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ProposeTimeout, ErrNoLeader)
	defer cancel()
	// Not Propose: a node that is removed does not always learn that its own removal
	// was committed.
	done, err := s.commit(ctx, topology.Command{Who: "node " + s.self.ID, Body: topology.NodeRemove{ID: id}})
	if err != nil {
		return fmt.Errorf("remove node %s: %w", id, err)
	}
	if err := done.Outcome.Err(); err != nil {
		return err
	}
	if id == s.self.ID {
		return nil
	}
	return s.waitApplied(ctx, done.Index)
}

// checkRemoval asks the other voters whether they are there.
func (s *Store) checkRemoval(ctx context.Context, id string) error {
	nodes := s.State().Nodes
	if _, ok := nodes[id]; !ok {
		return &topology.Error{Code: topology.CodeNoNode, Message: fmt.Sprintf("there is no node %q", id), Hint: "CODIS.NODES lists them"}
	}
	if !nodes[id].Voter {
		return nil
	}
	var asked sync.WaitGroup
	var mu sync.Mutex
	var silent []string
	left := 0
	for other, node := range nodes {
		if other == id || !node.Voter {
			continue
		}
		left++
		asked.Go(func() {
			if _, err := s.ask(ctx, other); err != nil {
				mu.Lock()
				defer mu.Unlock()
				silent = append(silent, other)
			}
		})
	}
	asked.Wait()
	if answering := left - len(silent); left > 0 && answering <= left/2 {
		slices.Sort(silent)
		return fmt.Errorf("remove node %s: %w: of %d only %d would answer, %s would not; bring them back first, or remove those, or use FORCE",
			id, ErrMajority, left, answering, strings.Join(silent, ", "))
	}
	return nil
}
