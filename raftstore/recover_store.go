package raftstore

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// recoveryFSM applies the log, and gives the recovered state for a snapshot.
type recoveryFSM struct {
	recovery *Recovery
	state    *topology.State
	err      error // RecoverCluster does not look at what Apply returns
}

// Apply implements raft.FSM.
func (f *recoveryFSM) Apply(entry *raft.Log) any {
	c, err := topology.DecodeCommand(entry.Data)
	if err != nil {
		f.err = errors.Join(f.err, fmt.Errorf("log entry %d: %w", entry.Index, err))
		return err
	}
	f.state, _ = topology.Apply(f.state, entry.Index, c)
	return nil
}

// Restore implements raft.FSM.
func (f *recoveryFSM) Restore(source io.ReadCloser) error {
	defer source.Close()
	state, _, err := readSnapshot(source)
	if err == nil {
		f.state = state
	}
	return err
}

// Snapshot implements raft.FSM.
func (f *recoveryFSM) Snapshot() (raft.FSMSnapshot, error) {
	r := f.recovery
	if f.err != nil {
		return nil, f.err
	}
	// A recovery that was cut short goes on with the ID that it had chosen.
	cluster := r.identity.Recovering
	if cluster == "" {
		cluster = peer.NextGeneration(f.state.ClusterID)
	}
	after, err := topology.Recover(f.state, topology.Recovery{
		NodeID: r.NodeID, ClusterID: cluster, Epoch: r.LastIndex + epochsAhead, Who: r.cfg.Who, At: time.Now().UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	r.Before, r.After = f.state, after
	return &pendingSnapshot{state: after, applied: after.Epoch, servers: []string{r.NodeID}}, nil
}

// aheadSnapshots moves the index of what is written, as epochsAhead says.
type aheadSnapshots struct{ raft.SnapshotStore }

// Create implements raft.SnapshotStore.
func (s aheadSnapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, configIndex uint64, t raft.Transport) (raft.SnapshotSink, error) {
	return s.SnapshotStore.Create(version, index+epochsAhead, term, c, configIndex, t)
}

// dryLogs and drySnapshots can be read.
type dryLogs struct{ raft.LogStore }

// DeleteRange implements raft.LogStore.
func (dryLogs) DeleteRange(uint64, uint64) error { return nil }

type drySnapshots struct{ raft.SnapshotStore }

// Create implements raft.SnapshotStore.
func (drySnapshots) Create(raft.SnapshotVersion, uint64, uint64, raft.Configuration, uint64, raft.Transport) (raft.SnapshotSink, error) {
	return drySink{io.Discard}, nil
}

type drySink struct{ io.Writer }

// ID implements raft.SnapshotSink.
func (drySink) ID() string { return "" }

// Cancel implements raft.SnapshotSink.
func (drySink) Cancel() error { return nil }

// Close implements io.Closer.
func (drySink) Close() error { return nil }
