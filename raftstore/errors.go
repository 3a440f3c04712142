package raftstore

import "errors"

var (
	// ErrLocked is returned when another process has the directory open.
	ErrLocked = errors.New("another process owns this directory")
	// ErrDirectory is returned when a directory holds something else than asked
	// for: another node, another cluster, or only a part of a node.
	ErrDirectory = errors.New("wrong directory")
	// ErrOtherCluster is returned when Join leads to another cluster than the one
	// that the directory belongs to.
	ErrOtherCluster = errors.New("the join address leads to another cluster")
	// ErrJoinRefused is returned when the cluster has answered that this node can't
	// join, with the reason.
	ErrJoinRefused = errors.New("the cluster refused this node")
	// ErrRemoved is returned when this node has been removed from its cluster.
	ErrRemoved = errors.New("this node was removed from the cluster")
	// ErrLeftBehind is returned when the cluster was recovered without this node.
	ErrLeftBehind = errors.New("the cluster was recovered without this node")
	// ErrTwin is returned when another process runs with a copy of this node's
	// directory.
	ErrTwin = errors.New("another process runs with a copy of this directory")
	// ErrNoLeader is returned when there was no leader for as long as the caller
	// could wait. A command may still have been applied when it was on its way to
	// a leader that went away.
	ErrNoLeader = errors.New("the cluster has no leader: a majority of its voters must be running and connected")
	// ErrNotLeader is returned when only the leader can do what was asked.
	ErrNotLeader = errors.New("this node is not the leader")
	// ErrBarrier is returned when a barrier was given up, with the nodes that held it
	// up.
	ErrBarrier = errors.New("not every node has adopted the table")
	// ErrClosed is returned when the Store has been closed.
	ErrClosed = errors.New("the store is closed")
	// ErrMajority is returned when a node can't be removed without FORCE, because
	// the rest would have no majority.
	ErrMajority = errors.New("the voters that would be left have no majority")
)
