package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"codis/admin"
	"codis/migrate/failover"
	"codis/raftstore"
	"codis/raftstore/topology"
)

func (n *Node) healthForAdmin() map[string]admin.ServerHealth {
	seen := n.prober.Snapshot()
	health := make(map[string]admin.ServerHealth, len(seen))
	for addr, h := range seen {
		a := admin.ServerHealth{
			State: h.State.String(), Role: h.Role.String(), LinkUp: h.LinkUp, LagBytes: h.LagBytes, Offset: h.Offset, Keys: h.Keys,
			Memory: h.Memory, Priority: h.Priority, Age: -1, Volatile: h.Durable == failover.DurableNo,
		}
		if !h.At.IsZero() {
			a.Age = time.Since(h.At)
		}
		if h.Syncing {
			a.Copy = &admin.Copy{Read: h.SyncRead, Total: h.SyncTotal}
		}
		if h.Err != nil {
			a.Err = h.Err.Error()
		}
		health[addr] = a
	}
	return health
}

// serversForAdmin is failover's look at redis-servers in the words of admin.
type serversForAdmin struct{ store *raftstore.Store }

func (serversForAdmin) Inspect(ctx context.Context, t admin.Target) (admin.Facts, error) {
	f, err := failover.Inspect(ctx, failover.Target(t))
	if err != nil {
		return admin.Facts{}, err
	}
	return admin.Facts{
		Addr: f.Addr, Version: f.Version, RunID: f.RunID, ReplID: f.ReplID, Raw: f,
	}, nil
}

func (serversForAdmin) Check(a admin.Attach) (admin.Verdict, error) {
	candidate, ok := a.Server.Raw.(failover.Facts)
	if !ok {
		return admin.Verdict{}, fmt.Errorf("%s was not inspected", a.Server.Addr)
	}
	question := failover.Attach{Candidate: candidate, Force: a.Force}
	if a.Master != nil {
		master, ok := a.Master.Raw.(failover.Facts)
		if !ok {
			return admin.Verdict{}, fmt.Errorf("%s was not inspected", a.Master.Addr)
		}
		question.Master = &master
	}
	v, err := failover.CheckAttach(question)
	return admin.Verdict{
		Follow: v.Action == failover.ActionFollow, Notes: slices.Concat(v.Notes, v.Warnings),
		Copying: candidate.Role == failover.RoleReplica && candidate.Syncing,
	}, err
}

func (serversForAdmin) Follow(ctx context.Context, l admin.Link) (admin.Copy, error) {
	p, err := failover.BeginFollow(ctx, followRequest(l))
	return copyForAdmin(p), err
}

func (serversForAdmin) AwaitCopy(ctx context.Context, l admin.Link) (admin.Copy, error) {
	p, err := failover.AwaitCopy(ctx, followRequest(l))
	return copyForAdmin(p), err
}

func followRequest(l admin.Link) failover.FollowRequest {
	return failover.FollowRequest{Replica: failover.Target(l.Replica), Master: failover.Target(l.Master)}
}

func copyForAdmin(p failover.FollowProgress) admin.Copy {
	return admin.Copy{Done: p.Done(), Read: p.SyncRead, Total: p.SyncTotal}
}

// functionsBarrier bounds the wait for nodes that do not know a group yet, and so would
// not load into it what clients load just now.
const functionsBarrier = time.Second

func (s serversForAdmin) GiveFunctions(ctx context.Context, state *topology.State, group int) (string, error) {
	adopted, cancel := context.WithTimeout(ctx, functionsBarrier)
	defer cancel()
	// A node that is silent serves nobody for long.
	_, _ = s.store.Barrier(adopted, state.Epoch)
	given, err := failover.GiveFunctions(ctx, state, group)
	return given.String(), err
}

func (serversForAdmin) CountForeign(ctx context.Context, c admin.Count) (admin.Foreign, error) {
	f, err := failover.CountForeign(ctx, failover.Target(c.Target), failover.ForeignScan{Owns: c.Owns, MaxKeys: c.Limit})
	return admin.Foreign{Keys: f.Count, Example: f.Example, Partial: f.Partial}, err
}
