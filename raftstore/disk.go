package raftstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"codis/raftstore/topology"
)

// phase says how far a directory has got.
//
//	(empty) --no Join--> bootstrapping --> member --> removed
//	(empty) --Join-----> joining ---------> member
type phase string

const (
	// phaseBootstrapping: this node starts a cluster of its own. Raft may or may
	// not have its first configuration yet.
	phaseBootstrapping phase = "bootstrapping"
	// phaseJoining: this node has asked to join, and has no answer yet. Raft's log
	// is empty.
	phaseJoining phase = "joining"
	// phaseMember: a member for good.
	phaseMember phase = "member"
	// phaseRemoved: CODIS.NODE REMOVE named this node, or the cluster was recovered
	// without it. The directory is of no use.
	phaseRemoved phase = "removed"
)

// identity is who a directory belongs to.
type identity struct {
	Format      int    `json:"format"`
	ClusterID   string `json:"cluster_id"`
	NodeID      string `json:"node_id"`
	Incarnation string `json:"incarnation"`
	Phase       phase  `json:"phase"`
	// Recovering is the cluster ID that a recovery is about to give the directory.
	Recovering string `json:"recovering,omitempty"`
	// Starts counts how often the directory was opened.
	Starts uint64 `json:"starts"`
}

// savedTable is the last table that this node has published.
type savedTable struct {
	// Applied is the index of the last entry that the table contains.
	Applied uint64          `json:"applied"`
	State   json.RawMessage `json:"state"`
}

const (
	diskFormat   = 1
	nodeFile     = "node.db"
	raftFile     = "raft.db"
	dirMode      = 0o700
	fileMode     = 0o600
	lockedAdvice = "stop that process first, or give this one another directory"
)

var (
	nodeBucket  = []byte("node")
	identityKey = []byte("identity")
	tableKey    = []byte("table")
)

// disk is node.db: what a node knows of itself, besides Raft. Holding it open
// is what locks the directory.
type disk struct{ db *bbolt.DB }

// openDisk opens or makes the directory and its node.db.
func openDisk(dir string, lockTimeout time.Duration) (*disk, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	path := filepath.Join(dir, nodeFile)
	_, missing := os.Stat(path)
	if errors.Is(missing, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, raftFile)); err == nil {
			return nil, fmt.Errorf("%w: %s holds %s but no %s: it is a part of a node; restore the rest, or begin with an empty directory",
				ErrDirectory, dir, raftFile, nodeFile)
		}
	}
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockTimeout, NoFreelistSync: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w: %s", dir, ErrLocked, lockedAdvice)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &disk{db: db}, nil
}

func (d *disk) close() error { return d.db.Close() }

// identity returns nil when the directory is new.
func (d *disk) identity() (*identity, error) {
	var id identity
	found, err := d.get(identityKey, &id)
	if err != nil || !found {
		return nil, err
	}
	if id.Format != diskFormat {
		return nil, fmt.Errorf("%w: %s has format %d, this version knows %d", ErrDirectory, d.db.Path(), id.Format, diskFormat)
	}
	return &id, nil
}

func (d *disk) setIdentity(id identity) error {
	id.Format = diskFormat
	return d.put(identityKey, id)
}

// forget makes the directory new again. Only for a node that has never been a
// member.
func (d *disk) forget() error {
	return d.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nodeBucket)
		if bucket == nil {
			return nil
		}
		return bucket.Delete(identityKey)
	})
}

// table returns the last table and the index of the last entry in it; nil when
// there is none.
func (d *disk) table() (*topology.State, uint64, error) {
	var saved savedTable
	found, err := d.get(tableKey, &saved)
	if err != nil || !found {
		return nil, 0, err
	}
	state, err := topology.DecodeState(saved.State)
	if err != nil {
		return nil, 0, fmt.Errorf("last table in %s: %w", d.db.Path(), err)
	}
	return state, saved.Applied, nil
}

func (d *disk) setTable(state *topology.State, applied uint64) error {
	data, err := state.Encode()
	if err != nil {
		return err
	}
	return d.put(tableKey, savedTable{Applied: applied, State: data})
}

func (d *disk) get(key []byte, into any) (found bool, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(nodeBucket)
		if bucket == nil {
			return nil
		}
		data := bucket.Get(key)
		if data == nil {
			return nil
		}
		found = true
		return json.Unmarshal(data, into)
	})
	if err != nil {
		return false, fmt.Errorf("read %s of %s: %w", key, d.db.Path(), err)
	}
	return found, nil
}

func (d *disk) put(key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	err = d.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(nodeBucket)
		if err != nil {
			return err
		}
		return bucket.Put(key, data)
	})
	if err != nil {
		return fmt.Errorf("write %s to %s: %w", key, d.db.Path(), err)
	}
	return nil
}
