package admin

import (
	"fmt"
	"strings"
	"time"

	"codis/raftstore/topology"
)

func readInfo(o *Ops, c *call, _ [][]byte) (answer, error) {
	info, err := o.Info(c.ctx)
	if err == nil && c.json {
		o.complete(c, &info)
	}
	return info, err
}

func (i Info) reply(c *call) { c.WriteBulkString(i.Text()) }

// Text writes the info in the form of Redis's INFO: sections, and lines of name
// and value. Lists have one numbered line for each member. The router appends it
// to its own INFO, so that no name may be one of Redis's: all have a prefix.
func (i Info) Text() string {
	t := &infoText{}
	t.section("Codis_cluster")
	t.line("cluster_id", i.ClusterID)
	t.line("epoch", i.Epoch)
	t.line("health", i.Health)
	t.line("warnings", len(i.Warnings))
	for n, w := range i.Warnings {
		t.line(fmt.Sprintf("warning_%d", n+1), w.Level.String()+" "+w.Code+" "+w.Text)
	}
	t.section("Codis_node")
	t.line("node_id", i.Node.ID)
	t.line("version", i.Node.Version)
	t.line("addr", i.Node.Addr)
	t.line("peer_addr", i.Node.PeerAddr)
	t.line("http_addr", i.Node.HTTPAddr)
	t.line("zone", i.Node.Zone)
	t.section("Codis_raft")
	t.line("joined", yesNo(i.Status.Joined))
	t.line("role", i.Status.Role)
	t.line("leader_id", i.Status.LeaderID)
	t.line("leader_addr", i.Status.LeaderAddr)
	t.line("term", i.Status.Term)
	t.line("commit_index", i.Status.CommitIndex)
	t.line("applied_index", i.Status.AppliedIndex)
	t.line("voters", strings.Join(sorted(i.Status.Voters), ","))
	t.line("nonvoters", strings.Join(sorted(i.Status.Nonvoters), ","))
	t.line("last_contact_ms", contactMS(i.Status.LastContact))
	if leases := i.Status.Leases; leases != nil {
		t.section("Codis_lease")
		t.line("lease_left_ms", leases.Left.Milliseconds())
		t.line("on_quorum_loss", i.OnQuorumLoss)
	}
	t.section("Codis_slots")
	t.line("slots_total", topology.SlotCount)
	t.line("slots_assigned", i.Assigned)
	t.line("slots_unassigned", topology.SlotCount-i.Assigned)
	t.section("Codis_groups")
	t.line("groups", len(i.Groups))
	for _, g := range i.Groups {
		t.line(fmt.Sprintf("group_%d", g.ID), fmt.Sprintf("master=%s,replicas=%d,slots=%d,epoch=%d", g.Master, len(g.Servers)-1, g.Slots, g.Epoch))
	}
	t.section("Codis_jobs")
	t.line("jobs", len(i.Jobs))
	for _, j := range i.Jobs {
		t.line(fmt.Sprintf("job_%d", j.ID), fmt.Sprintf("kind=%s,state=%s,slots_done=%d,slots_total=%d,keys=%d",
			j.Kind, j.State, j.Progress.SlotsDone, j.Progress.SlotsTotal, j.Progress.Keys))
	}
	return t.text.String()
}

// infoText builds the text of INFO.
type infoText struct{ text strings.Builder }

func (t *infoText) section(name string) {
	if t.text.Len() > 0 {
		t.text.WriteString("\r\n")
	}
	t.text.WriteString("# " + name + "\r\n")
}

func (t *infoText) line(name string, value any) {
	fmt.Fprintf(&t.text, "codis_%s:%s\r\n", name, oneLine(fmt.Sprint(value)))
}

// contactMS is -1 when there was no contact.
func contactMS(d time.Duration) int64 {
	if d < 0 {
		return -1
	}
	return d.Milliseconds()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
