package raftstore

import "slices"

// MaxReport bounds what one renewal may carry of a node's observations, in bytes.
const MaxReport = 64 << 10

// Report is what a member has told the leader with its last renewal.
type Report struct {
	// Data is what its Config.Report has returned. It is not to be modified.
	Data []byte
	// At is the leader's Boottime when it arrived.
	At int64
}

// Reports returns the last report of each member that has sent one in this term, by
// node ID; nil when this node does not lead. How old a report is, and whether its
// sender may still serve, Status.Nodes tells: a renewal that was refused has been
// heard all the same.
func (s *Store) Reports() map[string]Report {
	book := s.leases.Load()
	if book == nil {
		return nil
	}
	members := s.State().Nodes
	book.mu.Lock()
	defer book.mu.Unlock()
	found := map[string]Report{}
	for who, heard := range book.reports {
		if member, ok := members[who.id]; ok && holderOf(member) == who && len(heard.Data) > 0 {
			found[who.id] = heard.Report
		}
	}
	return found
}

// RenewNow has this node's lease renewed, and its report sent, at once: when it has
// seen what the leader should not learn a second later. It does not block.
func (s *Store) RenewNow() { poke(s.renewNow) }

// report is what this node sends with a renewal.
func (s *Store) report() []byte {
	if s.cfg.Report == nil {
		return nil
	}
	data := s.cfg.Report()
	if len(data) > MaxReport {
		s.log.Error("a report is too long to be sent", "bytes", len(data), "limit", MaxReport)
		return nil
	}
	return data
}

// reports is by data directory. What a process has reported is forgotten with it.
type reports map[holder]heardReport

type heardReport struct {
	Report
	starts uint64
}

// hear takes in a message of a member; only a renewal says something new.
func (b reports) hear(now int64, r renewal) {
	switch {
	case len(r.Report) > MaxReport:
	case len(r.Report) > 0:
		b[r.holder()] = heardReport{Report{Data: slices.Clip(r.Report), At: now}, r.Starts}
	case b[r.holder()].starts < r.Starts:
		delete(b, r.holder())
	}
}

// forget takes in that a process serves no more.
func (b reports) forget(r renewal) {
	if b[r.holder()].starts <= r.Starts {
		delete(b, r.holder())
	}
}
