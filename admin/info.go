package admin

import (
	"context"
	"time"

	"codis/raftstore/topology"
)

// Info is the cluster at a glance, as the local node sees it.
type Info struct {
	ClusterID string
	Epoch     uint64
	// Health is ok, degraded or down.
	Health   string
	Warnings []Warning
	// Node is the local node as the table has it; zero but for its ID while it joins.
	Node   topology.Node
	Status Status
	// LeaderHTTP is the leader's HTTP address, empty when there is no leader.
	LeaderHTTP string
	// Nodes is how many there are, Assigned how many of the slots a group serves, and
	// Moving how many are on their way.
	Nodes, Assigned, Moving int
	Groups                  []Group
	// Jobs are the unfinished ones, the oldest first.
	Jobs []Job
	// OnQuorumLoss is what this node does without a lease.
	OnQuorumLoss string
	// Totals is nil unless it was asked for: the leader has to be asked.
	Totals *Totals
	// At is the time of the look.
	At time.Time
}

// Info tells how the cluster is.
func (o *Ops) Info(ctx context.Context) (Info, error) {
	state, status, health := o.cfg.Store.State(), o.cfg.Store.Status(), o.health()
	node, ok := state.Nodes[status.ID]
	if !ok {
		node.ID = status.ID
	}
	now := time.Now()
	info := Info{
		ClusterID: state.ClusterID,
		Epoch:     state.Epoch,
		Node:      node,
		Status:    status,
		Groups:    o.groups(state, health),
		Warnings: Warnings(Observation{
			State: state, Status: status, Servers: health, Prospects: o.prospects(state), PeerSecret: o.cfg.PeerSecret, Held: o.holds.look(state, now), Alarms: o.alarms(),
		}),
		OnQuorumLoss: state.Settings.Text("on-quorum-loss"),
		LeaderHTTP:   state.Nodes[status.LeaderID].HTTPAddr,
		Nodes:        len(state.Nodes),
		At:           now,
	}
	for _, id := range sortedKeys(state.Jobs) {
		if j := state.Jobs[id]; !j.State.Finished() {
			info.Jobs = append(info.Jobs, o.live(j))
		}
	}
	info.Health = Health(info.Warnings)
	for _, n := range slotsPerGroup(state) {
		info.Assigned += n
	}
	for _, slot := range state.Slots {
		if slot.Target != 0 {
			info.Moving++
		}
	}
	return info, nil
}

// alarms are those of the groups.
func (o *Ops) alarms() []GroupAlarm {
	if o.cfg.Turner == nil {
		return nil
	}
	return o.cfg.Turner.Alarms()
}

// health is what the prober saw, or nothing when there is no prober.
func (o *Ops) health() map[string]ServerHealth {
	if o.cfg.Health == nil {
		return nil
	}
	return o.cfg.Health()
}
