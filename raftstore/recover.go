package raftstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// epochsAhead is how far behind the end of the log a recovered cluster goes on: the
// lost nodes may have written entries that the directory has not, and their indexes
// are epochs, which servers still hold in fences. It is more than they can have
// written in thirty years.
const epochsAhead = 1_000_000_000

// RecoveryConfig says which directory is to be recovered.
type RecoveryConfig struct {
	Dir string
	// Who does it, for the history.
	Who    string
	Logger *slog.Logger
	// LockTimeout is how long to wait for another process to let go of Dir, and
	// PeerTimeout for an answer of another member.
	LockTimeout, PeerTimeout time.Duration
}

// Recovery is the directory of a node, which is stopped, on its way to become a
// cluster of its own: for when the majority of the voters is lost for good. Nothing
// is changed before Commit.
type Recovery struct {
	// NodeID is whose directory it is.
	NodeID string
	// Before is what the node knows, all of its log included, After what the cluster
	// goes on with.
	Before, After *topology.State
	// LastIndex and LastTerm are those of its last entry: of several directories, the
	// one with the higher term, then the higher index, knows most.
	LastIndex, LastTerm uint64
	// Written is when the node last wrote to its log.
	Written time.Time

	cfg       RecoveryConfig
	identity  identity
	disk      *disk
	logs      *logStore
	snapshots raft.SnapshotStore
}

// OpenRecovery looks at a directory. Close must be called, unless it fails.
func OpenRecovery(cfg RecoveryConfig) (*Recovery, error) {
	if _, err := os.Stat(filepath.Join(cfg.Dir, nodeFile)); err != nil {
		return nil, fmt.Errorf("%w: %s is not the directory of a node: %w", ErrDirectory, cfg.Dir, err)
	}
	r := &Recovery{cfg: cfg}
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Recovery) open() error {
	cfg := r.cfg
	var err error
	if r.disk, err = openDisk(cfg.Dir, cfg.LockTimeout); err != nil {
		return err
	}
	if err := r.identify(); err != nil {
		return err
	}
	info, err := os.Stat(filepath.Join(cfg.Dir, raftFile))
	if err != nil {
		return fmt.Errorf("%w: %s has no log: %w", ErrDirectory, cfg.Dir, err)
	}
	r.Written = info.ModTime()
	if r.logs, err = openLogs(Config{Dir: cfg.Dir, LockTimeout: cfg.LockTimeout}); err != nil {
		return err
	}
	r.snapshots, err = raft.NewFileSnapshotStoreWithLogger(cfg.Dir, snapshotsKept, newQuietRaftLogger(cfg.Logger))
	if err != nil {
		return fmt.Errorf("open snapshots of %s: %w", cfg.Dir, err)
	}
	// The same as Commit, on stores that keep nothing.
	if err := r.run(dryLogs{r.logs}, drySnapshots{r.snapshots}); err != nil {
		return fmt.Errorf("read %s: %w", cfg.Dir, err)
	}
	return nil
}

// identify refuses directories of which there is nothing to recover.
func (r *Recovery) identify() error {
	id, err := r.disk.identity()
	switch {
	case err != nil:
		return err
	case id == nil || id.Phase == phaseJoining || id.Phase == phaseBootstrapping:
		return fmt.Errorf("%w: %s has never been a member of a cluster", ErrDirectory, r.cfg.Dir)
	case id.Phase == phaseRemoved:
		return fmt.Errorf("%w: %s belongs to node %s, which the cluster went on without", ErrRemoved, r.cfg.Dir, id.NodeID)
	}
	r.identity, r.NodeID = *id, id.NodeID
	return nil
}

// Running asks the other members, at their client addresses, and returns those that
// answer: with them there is no need for a recovery, and next to them it is not
// safe.
func (r *Recovery) Running(ctx context.Context) []topology.Node {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.PeerTimeout)
	defer cancel()
	var asked sync.WaitGroup
	var mu sync.Mutex
	var running []topology.Node
	for id, node := range r.Before.Nodes {
		if id == r.NodeID {
			continue
		}
		asked.Go(func() {
			answer, err := askPeer(ctx, resp.ClientOptions{Addr: node.Addr})
			words := answer.Strings()
			if err == nil && len(words) == 3 && words[0] == r.Before.ClusterID && words[1] == id {
				mu.Lock()
				defer mu.Unlock()
				running = append(running, node)
			}
		})
	}
	asked.Wait()
	slices.SortFunc(running, func(a, b topology.Node) int { return strings.Compare(a.ID, b.ID) })
	return running
}

// Commit makes the directory a cluster of its own. If it is cut short, the node does
// not start until the recovery has been run again.
func (r *Recovery) Commit() error {
	id := r.identity
	id.Recovering = r.After.ClusterID
	if err := r.disk.setIdentity(id); err != nil {
		return err
	}
	if err := r.run(r.logs, r.snapshots); err != nil {
		return fmt.Errorf("recover %s: %w", r.cfg.Dir, err)
	}
	// The node serves its last table until it has read the snapshot: that must not be
	// the one of the old cluster.
	if err := r.disk.setTable(r.After, r.After.Epoch); err != nil {
		return err
	}
	id.ClusterID, id.Recovering = id.Recovering, ""
	return r.disk.setIdentity(id)
}

// Close lets go of the directory.
func (r *Recovery) Close() error {
	var errs []error
	if r.logs != nil {
		errs = append(errs, r.logs.Close())
	}
	if r.disk != nil {
		errs = append(errs, r.disk.close())
	}
	return errors.Join(errs...)
}

// run reads snapshot and log, and writes a snapshot of what comes after, with this
// node as Raft's only server, in their place.
func (r *Recovery) run(logs raft.LogStore, snapshots raft.SnapshotStore) error {
	if err := r.findEnd(); err != nil {
		return err
	}
	fsm := &recoveryFSM{recovery: r, state: topology.NewState()}
	self := raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(r.NodeID), Address: raft.ServerAddress(r.NodeID)}
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = self.ID, newQuietRaftLogger(r.cfg.Logger)
	_, transport := raft.NewInmemTransport(self.Address) // only its encoding of addresses is used
	defer transport.Close()
	return raft.RecoverCluster(c, fsm, logs, r.logs, aheadSnapshots{snapshots}, transport, raft.Configuration{Servers: []raft.Server{self}})
}

// findEnd finds the last entry, in the log or in the snapshot that has replaced it.
func (r *Recovery) findEnd() error {
	kept, err := r.snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	if len(kept) > 0 {
		r.LastIndex, r.LastTerm = kept[0].Index, kept[0].Term
	}
	last, err := r.logs.LastIndex()
	if err != nil || last <= r.LastIndex {
		return err
	}
	var entry raft.Log
	if err := r.logs.GetLog(last, &entry); err != nil {
		return fmt.Errorf("entry %d: %w", last, err)
	}
	r.LastIndex, r.LastTerm = last, entry.Term
	return nil
}
