package raftstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"codis/raftstore/topology"
)

// lastSilentFormat is the newest format of versions that don't tell which one they
// know.
const lastSilentFormat topology.Format = 2

// format is the newest one that this node knows.
func (s *Store) format() topology.Format {
	if f := s.cfg.seams.format; f != 0 {
		return f
	}
	return topology.StateFormat
}

// raiseFormat lets the cluster go by a newer format, once every member has said, in
// this term, that it knows it. Who is silent, is waited for, or removed: its version
// may be an old one. Nobody is added meanwhile who does not know it (the epoch).
func (s *Store) raiseFormat(ctx context.Context) error {
	state, book := s.State(), s.leases.Load()
	if book == nil || state.Format >= s.format() {
		return nil
	}
	known, _ := book.formats(state)
	if known <= state.Format {
		return nil
	}
	c := topology.Command{ExpectEpoch: state.Epoch, Body: topology.FormatRaise{Format: min(known, s.format())}}
	err := s.settleCommand(ctx, c)
	if errors.Is(err, &topology.Error{Code: topology.CodeStale}) {
		return nil // something else was changed: look again
	}
	if err != nil {
		return fmt.Errorf("raise the cluster to format %d: %w", known, err)
	}
	s.log.Info("all nodes know a newer format: the cluster goes by it from now on", "format", known, "before", state.Format)
	return nil
}

// formats returns the newest format that all members know, and who keeps the cluster
// from the newest one of this version.
func (b *leases) formats(state *topology.State) (known topology.Format, outdated []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known = topology.StateFormat
	for _, id := range slices.Sorted(maps.Keys(state.Nodes)) {
		node := state.Nodes[id]
		var format topology.Format
		if a := b.ledger.accounts[holderOf(node)]; a != nil {
			format = a.format
		}
		switch {
		case format == 0:
			outdated = append(outdated, fmt.Sprintf("%s (silent, last seen with version %s)", id, node.Version))
		case format < topology.StateFormat:
			outdated = append(outdated, fmt.Sprintf("%s (version %s)", id, node.Version))
		}
		known = min(known, format)
	}
	return known, outdated
}

// namingOutdated adds to a refusal which nodes it is due to.
func (s *Store) namingOutdated(err error) error {
	var refusal *topology.Error
	book := s.leases.Load()
	if book == nil || !errors.As(err, &refusal) || refusal.Code != topology.CodeUpgrade {
		return err
	}
	if _, outdated := book.formats(s.State()); len(outdated) > 0 {
		named := *refusal
		named.Hint = "upgrade " + strings.Join(outdated, ", ") + "; the cluster follows by itself"
		return &named
	}
	return err
}
