package admin

import (
	"context"
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// FsckRepair asks for what CODIS.FSCK finds to be put in order.
type FsckRepair struct {
	// Orphans is a person's word that keys of slots which another group serves may
	// be deleted. Nobody knows whether that group has them too.
	Orphans bool
}

// FsckRepair deletes reserved keys that moves have left behind, and on demand
// orphans. It refuses while a job is unfinished, and stops when one begins. The
// report has what was found, and how much of it was repaired.
func (o *Ops) FsckRepair(ctx context.Context, _ Caller, r FsckRepair) (answer, error) {
	if !o.repair.TryLock() {
		return nil, refuse(topology.CodeBusy, "", "a repair is under way already")
	}
	defer o.repair.Unlock()
	if err := noJob(o.cfg.Store.State()); err != nil {
		return nil, err
	}
	if r.Orphans && o.cfg.Ack == nil {
		return nil, refuse("ERR", "", "this node can't keep slots from moving while it deletes keys")
	}
	report, found, err := o.inspectAll(ctx)
	if err != nil {
		return nil, err
	}
	state := o.cfg.Store.State()
	for i, f := range report {
		var repaired int64
		var err error
		switch {
		case f.Kind == FindLeftOver:
			repaired, err = o.cfg.Keyspace.DropReserved(ctx, masterOf(state, f.Group), found[f.Group].LeftOver)
		case f.Kind == FindOrphans && r.Orphans:
			repaired, err = o.cfg.Keyspace.DeleteForeign(ctx, masterOf(state, f.Group), &orphanGuard{o: o, group: f.Group, master: state.Groups[f.Group].Master})
		default:
			continue
		}
		report[i].Repaired = repaired
		report[i].Text = fmt.Sprintf("%s: %d of about %d keys were deleted", state.Groups[f.Group].Master, repaired, f.Count)
		if err != nil {
			report[i].Text += fmt.Sprintf(", then it stopped: %v", err)
		}
		o.log.Info("repaired", "kind", string(f.Kind), "group", f.Group, "deleted", repaired, "error", err)
	}
	return report, nil
}

// noJob refuses while slots move, or may move at any time.
func noJob(s *topology.State) error {
	for _, id := range sortedKeys(s.Jobs) {
		if j := s.Jobs[id]; !j.State.Finished() {
			return refuse(topology.CodeBusy, fmt.Sprintf("CODIS.JOB %d shows it; wait for its end, or CODIS.JOB %d CANCEL", id, id),
				"job %d is %s, and no key is deleted while slots may move", id, j.State)
		}
	}
	return nil
}

// maxPermit bounds a Permit: for so long a move that begins has to wait.
const maxPermit = time.Second

// errNoLease is what a Guard says on a node that may not serve.
var errNoLease = refuse(CodeNoLeader, "ask again when CODIS.INFO shows a lease", "this node has no lease")

// orphanGuard lets keys be deleted as if that were a request of a client: under the
// node's lease, and by a table that this node acknowledges nothing newer than before
// the request is done (SAFETY L).
type orphanGuard struct {
	o      *Ops
	group  int
	master string
}

// Enter implements Guard. The table is read after the gate is closed: a table that
// was acknowledged before is seen, and a later one waits.
func (g *orphanGuard) Enter() (Permit, error) {
	g.o.acks.close()
	permit, err := g.permit()
	if err != nil {
		g.o.acks.open()
	}
	return permit, err
}

func (g *orphanGuard) permit() (Permit, error) {
	state := g.o.cfg.Store.State()
	if err := noJob(state); err != nil {
		return Permit{}, err
	}
	if state.Groups[g.group].Master != g.master {
		return Permit{}, refuse(topology.CodeStale, "", "%s is no longer the master of group %d", g.master, g.group)
	}
	leases := g.o.cfg.Store.Status().Leases
	if leases == nil || leases.Left <= 0 {
		return Permit{}, errNoLease
	}
	return Permit{Left: min(leases.Left, maxPermit), Foreign: func(slot int) bool {
		return state.Slots[slot].Group != 0 && state.Slots[slot].Group != g.group
	}}, nil
}

// Leave implements Guard.
func (g *orphanGuard) Leave() { g.o.acks.open() }
