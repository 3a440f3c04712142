package admin

import (
	"context"
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// Servers looks at redis-servers and makes replicas follow their master. Every
// method may be called by any goroutine, calls may overlap, and all block on the
// network until ctx ends. Errors name the server and the reason, never a password.
type Servers interface {
	// Inspect asks a server what it is. It fails when the server is no usable
	// backend: away, wrong password, cluster mode, still loading, not Redis.
	Inspect(ctx context.Context, t Target) (Facts, error)
	// Check is the verdict on attaching a server, from facts alone.
	Check(a Attach) (Verdict, error)
	// Follow makes Replica a replica of Master and returns when its link is up, or the
	// copy of the data is under way. AwaitCopy returns when the copy is done; when ctx
	// ends first, with how far it is and an error.
	Follow(ctx context.Context, l Link) (Copy, error)
	AwaitCopy(ctx context.Context, l Link) (Copy, error)
	// GiveFunctions loads into a group's master the function libraries that the other
	// groups have and it has not, once every node knows the group. It returns what an
	// operator should know of it; empty for nothing. For the leader.
	GiveFunctions(ctx context.Context, s *topology.State, group int) (note string, err error)
	// CountForeign counts the keys, in every database, whose slot Owns refuses.
	// It calls Owns on its own goroutine only, once a key.
	CountForeign(ctx context.Context, c Count) (Foreign, error)
}

// Target is a server and what AUTH takes there; zero Auth means no AUTH.
type Target struct {
	Addr string
	Auth topology.Credentials
}

// Facts is what a server said of itself, as far as the table records it.
type Facts struct {
	Addr, Version, RunID, ReplID string
	// Raw is the implementation's own and fuller form of the facts; it comes back
	// to it in Attach.
	Raw any
}

// Attach asks for the verdict on one server that is to join a group.
type Attach struct {
	Server Facts
	// Master is the group's master; nil when Server is to be the master.
	Master *Facts
	// Force is a person's word that Server may lose its data or its present master.
	Force bool
}

// Verdict allows an attachment, and says what must be done before it.
type Verdict struct {
	// Follow says that the server must first be made a replica of the master.
	Follow bool
	// Copying: the server follows the master, and does not have all of its data yet.
	Copying bool
	// Notes are told to the operator: what will be done and what to mind.
	Notes []string
}

// Link is a replica and the master that it is to follow.
type Link struct{ Replica, Master Target }

// Copy is how far a replica is with its master's data.
type Copy struct {
	// Done: all of it is there, and the link is up.
	Done bool
	// Read and Total are bytes; Total is 0 where the server does not know it.
	Read, Total int64
}

// String is the copy in words.
func (c Copy) String() string {
	if c.Total == 0 {
		return fmt.Sprintf("%d bytes so far", c.Read)
	}
	return fmt.Sprintf("%d of %d bytes", c.Read, c.Total)
}

// Count asks for foreign keys on a server.
type Count struct {
	Target Target
	Owns   func(slot int) bool
	// Limit is how many keys are looked at, at most.
	Limit int64
}

// Foreign is the answer to Count.
type Foreign struct {
	Keys int64
	// Example is one of the keys, quoted and cut to a length that can be printed.
	Example string
	// Partial says that the search stopped early, at the limit or the deadline.
	Partial bool
}

// ServerHealth is what the local prober last saw of a server.
type ServerHealth struct {
	// State is unknown, up, loading, syncing, busy, denied, suspect or down.
	State string
	// Role is master or replica, empty when never seen.
	Role   string
	LinkUp bool
	// LagBytes is how far a replica is behind its master, -1 when not known.
	LagBytes int64
	// Copy is how far a replica is that copies its master's data; nil when it does not.
	Copy *Copy
	// Offset is how far the server is in its replication history, in bytes.
	Offset int64
	// Keys and Memory, in bytes, are what it holds; -1 when not known.
	Keys, Memory int64
	// Priority is a replica's replica-priority.
	Priority int
	// Age is how old this is; negative when the server has never answered.
	Age time.Duration
	// Volatile: it writes nothing to its disk, so that it starts empty.
	Volatile bool
	// Err is why State is not up.
	Err string
}
