package api

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// lookEvery is how often everything is looked at while somebody watches, and
// changeGap how soon a change of the table is shown after the one before.
const (
	lookEvery = time.Second
	changeGap = 100 * time.Millisecond
)

// topic is one kind of event: the answer of the GET of the same name.
type topic struct {
	name  string
	words []string
	// slow says that another node is asked, which may take its time, and table that the
	// answer changes with the table all the same.
	slow, table bool
}

// topics are in the order in which a new watcher gets them.
func topics() []topic {
	return []topic{
		{name: "slots", words: wordsSlots},
		{name: "groups", words: wordsGroups},
		{name: "settings", words: wordsSettings},
		{name: "history", words: wordsHistory},
		{name: "overview", words: wordsOverview, slow: true},
		{name: "nodes", words: wordsNodes, slow: true},
		{name: "jobs", words: wordsJobs, slow: true, table: true},
	}
}

// hub looks at the topics once for all watchers, and only while there are some. What
// is as it was is not sent again.
type hub struct {
	ops Ops
	// wake has a value when the first watcher came.
	wake chan struct{}

	mu       sync.Mutex
	closed   bool
	latest   map[string]event
	number   uint64
	watchers map[*watcher]bool
}

// event is one message.
type event struct {
	name string
	data json.RawMessage
	id   uint64
}

// append writes the event in the form of the HTML standard.
func (e event) append(dst []byte) []byte {
	dst = append(dst, "id: "...)
	dst = strconv.AppendUint(dst, e.id, 10)
	dst = append(dst, "\nevent: "...)
	dst = append(dst, e.name...)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, e.data...)
	return append(dst, "\n\n"...)
}

// watcher is one stream. Of each topic it has the newest event only, so that a slow
// reader costs no memory.
type watcher struct {
	// ready has a value when pending has something, and is closed with the hub.
	ready   chan struct{}
	pending map[string]event // the mutex of the hub guards it
}

func newHub(ops Ops) *hub {
	return &hub{ops: ops, wake: make(chan struct{}, 1), latest: map[string]event{}, watchers: map[*watcher]bool{}}
}

// watch begins a stream, which gets what is known now at once; false when the hub is
// at its end.
func (h *hub) watch() (*watcher, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	if len(h.watchers) == 0 {
		clear(h.latest) // of an earlier time
	}
	w := &watcher{ready: make(chan struct{}, 1), pending: map[string]event{}}
	for name, e := range h.latest {
		w.pending[name] = e
	}
	h.watchers[w] = true
	notify(w.ready)
	notify(h.wake)
	return w, true
}

// leave ends a stream.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, w)
}

// take returns what a stream has not sent yet.
func (h *hub) take(w *watcher) []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []event
	for _, t := range topics() {
		if e, ok := w.pending[t.name]; ok {
			list = append(list, e)
		}
	}
	clear(w.pending)
	return list
}

// publish hands an answer to all streams if it is another one than before.
func (h *hub) publish(name string, data json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.Equal(h.latest[name].data, data) {
		return
	}
	h.number++
	e := event{name: name, data: data, id: h.number}
	h.latest[name] = e
	for w := range h.watchers {
		w.pending[name] = e
		notify(w.ready)
	}
}

func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watchers) > 0
}

// run looks until ctx ends.
func (h *hub) run(ctx context.Context) {
	defer h.close()
	changed, end := h.ops.Subscribe()
	defer end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for all := true; ; {
		for !h.watched() {
			select {
			case <-h.wake:
				all = true
			case <-ctx.Done():
				return
			}
		}
		h.look(ctx, all)
		select {
		case <-time.After(changeGap):
		case <-ctx.Done():
			return
		}
		select {
		case <-changed:
			all = false
		case <-h.wake:
			all = true
		case <-tick.C:
			all = true
		case <-ctx.Done():
			return
		}
	}
}

// look asks for the topics that follow from the table, or for all: first for those that
// this node knows, then, all at once, for those for which the leader is asked, since it
// may be the one that is gone.
func (h *hub) look(ctx context.Context, all bool) {
	var slow sync.WaitGroup
	for _, t := range topics() {
		ask := func() {
			if data, err := h.ops.JSON(ctx, "events", t.words...); err == nil {
				h.publish(t.name, data)
			}
		}
		switch {
		case !t.slow:
			ask()
		case all || t.table:
			slow.Go(ask) // ends with ctx, or with the bound of the question to the leader
		}
	}
	slow.Wait()
}

// close ends all streams.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for w := range h.watchers {
		close(w.ready)
	}
	clear(h.watchers)
}

// notify wakes up who waits on a channel of one place.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
