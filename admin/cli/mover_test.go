package cli

import (
	"context"
	"errors"
	"fmt"

	"codis/admin"
	"codis/raftstore/topology"
)

// mover moves four slots of a job, or half of them, each time that somebody looks at it.
type mover struct{ store *store }

func (m *mover) Preflight(_ context.Context, moves []topology.SlotMove) ([]admin.Check, error) {
	var checks []admin.Check
	for _, move := range moves {
		c := admin.Check{From: move.From, To: move.To, Name: "memory", Result: admin.CheckOK, Text: "10.0 MB left, about 1.2 MB needed"}
		if move.Len() > 300 {
			c.Result, c.Text = admin.CheckFail, "0.1 MB left, about 1.2 MB needed"
		}
		checks = append(checks, c)
	}
	return checks, nil
}

func (m *mover) Live(id uint64) (topology.JobProgress, bool) {
	s := m.store.State()
	pending := s.Pending(s.Jobs[id])
	if s.Jobs[id].State == topology.JobRunning && len(pending) > 0 {
		move := pending[0]
		move.End = min(move.End, move.Start+max(4, s.Jobs[id].Progress.SlotsTotal/2)-1)
		hold := m.propose(topology.SlotsHold{Job: id, Moves: []topology.SlotMove{move}})
		m.propose(topology.SlotsMigrate{Job: id, Epoch: hold.Epoch})
		m.propose(topology.SlotsDone{Job: id, Epoch: hold.Epoch})
		m.propose(topology.SlotsCleaned{Job: id, Epoch: hold.Epoch})
	}
	p := s.Jobs[id].Progress
	p.Keys, p.Bytes, p.KeysPerSecond = int64(p.SlotsDone)*100, int64(p.SlotsDone)*15_000, 800
	p.ETA = int64(p.SlotsTotal-p.SlotsDone) / 8
	return p, true
}

func (m *mover) propose(body topology.Body) topology.Outcome {
	out, _ := m.store.Propose(context.Background(), topology.Command{Who: "mover", Body: body})
	return out
}

// keyspace has something in disorder on 10.0.0.1:6379, and 10 keys in every slot.
type keyspace struct{}

func (keyspace) Measure(_ context.Context, s admin.Survey) (admin.Load, error) {
	load := admin.Load{GroupLoad: topology.GroupLoad{Slots: map[int]topology.SlotLoad{}}}
	for slot := range topology.SlotCount {
		if s.Owns(slot) {
			load.Slots[slot] = topology.SlotLoad{Keys: 10, Bytes: 1000}
			load.Keys, load.Bytes = load.Keys+10, load.Bytes+1000
		}
	}
	load.Scanned, load.Total = load.Keys/2, load.Keys
	return load, nil
}

func (keyspace) Inspect(_ context.Context, q admin.Question) (admin.Findings, error) {
	if q.Target.Addr != "10.0.0.1:6379" {
		return admin.Findings{}, nil
	}
	f := admin.Findings{LeftOver: []admin.Reserved{{Slot: 7, Epoch: 5}}}
	if q.Place(0) == admin.PlaceForeign {
		f.Foreign = admin.KeyCount{Keys: 2, Example: `"user:1"`}
	}
	return f, nil
}

func (keyspace) DropReserved(_ context.Context, _ admin.Target, list []admin.Reserved) (int64, error) {
	return int64(len(list)), nil
}

func (keyspace) DeleteForeign(_ context.Context, t admin.Target, g admin.Guard) (int64, error) {
	if _, err := g.Enter(); err != nil {
		return 0, err
	}
	defer g.Leave()
	return 1, fmt.Errorf("%s: %w", t.Addr, errors.New("broken pipe"))
}
