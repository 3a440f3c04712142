package raftstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"codis/raftstore/topology"
)

// Config is what a Store is made of. DefaultConfig fills in the times.
type Config struct {
	// ID names this node; empty: the one in the directory, or a new one.
	ID string
	// Dir holds the node's identity, its Raft log and its snapshots.
	Dir string
	// PeerAddr is the address to bind for peers, host:port.
	PeerAddr string
	// PeerAdvertise, ClientAdvertise and HTTPAdvertise are the addresses that the
	// others are told. An empty PeerAdvertise is the address that was bound, an
	// empty HTTPAdvertise means that there is no HTTP listener.
	PeerAdvertise, ClientAdvertise, HTTPAdvertise string
	// Zone and Version describe this node to the others.
	Zone, Version string
	// Secret is the cluster's; empty is for loopback only, which main checks.
	Secret string
	// Join is a list of client addresses of any nodes of a cluster. A directory
	// that is a member already needs none.
	Join []string
	// ClientPassword is what AUTH takes at the addresses of Join, in case that one
	// of them asks for it.
	ClientPassword string
	Logger         *slog.Logger
	// Report, if it is set, is called before each renewal of the lease, and what it
	// returns goes to the leader with it: at most MaxReport bytes, opaque to this
	// package. It is called from one goroutine and must not block.
	Report func() []byte

	// HeartbeatTimeout, ElectionTimeout and LeaseTimeout are Raft's: the time
	// without a leader before a vote, the time for a vote, and the time after
	// which a leader without a majority steps down. Lease <= heartbeat <= election.
	HeartbeatTimeout, ElectionTimeout, LeaseTimeout time.Duration
	// CommitTimeout is the longest wait before followers hear of a commit.
	CommitTimeout time.Duration
	// PeerTimeout bounds dialing a peer and each of Raft's messages.
	PeerTimeout time.Duration
	// ProposeTimeout bounds Propose and ForwardAdmin, unless their context is
	// shorter.
	ProposeTimeout time.Duration
	// ReconcileInterval is how often the leader compares Raft's configuration
	// with the table, besides when it is told that something has changed.
	ReconcileInterval time.Duration
	// RetryMin and RetryMax bound the back-off of joining and announcing.
	RetryMin, RetryMax time.Duration
	// LockTimeout is how long to wait for another process to let go of Dir.
	LockTimeout time.Duration
	// DiskTimeout is how long one write of the log may take until a leader stops
	// speaking to its followers, so that one with a working disk takes over.
	DiskTimeout time.Duration
	// SnapshotThreshold and SnapshotInterval say when the log is cut: after so many
	// entries, looked at so often. TrailingLogs entries stay, so that a follower
	// that is a little behind needs no snapshot.
	SnapshotThreshold, TrailingLogs uint64
	SnapshotInterval                time.Duration

	seams seams
}

// seams are where tests reach in.
type seams struct {
	// now replaces Boottime.
	now func() int64
	// wrap is put around each connection to a node with that ID.
	wrap func(id string, c net.Conn) net.Conn
	// beforeEntry is called before the leader writes an entry for renewals.
	beforeEntry func(context.Context) error
	// beforeAnswer is called when a lease is granted, before the node hears of it.
	beforeAnswer func(renewal)
	// format is the newest one that the node says it knows, if it is not 0.
	format topology.Format
	faults faults
}

// DefaultConfig returns a Config without names and addresses.
func DefaultConfig() Config {
	return Config{
		Logger:            slog.Default(),
		HeartbeatTimeout:  time.Second,
		ElectionTimeout:   time.Second,
		LeaseTimeout:      500 * time.Millisecond,
		CommitTimeout:     5 * time.Millisecond,
		PeerTimeout:       3 * time.Second,
		ProposeTimeout:    10 * time.Second,
		ReconcileInterval: time.Second,
		RetryMin:          200 * time.Millisecond,
		RetryMax:          5 * time.Second,
		LockTimeout:       time.Second,
		DiskTimeout:       5 * time.Second,
		SnapshotThreshold: 1024,
		TrailingLogs:      256,
		SnapshotInterval:  30 * time.Second,
	}
}

// Validate says what is wrong, all of it, and changes nothing.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		bad("no directory")
	}
	if c.ID != "" {
		errs = append(errs, topology.CheckNodeID(c.ID))
	}
	if _, _, err := net.SplitHostPort(c.PeerAddr); err != nil {
		bad("peer address %q: %w", c.PeerAddr, err)
	}
	for what, addr := range map[string]string{"advertised peer address": c.PeerAdvertise, "advertised HTTP address": c.HTTPAdvertise} {
		if addr != "" {
			if err := topology.CheckAddr(addr); err != nil {
				bad("%s: %w", what, err)
			}
		}
	}
	if err := topology.CheckAddr(c.ClientAdvertise); err != nil {
		bad("advertised client address: %w", err)
	}
	for _, addr := range c.Join {
		if err := topology.CheckAddr(addr); err != nil {
			bad("join address: %w", err)
		}
	}
	if c.Logger == nil {
		bad("no logger")
	}
	if c.LeaseTimeout > c.HeartbeatTimeout || c.HeartbeatTimeout > c.ElectionTimeout {
		bad("times must be lease %s <= heartbeat %s <= election %s", c.LeaseTimeout, c.HeartbeatTimeout, c.ElectionTimeout)
	}
	for what, d := range map[string]time.Duration{
		"lease": c.LeaseTimeout, "commit": c.CommitTimeout, "peer": c.PeerTimeout, "propose": c.ProposeTimeout,
		"reconcile": c.ReconcileInterval, "retry": c.RetryMin, "lock": c.LockTimeout, "disk": c.DiskTimeout, "snapshot": c.SnapshotInterval,
	} {
		if d < time.Millisecond {
			bad("%s time %s is too short", what, d)
		}
	}
	if c.RetryMax < c.RetryMin {
		bad("longest retry %s is shorter than the shortest %s", c.RetryMax, c.RetryMin)
	}
	return errors.Join(errs...)
}
