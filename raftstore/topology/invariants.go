package topology

import (
	"errors"
	"fmt"
	"slices"
)

// CheckInvariants returns what is wrong with a state, all of it. Apply keeps every
// one of them; tests check after each step, and a node checks what it restores.
func (s *State) CheckInvariants() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if s.Format < oldestFormat || s.Format > StateFormat {
		bad("state format %d, this version knows %d to %d", s.Format, oldestFormat, StateFormat)
	}
	if s.ClusterID == "" && (s.Epoch != 0 || len(s.Nodes)+len(s.Groups)+len(s.Jobs)+len(s.Settings) > 0) {
		bad("a cluster without an ID has contents")
	}
	// The rest counts on ranges that are ranges.
	if s.checkRanges(bad); len(errs) > 0 {
		return errors.Join(errs...)
	}
	s.checkSlots(bad)
	s.checkGroups(bad)
	s.checkJobs(bad)
	s.checkNodes(bad)
	for name, value := range s.Settings {
		if err := CheckSetting(name, value); err != nil {
			bad("setting %s: %w", name, err)
		}
	}
	if err := s.Settings.checkTogether(); err != nil {
		bad("settings: %w", err)
	}
	s.checkMemory(bad)
	return errors.Join(errs...)
}

// checkSlots: a slot has an owner exactly when it is not unassigned, the groups
// that it names exist, and a slot that moves is in a batch at the same step.
func (s *State) checkSlots(bad func(string, ...any)) {
	for i, slot := range s.Slots {
		if slot.Phase == PhaseUnassigned {
			if slot != (Slot{}) {
				bad("slot %d is unassigned but has group %d, target %d", i, slot.Group, slot.Target)
			}
			continue
		}
		if _, ok := s.Groups[slot.Group]; !ok {
			bad("slot %d is at group %d, which does not exist", i, slot.Group)
		}
		switch slot.Phase {
		case PhaseServing:
			if slot != (Slot{Phase: PhaseServing, Group: slot.Group}) {
				bad("slot %d is being served but has target %d, epoch %d, job %d", i, slot.Target, slot.Epoch, slot.Job)
			}
		case PhaseHolding, PhaseMigrating:
			if _, ok := s.Groups[slot.Target]; !ok || slot.Target == slot.Group {
				bad("slot %d goes from group %d to group %d", i, slot.Group, slot.Target)
			}
			if batch, ok := s.Jobs[slot.Job].Batch(slot.Epoch); !ok || !slices.Contains(batch.Slots(), i) {
				bad("slot %d is %s, but batch %d of job %d does not have it", i, slot.Phase, slot.Epoch, slot.Job)
			}
		default:
			bad("slot %d has an unknown phase %d", i, slot.Phase)
		}
	}
}

// checkGroups: a server is in one group once, and the master is one of its servers.
func (s *State) checkGroups(bad func(string, ...any)) {
	owner := map[string]int{}
	for id, group := range s.Groups {
		if id != group.ID || id < 1 || id > MaxGroupID {
			bad("group %d is stored under %d", group.ID, id)
		}
		if group.Epoch == 0 || group.Epoch > s.Epoch {
			bad("group %d has epoch %d, the state has %d", id, group.Epoch, s.Epoch)
		}
		hasMaster := false
		for _, server := range group.Servers {
			if other, ok := owner[server.Addr]; ok {
				bad("server %s is in group %d and in group %d", server.Addr, other, id)
			}
			owner[server.Addr] = id
			hasMaster = hasMaster || server.Addr == group.Master
			if err := server.check(); err != nil {
				bad("group %d: %w", id, err)
			}
		}
		if !hasMaster {
			bad("group %d: master %q is not one of its servers", id, group.Master)
		}
		if len(group.Servers) > MaxServers {
			bad("group %d has %d servers", id, len(group.Servers))
		}
		s.checkTurn(group, bad)
	}
}

// checkNodes: a cluster has between 1 and MaxVoters voters.
func (s *State) checkNodes(bad func(string, ...any)) {
	for id, node := range s.Nodes {
		if id != node.ID {
			bad("node %s is stored under %s", node.ID, id)
		}
		if err := node.check(); err != nil {
			bad("node %s: %w", id, err)
		}
	}
	if voters := s.Voters(); s.ClusterID != "" && (voters < 1 || voters > MaxVoters) {
		bad("there are %d voters", voters)
	}
}

// checkMemory: history and outcomes are bounded and in order, and of one request
// there is one outcome.
func (s *State) checkMemory(bad func(string, ...any)) {
	if len(s.History) > MaxHistory || len(s.Requests) > MaxRequests {
		bad("%d changes and %d outcomes are kept", len(s.History), len(s.Requests))
	}
	for i, change := range s.History {
		if change.Epoch > s.Epoch || i > 0 && change.Epoch <= s.History[i-1].Epoch {
			bad("history line %d has epoch %d out of order", i, change.Epoch)
		}
	}
	seen := map[string]bool{}
	for _, outcome := range s.Requests {
		if outcome.RequestID == "" || seen[outcome.RequestID] {
			bad("request %q has more than one outcome, or no name", outcome.RequestID)
		}
		seen[outcome.RequestID] = true
	}
}
