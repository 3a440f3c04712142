// Package admin is the one set of operations with which people and programs
// look at a cluster and change it. Each operation is one method of Ops that
// takes a typed request and gives a typed result; the skins translate and do
// nothing else: CODIS.* over RESP (ServeRESP), the command line (admin/cli,
// which speaks RESP to any node), HTTP (JSON, which admin/api serves) and the
// listener with health and metrics.
// The replicated state is raftstore's, the checks of redis-servers are
// migrate/failover's; both come in through the interfaces Store and Servers.
// The router calls ServeRESP for clients, raftstore calls ServeForwarded for
// commands that other nodes passed on to the leader.
package admin

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidwall/redcon"
)

// Config holds what Ops stands on. Store and Servers are required.
type Config struct {
	Store   Store
	Servers Servers
	// Health returns what the local prober saw of the redis-servers, by
	// address. It may be nil, and may miss servers: their state is then unknown.
	Health func() map[string]ServerHealth
	// Figures is what this node says of itself, Reports what the nodes have told this
	// one, by ID, nil when it does not lead. Both must not block and may be nil.
	Figures func() Figures
	Reports func() map[string]Figures
	// Mover is what moves slots, Keyspace looks at the keys of redis-servers. Without
	// them the commands that need them are refused.
	Mover    Mover
	Keyspace Keyspace
	// Turner is what changes masters. Without it such commands are refused, and nothing
	// is said of failovers.
	Turner Turner
	// Ack is what the router's acknowledgements go to by way of Ops.Acked. Without it
	// CODIS.FSCK REPAIR deletes no orphans, since nothing would keep slots from moving
	// under its hands.
	Ack func(epoch uint64)
	// PeerSecret says that the peer port is protected by a cluster secret; a
	// warning stands until it is.
	PeerSecret bool
	// Timeout bounds an operation that only the nodes take part in.
	Timeout time.Duration
	// AttachTimeout bounds an operation that talks to redis-servers, the first
	// synchronization of a new replica included.
	AttachTimeout time.Duration
	// ScanTimeout bounds an operation that reads all keys of redis-servers.
	ScanTimeout time.Duration
	// PreflightTimeout bounds the checks before a job is made.
	PreflightTimeout time.Duration
	// CountTimeout bounds the search for foreign keys after a change, and
	// CountLimit how many keys of a server are looked at.
	CountTimeout time.Duration
	CountLimit   int64
	Logger       *slog.Logger
}

// DefaultConfig returns a Config that lacks only Store and Servers.
func DefaultConfig() Config {
	return Config{
		Timeout:          15 * time.Second,
		AttachTimeout:    60 * time.Second,
		ScanTimeout:      10 * time.Minute,
		PreflightTimeout: 10 * time.Second,
		CountTimeout:     3 * time.Second,
		CountLimit:       1_000_000,
		Logger:           slog.Default(),
	}
}

// Validate checks c across its fields and changes nothing.
func (c Config) Validate() error {
	switch {
	case c.Store == nil:
		return errors.New("admin config: Store is missing")
	case c.Servers == nil:
		return errors.New("admin config: Servers is missing")
	case c.Logger == nil:
		return errors.New("admin config: Logger is missing")
	case c.Timeout <= 0 || c.AttachTimeout <= 0 || c.ScanTimeout <= 0 || c.PreflightTimeout <= 0 || c.CountTimeout <= 0:
		return errors.New("admin config: timeouts must be positive")
	case c.CountLimit <= 0:
		return errors.New("admin config: CountLimit must be positive")
	}
	return nil
}

// Ops is the set of operations. Its methods may be called by any goroutine, any
// number at a time, and may block on the network until their context ends.
type Ops struct {
	cfg Config
	log *slog.Logger
	// rows is the grammar, mux leads from a command's name to its rows.
	rows []command
	mux  *redcon.ServeMux
	// repair lets one repair run at a time, acks holds back what it must, and holds
	// remembers since when slots have been seen on hold.
	repair sync.Mutex
	acks   ackGate
	holds  holdWatch
}

// New returns the operations over cfg, or what cfg lacks.
func New(cfg Config) (*Ops, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := &Ops{cfg: cfg, log: cfg.Logger.With("component", "admin"), rows: commands()}
	o.mux = newMux(o, o.rows)
	o.acks.pass = cfg.Ack
	return o, nil
}
