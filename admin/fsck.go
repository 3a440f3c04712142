package admin

import (
	"context"
	"fmt"
	"sync"

	"codis/raftstore/topology"
)

// FindingKind is a stable word for programs.
type FindingKind string

const (
	// FindUnassigned: slots that no group serves.
	FindUnassigned FindingKind = "slots-unassigned"
	// FindOrphans: keys on a master whose slots another group serves.
	FindOrphans FindingKind = "orphans"
	// FindUnserved: keys on a master whose slots no group serves.
	FindUnserved FindingKind = "keys-unserved"
	// FindLeftOver: reserved keys of moves that are over.
	FindLeftOver FindingKind = "left-over"
	// FindUnknown: keys with reserved names that this version does not use.
	FindUnknown FindingKind = "reserved-unknown"
	// FindUnread: a master whose keys could not be read, or not all of them.
	FindUnread FindingKind = "not-read"
)

// Finding is something that is not as it should be.
type Finding struct {
	Kind FindingKind
	// Group is 0 where it is no single one.
	Group int
	// Count is how many keys or slots it is about, Repaired how many of them are in
	// order now.
	Count, Repaired int64
	Text            string
}

// FsckReport is all that was found, by group; empty when everything is in order.
type FsckReport []Finding

// Fsck reads the keys of all masters and looks for those that no client sees, for
// reserved keys that moves have left behind, and for slots without a group. It
// changes nothing. What is right in the table before or after the look is not
// reported, so that slots may move meanwhile.
func (o *Ops) Fsck(ctx context.Context) (FsckReport, error) {
	report, _, err := o.inspectAll(ctx)
	return report, err
}

// inspectAll makes the report, and gives what was found by group.
func (o *Ops) inspectAll(ctx context.Context) (FsckReport, map[int]Findings, error) {
	if err := o.needKeyspace(); err != nil {
		return nil, nil, err
	}
	state := o.cfg.Store.State()
	ids := sortedKeys(state.Groups)
	found, errs := make([]Findings, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() { // ends with ctx
			found[i], errs[i] = o.cfg.Keyspace.Inspect(ctx, Question{
				Target: masterOf(state, id),
				Place:  func(slot int) Place { return o.placeOf(state, slotAt{slot: slot, group: id}) },
				Over:   func(epoch uint64) bool { return isOver(state, epoch) },
			})
		})
	}
	wg.Wait()
	var report FsckReport
	if n := state.Unassigned(); n > 0 {
		report = append(report, Finding{Kind: FindUnassigned, Count: int64(n),
			Text: fmt.Sprintf("%d slots have no group, their keys are refused: assign them with CODIS.ASSIGN start end gid, or CODIS.ASSIGN AUTO", n)})
	}
	byGroup := map[int]Findings{}
	for i, id := range ids {
		byGroup[id] = found[i]
		report = append(report, findingsOf(state.Groups[id], found[i])...)
		if errs[i] != nil {
			report = append(report, Finding{Kind: FindUnread, Group: id, Count: 1,
				Text: fmt.Sprintf("not all keys of %s were read: %v", state.Groups[id].Master, errs[i])})
		}
	}
	return report, byGroup, nil
}

// slotAt is a key's slot, and the group on whose master the key is.
type slotAt struct{ slot, group int }

// placeOf says where a key belongs, by the table before the look and the present one.
func (o *Ops) placeOf(before *topology.State, at slotAt) Place {
	place := PlaceUnserved
	for _, s := range []*topology.State{before, o.cfg.Store.State()} {
		slot := s.Slots[at.slot]
		switch {
		case slot.Group == at.group || slot.Target == at.group:
			return PlaceOwn
		case slot.Group != 0:
			place = PlaceForeign
		}
	}
	return place
}

// isOver says whether the batch of an epoch is over by a table, however old that is:
// what comes later is never over, and what is over never begins again.
func isOver(s *topology.State, epoch uint64) bool {
	if epoch > s.Epoch {
		return false
	}
	for _, j := range s.Jobs {
		if _, underWay := j.Batch(epoch); underWay {
			return false
		}
	}
	return true
}

// findingsOf words what was found on a group's master.
func findingsOf(g topology.Group, f Findings) FsckReport {
	var report FsckReport
	add := func(kind FindingKind, count int64, format string, args ...any) {
		if count > 0 {
			report = append(report, Finding{Kind: kind, Group: g.ID, Count: count, Text: fmt.Sprintf(format, args...)})
		}
	}
	add(FindOrphans, f.Foreign.Keys, "%s has about %d keys of slots that other groups serve, such as %s: no client sees them; "+
		"save what is wanted of them, then delete them with CODIS.FSCK REPAIR ORPHANS", g.Master, f.Foreign.Keys, f.Foreign.Example)
	add(FindUnserved, f.Unserved.Keys, "%s has about %d keys of slots that no group serves, such as %s: assign those slots to group %d to serve them",
		g.Master, f.Unserved.Keys, f.Unserved.Example, g.ID)
	add(FindLeftOver, int64(len(f.LeftOver)), "%s has %d reserved keys of moves that are over: CODIS.FSCK REPAIR deletes them", g.Master, len(f.LeftOver))
	add(FindUnknown, f.Unknown.Keys, "%s has %d keys with reserved names that this version does not use, such as %s: of a newer version, or made by hand",
		g.Master, f.Unknown.Keys, f.Unknown.Example)
	return report
}

// scanContext bounds a look at all keys.
func scanContext(o *Ops, c *call) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, o.cfg.ScanTimeout)
}
