package raftstore

import (
	"context"
	"sync"
	"sync/atomic"

	"codis/raftstore/topology"
)

// table is the published state: what every reader on this node sees. It never
// goes back: after a restart the node serves the table that it had before, while
// Raft replays older entries into the FSM.
type table struct {
	state   atomic.Pointer[topology.State]
	applied atomic.Uint64 // index of the last entry that the FSM has applied in this run
	changed broadcast

	// mu guards subscribers.
	mu          sync.Mutex
	subscribers map[chan struct{}]struct{}
}

func newTable(state *topology.State) *table {
	t := &table{subscribers: map[chan struct{}]struct{}{}}
	t.state.Store(state)
	return t
}

// advance is called by the FSM after each batch, and by nobody else. It reports
// whether the state is newer than the one that was published.
func (t *table) advance(state *topology.State, applied uint64) bool {
	newer := state.Epoch > t.state.Load().Epoch
	if newer {
		t.state.Store(state)
	}
	t.applied.Store(applied)
	t.changed.all()
	if newer {
		t.notify()
	}
	return newer
}

// subscribe returns a channel of one slot that gets a value when the state has
// changed, and a function that ends the subscription.
func (t *table) subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subscribers[c] = struct{}{}
	return c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.subscribers, c)
	}
}

func (t *table) notify() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.subscribers {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last change, and will see this one too
		}
	}
}

// wait returns when done says so, or the context ends.
func (t *table) wait(ctx context.Context, done func() bool) error {
	for {
		next := t.changed.next()
		if done() {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// broadcast wakes up everyone who waits. Its zero value is ready.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

// next returns a channel that the next call of all closes.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) all() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}
