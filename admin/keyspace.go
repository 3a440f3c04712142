package admin

import (
	"context"
	"time"

	"codis/raftstore/topology"
)

// Keyspace looks at the keys of single redis-servers. Every method may be called by
// any goroutine, calls may overlap, and all block on the network until ctx ends.
// Functions that they are given are called on the caller's goroutine only.
type Keyspace interface {
	// Measure counts keys by slot, and bytes when they are asked for.
	Measure(ctx context.Context, s Survey) (Load, error)
	// Inspect looks for keys that are where they do not belong.
	Inspect(ctx context.Context, q Question) (Findings, error)
	// DropReserved deletes reserved keys that Inspect has found.
	DropReserved(ctx context.Context, t Target, list []Reserved) (dropped int64, err error)
	// DeleteForeign deletes the keys of slots that another group serves, page by page,
	// each between Guard.Enter and Guard.Leave.
	DeleteForeign(ctx context.Context, t Target, g Guard) (deleted int64, err error)
}

// Survey says what Measure counts.
type Survey struct {
	Target Target
	// Owns says which slots count.
	Owns func(slot int) bool
	// Memory asks for bytes too.
	Memory bool
	// MaxKeys is how many keys are looked at before the rest is extrapolated.
	MaxKeys int64
}

// Load is what a server holds. When Scanned is less than Total the numbers are
// estimates.
type Load struct {
	topology.GroupLoad
	Scanned, Total int64
}

// Place says what a key of a slot is to the server that has it.
type Place uint8

const (
	// PlaceOwn: the server's group serves the slot, or moves it, or has just done so.
	PlaceOwn Place = iota
	// PlaceForeign: another group serves the slot, so no client sees the key.
	PlaceForeign
	// PlaceUnserved: no group serves the slot.
	PlaceUnserved
)

// Question says what Inspect is to look for.
type Question struct {
	Target Target
	Place  func(slot int) Place
	// Over says whether the batch of an epoch is over.
	Over func(epoch uint64) bool
}

// Findings is what Inspect found; numbers of keys are "about".
type Findings struct {
	// Keys is how many were looked at.
	Keys              int64
	Foreign, Unserved KeyCount
	// Unknown are keys with reserved names that this version does not use.
	Unknown KeyCount
	// LeftOver are reserved keys of moves that are over.
	LeftOver []Reserved
}

// KeyCount is a number of keys and one of them, fit for print.
type KeyCount struct {
	Keys    int64
	Example string
}

// Reserved is a reserved key of a batch, in one database.
type Reserved struct {
	DB    int
	Fence bool
	Slot  int
	Epoch uint64
}

// Guard gives leave to delete keys; Enter and Leave are called in turn.
type Guard interface {
	Enter() (Permit, error)
	Leave()
}

// Permit is the leave to send one request, which must not be run when Left is over.
type Permit struct {
	Left    time.Duration
	Foreign func(slot int) bool
}

// needKeyspace refuses what a node that does not look at keys can't do.
func (o *Ops) needKeyspace() error {
	if o.cfg.Keyspace == nil {
		return refuse("ERR", "", "this node can't look at the keys of redis-servers")
	}
	return nil
}

// masterOf is the server that has a group's keys.
func masterOf(s *topology.State, group int) Target {
	g := s.Groups[group]
	return Target{Addr: g.Master, Auth: credentials(s, g.Auth)}
}
