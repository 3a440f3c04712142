package raftstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// logStore is Raft's log on disk, watched for writes that hang.
type logStore struct {
	*raftboltdb.BoltStore
	limit time.Duration
	// began is when the write under way began, in nanoseconds; 0: there is none.
	// Raft writes from one goroutine at a time.
	began atomic.Int64
	// before is called in each write, if it is set: tests make it hang or fail.
	before atomic.Pointer[func() error]
}

func openLogs(cfg Config) (*logStore, error) {
	path := filepath.Join(cfg.Dir, raftFile)
	store, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		// The free list is rebuilt at start, which is quick for a log of this size,
		// instead of being written with each entry.
		BoltOptions:             &bbolt.Options{Timeout: cfg.LockTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType},
		MsgpackUseNewTimeFormat: true,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w: %s", cfg.Dir, ErrLocked, lockedAdvice)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &logStore{BoltStore: store, limit: cfg.DiskTimeout}, nil
}

// stalled says whether a write has been under way for too long.
func (l *logStore) stalled() bool {
	began := l.began.Load()
	return began != 0 && time.Now().UnixNano()-began > int64(l.limit)
}

// StoreLog implements raft.LogStore.
func (l *logStore) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore.
func (l *logStore) StoreLogs(entries []*raft.Log) error {
	l.began.Store(time.Now().UnixNano())
	defer l.began.Store(0)
	if before := l.before.Load(); before != nil {
		if err := (*before)(); err != nil {
			return err
		}
	}
	return l.BoltStore.StoreLogs(entries)
}
