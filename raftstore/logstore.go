package raftstore

import (
	"errors"
	"fmt"
	"log/slog"
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
	// fault is why the last write failed; nil when it did not.
	fault atomic.Pointer[error]
	log   *slog.Logger
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
	return &logStore{BoltStore: store, limit: cfg.DiskTimeout, log: cfg.Logger}, nil
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
	err := l.write(entries)
	l.note(err)
	return err
}

func (l *logStore) write(entries []*raft.Log) error {
	if before := l.before.Load(); before != nil {
		if err := (*before)(); err != nil {
			return err
		}
	}
	return l.BoltStore.StoreLogs(entries)
}

// note tells once that the disk refuses writes, and once that it takes them again:
// Raft tries, fails, loses leadership and stands again, every second or two.
func (l *logStore) note(err error) {
	if err == nil {
		if l.fault.Swap(nil) != nil {
			l.log.Info("the disk takes the log again")
		}
		return
	}
	if l.fault.Swap(&err) == nil {
		l.log.Error("the disk refuses the log: this node can't lead, nor follow, until it takes writes again; is it full?", "error", err)
	}
}

// refusal is why the disk refuses writes, nil when it does not.
func (l *logStore) refusal() error {
	if err := l.fault.Load(); err != nil {
		return *err
	}
	return nil
}
