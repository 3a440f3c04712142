package main

import (
	"log/slog"
	"time"

	urfave "github.com/urfave/cli/v2"

	"codis/admin/recovery"
	"codis/raftstore"
)

// recoverCommand joins `codis recover` with the directories of raftstore.
func recoverCommand() *urfave.Command {
	return recovery.Command(func(o recovery.Options) (recovery.Directory, error) {
		r, err := raftstore.OpenRecovery(raftstore.RecoveryConfig{
			Dir: o.Dir, Who: o.Who, Logger: slog.New(slog.DiscardHandler), LockTimeout: time.Second, PeerTimeout: 3 * time.Second,
		})
		if err != nil {
			return nil, err
		}
		return directory{Recovery: r, dir: o.Dir}, nil
	})
}

// directory is a Recovery of raftstore in the words of admin/recovery.
type directory struct {
	*raftstore.Recovery
	dir string
}

func (d directory) Plan() recovery.Plan {
	return recovery.Plan{
		Dir: d.dir, NodeID: d.NodeID, Before: d.Before, After: d.After,
		LastIndex: d.LastIndex, LastTerm: d.LastTerm, Written: d.Written,
	}
}
