package router

import (
	"context"
	"errors"
	"slices"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// How long a reaper waits between two tries.
const (
	reapMin = 50 * time.Millisecond
	reapMax = 2 * time.Second
)

// everySlot counts what concerns all slots of a server: FLUSHALL and FLUSHDB, which
// take the reserved keys of a move with them.
const everySlot = topology.SlotCount

// enter counts a request as in flight in a slot, until leave. A hold is drained
// when no request of its slots is in flight in any loop (SAFETY L3).
func (l *loop) enter(q *request, slot int) {
	l.inflight[slot]++
	q.slots = append(q.slots, uint16(slot))
}

// enterAll counts a request in several slots, once for each of its keys.
func (l *loop) enterAll(q *request, slots []uint16) {
	for _, slot := range slots {
		l.inflight[slot]++
	}
	q.slots = append(q.slots, slots...)
}

// leave ends the count of a request; its reply is here or will never be.
func (l *loop) leave(q *request) {
	for _, slot := range q.slots {
		l.inflight[slot]--
	}
	q.slots = q.slots[:0]
}

// haunting is a connection that was given up while the server may still run what
// came over it, with the slots of those requests.
//
// A process starts with one for every master (see hauntAll): what an earlier
// process of this node had sent when it was killed may wait in a server that hangs.
type haunting struct {
	clientID int64
	runID    string
	slots    []uint16
	// former stands for all connections of this node's earlier processes.
	former bool
	// flush says that a FLUSHALL or FLUSHDB is among the requests.
	flush bool
}

// haunt keeps the slots of requests in flight that were answered with an error
// because their connection broke or timed out: the server may run them still, and
// can't any more only after CLIENT KILL ID of that connection was answered, or
// when it has another run ID (SAFETY L3, and its facts). What runs at a server that
// is no master concerns nobody, and at one that is being abandoned only if it stays
// the master after all: see adoptRoles.
func (b *backend) haunt(slots []uint16) {
	if len(slots) == 0 || b.l.r.faults.drainForgets {
		return
	}
	h := haunting{clientID: b.clientID, runID: b.runID}
	for _, slot := range slots {
		if slot == everySlot { // of this server, see haunted: it may be gone for good
			h.flush = true
			continue
		}
		h.slots = append(h.slots, slot)
	}
	at := b.srv
	if at.retired {
		at = at.successor()
	}
	if at == nil || at.role == roleReplica {
		return
	}
	at.hauntings = append(at.hauntings, h)
	if at.role != roleAbandoned {
		h.count(b.l, +1)
	}
	at.reap()
}

// count adds a haunting to the requests in flight, or takes it off them.
func (h *haunting) count(l *loop, change int32) {
	for _, slot := range h.slots {
		l.inflight[slot] += change
	}
}

func (s *server) countHauntings(change int32) {
	for i := range s.hauntings {
		s.hauntings[i].count(s.l, change)
	}
}

// reaper is a goroutine that makes sure of a server's hauntings.
type reaper struct{ stop context.CancelFunc }

// stopReaping ends the reaper, if there is one.
func (s *server) stopReaping() {
	if s.reaper != nil {
		s.reaper.stop()
		s.reaper = nil
	}
}

// reap starts the server's reaper, which makes sure of its hauntings one after the
// other, unless it runs.
func (s *server) reap() {
	if s.reaper != nil || len(s.hauntings) == 0 || s.role == roleAbandoned {
		return
	}
	ctx, stop := context.WithCancel(s.l.r.ctx)
	me := &reaper{stop}
	s.reaper = me
	pending := slices.Clone(s.hauntings)
	s.l.r.spawn(func(context.Context) {
		defer stop()
		if s.reapAll(ctx, pending) {
			s.l.post(func() { s.reaped(me, len(pending)) })
		}
	})
}

// reaped takes the oldest hauntings off, unless the reaper was stopped meanwhile.
func (s *server) reaped(by *reaper, n int) {
	if s.reaper != by {
		return
	}
	s.reaper = nil
	for i := range s.hauntings[:n] {
		s.hauntings[i].count(s.l, -1)
	}
	s.hauntings = append([]haunting(nil), s.hauntings[n:]...)
	s.reap() // what has come meanwhile
}

// reapAll tries until the server can't run anything of pending any more; it returns
// false when ctx ended first.
func (s *server) reapAll(ctx context.Context, pending []haunting) bool {
	for wait := reapMin; ; wait = min(2*wait, reapMax) {
		err := s.killAll(ctx, pending)
		if err == nil {
			return true
		}
		if wait < reapMax && 2*wait >= reapMax { // once
			s.l.log.Warn("a server may still run old requests of this node, and slots can't leave it: CLIENT KILL is tried until it is answered",
				"group", s.group, "server", s.addr, "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// errNoClientID is returned for a server that does not tell its clients' IDs: only
// its restart helps.
var errNoClientID = errors.New("it did not answer CLIENT ID")

// killAll returns nil once the server can't run anything that came over the
// connections any more.
func (s *server) killAll(ctx context.Context, pending []haunting) error {
	client, err := s.l.r.dialTool(ctx, s.target, 0)
	if err != nil {
		return err
	}
	defer client.Close()
	runID, err := askRunID(ctx, client)
	if err != nil {
		return err
	}
	for _, h := range pending {
		switch {
		case h.former:
			if err := s.l.r.killFormer(ctx, client); err != nil {
				return err
			}
		case h.runID != runID: // another process: it never saw the connection
		case h.clientID == 0:
			return errNoClientID
		default:
			// Any answer will do: the connection is gone when it comes.
			if _, err := client.Do(ctx, "CLIENT", "KILL", "ID", itoa(h.clientID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// haunted says whether a FLUSHALL may still run at a server, one of an earlier
// process maybe. It concerns all slots there, also those that are about to come.
func (s *server) haunted() bool {
	return s.role != roleAbandoned && slices.ContainsFunc(s.hauntings, func(h haunting) bool { return h.former || h.flush })
}

// hauntAll is called once, with the first table of the process: until a master has
// forgotten the connections of this node's earlier processes, its slots count as
// in flight.
func (l *loop) hauntAll() {
	slots := make(map[int][]uint16)
	for slot := range topology.SlotCount {
		if r := l.table.slots[slot]; r != nil {
			slots[r.master] = append(slots[r.master], uint16(slot))
		} else if m, ok := l.table.moving[slot]; ok {
			slots[m.from.master] = append(slots[m.from.master], uint16(slot))
			if m.to != m.from {
				slots[m.to.master] = append(slots[m.to.master], uint16(slot))
			}
		}
	}
	for index, slots := range slots {
		s := l.servers[index]
		h := haunting{former: true, slots: slots}
		s.hauntings = append(s.hauntings, h)
		if s.role != roleAbandoned {
			h.count(l, +1)
		}
		s.reap()
	}
}

// killFormer ends the connections at a server that carry this node's name but not
// this process's token.
func (r *Router) killFormer(ctx context.Context, client *resp.Client) error {
	_, err := client.EndNamed(ctx, func(name string) bool {
		owner, ok := fence.ParseOwner(name)
		return ok && owner.Node == r.cfg.NodeID && owner.Token != r.token
	})
	return err
}

// askRunID asks a server for its run ID, which changes when it restarts.
func askRunID(ctx context.Context, client *resp.Client) (string, error) {
	reply, err := client.Do(ctx, "INFO", "server")
	if err != nil {
		return "", err
	}
	return resp.ParseInfo(reply.Text())["run_id"], nil
}

// slotsOf gathers the slots of the requests that a connection owes and that may
// change something when they run late.
func (b *backend) slotsOf() []uint16 {
	var slots []uint16
	for i := range b.fifo.size {
		q := b.fifo.ring[(b.fifo.head+i)&(len(b.fifo.ring)-1)]
		if q.parent != nil {
			q = q.parent
		}
		if !q.readonly {
			slots = append(slots, q.slots...)
		}
	}
	slices.Sort(slots)
	return slots
}
