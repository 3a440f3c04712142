package raftstore

import (
	"context"
	"sync"
)

// SetLeaderWork sets what runs, on a goroutine of its own, while this node leads:
// once in each term, from when an entry of that term is committed and applied
// here, so that State is no older than what earlier leaders have done. Its context
// ends with leadership, and it must return then: the next term's work, on this
// node, and Close wait for it. A leader that was cut off learns late that it leads
// no longer: what the work does outside has to bear that.
func (s *Store) SetLeaderWork(work func(ctx context.Context)) {
	s.work.Store(&work)
	s.wake()
}

// startWork starts the work, if there is some, and reports whether there was.
func (s *Store) startWork(term context.Context, running *sync.WaitGroup) bool {
	work := s.work.Load()
	if work == nil {
		return false
	}
	running.Add(1)
	if !s.spawn(func() { defer running.Done(); (*work)(term) }) {
		running.Done()
	}
	return true
}
