package migrate

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// purgeKeys is how many left-over keys one hold deletes at most: clients wait.
const purgeKeys = 20_000

// leftovers are keys that a group has of slots that are about to move to it. No
// client can reach them: they are of an earlier time, or were put there by hand.
type leftovers struct {
	// keys by database, no more than purgeKeys.
	keys  map[int][]fence.Key
	count int64
	// complete says that keys has them all.
	complete bool
	example  string
}

// lookFor reads the names of all keys of a server. Reserved keys are not counted.
func lookFor(ctx context.Context, l *link, slots map[int]bool) (leftovers, error) {
	found := leftovers{keys: map[int][]fence.Key{}, complete: true}
	for _, db := range slices.Sorted(maps.Keys(l.facts.keys)) {
		if _, err := l.one(ctx, "SELECT", strconv.Itoa(db)); err != nil {
			return found, fmt.Errorf("database %d: %w", db, err)
		}
		for cursor := "0"; ; {
			r, err := l.one(ctx, "SCAN", cursor, "COUNT", scanKeys)
			if err != nil {
				return found, err
			}
			if len(r.Array) != 2 {
				return found, l.wrap(fmt.Errorf("SCAN: %w", resp.ErrProtocol))
			}
			for _, e := range r.Array[1].Array {
				if slot := topology.SlotOf(e.Str); slots[slot] && !fence.IsReserved(e.Str) {
					found.add(db, fence.Key{Slot: slot, Name: e.Str})
				}
			}
			if cursor = r.Array[0].Text(); cursor == "0" {
				break
			}
		}
	}
	return found, nil
}

func (f *leftovers) add(db int, key fence.Key) {
	f.count++
	if f.example == "" {
		f.example = fmt.Sprintf("%.64q in database %d", key.Name, db)
	}
	if f.count > purgeKeys {
		f.complete = false
		return
	}
	key.Name = bytes.Clone(key.Name)
	f.keys[db] = append(f.keys[db], key)
}

// prepare makes the checks of a batch, and looks once per job and target for keys
// that are in the way. It returns those that may be deleted.
func (r *run) prepare(ctx context.Context, s *topology.State, t task, to *link, consent bool) (leftovers, error) {
	report, err := r.c.checkPair(ctx, s, pairMoves{from: t.from, to: t.to, moves: t.moves})
	if err != nil {
		return leftovers{}, err
	}
	if err := report.Err(); err != nil {
		return leftovers{}, err
	}
	key := foreignKey{job: t.job, from: t.from, to: t.to, runID: to.facts.runID}
	r.mu.Lock()
	known := r.clean[key]
	r.mu.Unlock()
	if known {
		return leftovers{}, nil
	}
	slots := map[int]bool{}
	for _, m := range s.Pending(s.Jobs[t.job]) {
		for i := m.Start; i <= m.End && m.From == t.from && m.To == t.to; i++ {
			slots[i] = true
		}
	}
	found, err := lookFor(ctx, to, slots)
	if err != nil {
		return found, err
	}
	if found.count == 0 {
		r.mu.Lock()
		r.clean[key] = true
		r.mu.Unlock()
		return found, nil
	}
	if !consent {
		return found, fmt.Errorf("%w: %d, for example %s", errLeftovers, found.count, found.example)
	}
	return found, nil
}
