package trial

import (
	"context"
	"fmt"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// settle waits until the cluster is at rest: no unfinished job, and every replica
// has what its master has.
func (t *trial) settle(ctx context.Context) {
	deadline := time.Now().Add(t.opt.JobPatience)
	why := ""
	for time.Now().Before(deadline) {
		if why = t.unsettled(ctx); why == "" {
			return
		}
		pause(ctx, 200*time.Millisecond)
	}
	t.rec.found(Wrong, nil, "no rest %v after the last fault: %s", t.opt.JobPatience, why)
}

func (t *trial) unsettled(ctx context.Context) string {
	for _, n := range t.site.nodes {
		if reply, err := t.site.ask(ctx, n, "EXISTS", "x"); err != nil {
			return fmt.Sprintf("node %s: %v %s", n.name, err, reply.Text())
		}
	}
	jobs, err := t.site.askAny(ctx, "CODIS.JOBS")
	if err != nil {
		return "CODIS.JOBS: " + err.Error()
	}
	for _, row := range jobs.Array {
		f := fieldsOf(row)
		if !topology.JobState(f["state"]).Finished() {
			if f["state"] == string(topology.JobPaused) {
				t.resume(f["id"])
			}
			return fmt.Sprintf("job %s is %s: %s", f["id"], f["state"], f["reason"])
		}
	}
	for _, turn := range t.watch.turns(t.site) {
		if turn.lossy() && !turn.measured {
			return fmt.Sprintf("the history does not tell what was lost: %v", turn)
		}
	}
	return t.unsettledGroups(ctx)
}

// unsettledGroups: every replica must have what its master has; the stream goes on.
func (t *trial) unsettledGroups(ctx context.Context) string {
	seats, err := t.site.seats(ctx)
	if err != nil {
		return err.Error()
	}
	for _, g := range t.site.groups {
		master, err := t.replication(ctx, seats[g.id].master)
		if err != nil {
			return err.Error()
		}
		if seats[g.id].turning || master.replica {
			return fmt.Sprintf("group %d is without a master", g.id)
		}
		for _, m := range g.servers {
			if m == seats[g.id].master {
				continue
			}
			replica, err := t.replication(ctx, m)
			if err != nil {
				return err.Error()
			}
			if !replica.replica || !replica.linked || replica.offset < master.offset || replica.replID != master.replID {
				return fmt.Sprintf("%s has not all that its master %s has: %+v, %+v", m.name, seats[g.id].master.name, replica, master)
			}
		}
	}
	return ""
}

func (t *trial) replication(ctx context.Context, m *member) (s sample, err error) {
	info, err := t.site.ask(ctx, m, "INFO", "replication")
	if err == nil {
		s.read(resp.ParseInfo(info.Text()))
	}
	return s, err
}
