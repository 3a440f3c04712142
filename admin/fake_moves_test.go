package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// leases is what a node of the cluster knows: the leader all. The caller has the lock.
func (s *fakeStore) leases() *Leases {
	if s.left < 0 {
		return nil
	}
	l := &Leases{Left: s.left}
	if s.leader == s.id {
		l.Nodes = map[string]NodeLease{}
		for i, id := range sortedKeys(s.state.Nodes) {
			l.Nodes[id] = NodeLease{Age: time.Duration(i) * 100 * time.Millisecond, Acked: s.state.Epoch, Left: s.nodes[id].left}
		}
	}
	return l
}

// fakeMover says what a script tells it, and moves nothing by itself.
type fakeMover struct {
	checks []Check
	err    error
	live   map[uint64]topology.JobProgress
}

func (m *fakeMover) Preflight(_ context.Context, moves []topology.SlotMove) ([]Check, error) {
	if m.checks != nil || m.err != nil {
		return m.checks, m.err
	}
	var checks []Check
	for _, move := range moves {
		checks = append(checks, Check{From: move.From, To: move.To, Name: "servers", Result: CheckOK, Text: "masters are masters"})
	}
	return checks, nil
}

func (m *fakeMover) Live(job uint64) (topology.JobProgress, bool) {
	p, ok := m.live[job]
	return p, ok
}

// fakeKeyspace stands for migrate/keyspace.
type fakeKeyspace struct {
	mu     sync.Mutex
	byAddr map[string]*fakeKeys
}

// fakeKeys is what one server has: keys by slot, and reserved ones.
type fakeKeys struct {
	slots    map[int]int64
	reserved []Reserved
	err      error
	// entered is called within each permit.
	entered func()
}

func (k *fakeKeyspace) at(addr string) *fakeKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byAddr[addr] == nil {
		k.byAddr[addr] = &fakeKeys{slots: map[int]int64{}}
	}
	return k.byAddr[addr]
}

func (k *fakeKeyspace) Measure(_ context.Context, s Survey) (Load, error) {
	keys := k.at(s.Target.Addr)
	load := Load{GroupLoad: topology.GroupLoad{Slots: map[int]topology.SlotLoad{}}}
	for slot, n := range keys.slots {
		if s.Owns(slot) {
			load.Slots[slot] = topology.SlotLoad{Keys: n, Bytes: 100 * n}
			load.Keys += n
			load.Bytes += 100 * n
		}
	}
	load.Scanned, load.Total = load.Keys, load.Keys
	return load, keys.err
}

func (k *fakeKeyspace) Inspect(_ context.Context, q Question) (Findings, error) {
	keys := k.at(q.Target.Addr)
	var f Findings
	for _, slot := range sortedKeys(keys.slots) {
		n := keys.slots[slot]
		f.Keys += n
		switch q.Place(slot) {
		case PlaceForeign:
			f.Foreign = KeyCount{Keys: f.Foreign.Keys + n, Example: fmt.Sprintf(`"key-of-%d"`, slot)}
		case PlaceUnserved:
			f.Unserved = KeyCount{Keys: f.Unserved.Keys + n, Example: fmt.Sprintf(`"key-of-%d"`, slot)}
		}
	}
	for _, r := range keys.reserved {
		if q.Over(r.Epoch) {
			f.LeftOver = append(f.LeftOver, r)
		}
	}
	return f, keys.err
}

func (k *fakeKeyspace) DropReserved(_ context.Context, t Target, list []Reserved) (int64, error) {
	keys := k.at(t.Addr)
	keys.reserved = slices.DeleteFunc(keys.reserved, func(r Reserved) bool { return slices.Contains(list, r) })
	return int64(len(list)), nil
}

func (k *fakeKeyspace) DeleteForeign(_ context.Context, t Target, g Guard) (deleted int64, err error) {
	keys := k.at(t.Addr)
	for _, slot := range sortedKeys(keys.slots) {
		permit, err := g.Enter()
		if err != nil {
			return deleted, err
		}
		if keys.entered != nil {
			keys.entered()
		}
		if permit.Foreign(slot) {
			deleted += keys.slots[slot]
			delete(keys.slots, slot)
		}
		g.Leave()
	}
	return deleted, nil
}

// mover is a step of a mover in a script: hold, migrate, release, done or clean.
func (c *fakeCluster) mover(t *testing.T, words []string) {
	t.Helper()
	var job, start, end uint64
	if _, err := fmt.Sscan(words[1], &job); err != nil {
		t.Fatal(err)
	}
	var body topology.Body
	switch words[0] {
	case "hold": // hold job start end
		_, err := fmt.Sscan(words[2], &start)
		_, err2 := fmt.Sscan(words[3], &end)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		j := c.state.Jobs[job]
		if len(j.Moves) == 0 {
			t.Fatalf("there is no job %d: %+v", job, c.state.Jobs)
		}
		move := j.Moves[0]
		for _, m := range j.Moves {
			if int(start) >= m.Start && int(end) <= m.End {
				move = m
			}
		}
		move.Start, move.End = int(start), int(end)
		body = topology.SlotsHold{Job: job, Moves: []topology.SlotMove{move}}
	case "report": // report job keys rate reason-with-dashes
		var keys int64
		var rate float64
		_, err := fmt.Sscan(words[2], &keys)
		_, err2 := fmt.Sscan(words[3], &rate)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		reason := ""
		if len(words) > 4 {
			reason = words[4]
		}
		body = topology.JobReport{ID: job, Progress: topology.JobProgress{Keys: keys, Bytes: 10 * keys, KeysPerSecond: rate, ETA: 12}, Reason: reason}
	default:
		if len(c.state.Jobs[job].Batches) == 0 {
			t.Fatalf("job %d has no batch: %+v", job, c.state.Jobs)
		}
		epoch := c.state.Jobs[job].Batches[0].Epoch
		body = map[string]topology.Body{
			"migrate": topology.SlotsMigrate{Job: job, Epoch: epoch}, "release": topology.SlotsRelease{Job: job, Epoch: epoch},
			"done": topology.SlotsDone{Job: job, Epoch: epoch}, "clean": topology.SlotsCleaned{Job: job, Epoch: epoch},
		}[words[0]]
	}
	if err := c.apply(topology.Command{Who: "mover", Body: body}).Err(); err != nil {
		t.Fatal(err)
	}
}
