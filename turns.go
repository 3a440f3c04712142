package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"codis/admin"
	"codis/admin/config"
	"codis/migrate/failover"
	"codis/raftstore"
	"codis/raftstore/topology"
)

// startFailover gives groups other masters while this node leads.
func (n *Node) startFailover(context.Context, *config.Ports) error {
	c := failover.DefaultConfig()
	c.Store, c.Watcher, c.Poll = n.store, n.prober, n.poll
	c.Name, c.Logger = n.store.Status().ID, n.log
	turner, err := failover.New(c)
	if err != nil {
		return err
	}
	n.turner = turner
	n.store.SetLeaderWork(func(ctx context.Context) {
		var both sync.WaitGroup
		both.Go(func() { n.mover.Run(ctx) })
		both.Go(func() { turner.Run(ctx) })
		both.Wait()
	})
	// Silence counts from the moment at which a server is down to this node: the
	// leader is told then, not with the next renewal.
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() { n.prober.WatchDown(ctx, n.downAfter, n.store.RenewNow) })
	n.onStop("the watch for silent servers", func(context.Context) error {
		cancel()
		watch.Wait()
		return nil
	})
	return nil
}

func (n *Node) downAfter() time.Duration { return n.store.State().Settings.Duration("down-after") }

// silent is what this node tells the leader of servers that do not answer: more than
// are down, since several that fall silent together make the observer suspect.
func (n *Node) silent() []failover.Down {
	if n.serving.Load() == nil {
		return nil // the prober may not be there yet
	}
	return failover.Silent(n.prober.Snapshot(), time.Now(), n.downAfter()/2)
}

// poll is what voters under lease have reported to this node, the leader.
func (n *Node) poll() failover.Poll {
	status := n.store.Status()
	reports := n.store.Reports()
	p := failover.Poll{Voters: len(status.Voters)}
	for _, id := range status.Voters {
		told, ok := reports[id]
		if !ok || status.Nodes[id].Left <= 0 {
			continue
		}
		var r report
		if err := json.Unmarshal(told.Data, &r); err == nil {
			p.Votes = append(p.Votes, failover.Vote{Node: id, Down: r.Down})
		}
	}
	return p
}

// turnerForAdmin is failover's Controller in the words of admin.
type turnerForAdmin struct {
	*failover.Controller
	prober *failover.Prober
}

func (t turnerForAdmin) Promote(ctx context.Context, r admin.TurnRequest) (admin.Turned, error) {
	return turned(t.Controller.Promote(ctx, failover.Promote{Group: r.Group, Addr: r.Addr, Force: r.Force, Who: string(r.Who)}))
}

func (t turnerForAdmin) Replace(ctx context.Context, r admin.TurnRequest) (admin.Turned, error) {
	return turned(t.Controller.Replace(ctx, failover.Replace{Group: r.Group, Addr: r.Addr, Who: string(r.Who)}))
}

func turned(r failover.Result, err error) (admin.Turned, error) {
	if errors.Is(err, failover.ErrNotLeading) || errors.Is(err, raftstore.ErrNotLeader) {
		err = &topology.Error{Code: admin.CodeNoLeader, Message: err.Error(), Hint: "try again"}
	}
	return admin.Turned{Pause: r.Pause, LostBytes: r.LostBytes, Note: r.Note}, err
}

func (t turnerForAdmin) Alarms() []admin.GroupAlarm {
	var alarms []admin.GroupAlarm
	for _, a := range t.Controller.Alarms() {
		alarms = append(alarms, admin.GroupAlarm(a))
	}
	return alarms
}

func (t turnerForAdmin) Prospects(s *topology.State) map[int]admin.Prospect {
	prospects := map[int]admin.Prospect{}
	for id, p := range failover.Prospects(s, t.prober.Snapshot(), time.Now()) {
		prospects[id] = admin.Prospect{Possible: p.Possible, Why: p.Why}
	}
	return prospects
}
