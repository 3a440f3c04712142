package failover

import (
	"slices"
	"time"
)

// State is how a server looks from this node.
//
//	             answer                       answer
//	Unknown ───────────────► Up │ Loading │ ◄───────── Suspect ──────► Down
//	   │                     Syncing │ Busy │            ▲   DownFailures  │
//	   │                     Denied ─────────────────────┘   in a row      │
//	   └──────────► Suspect      ▲        no answer                        │
//	    no answer                └─────────────────────────────────────────┘
//	                                            answer
//
// Any reply is an answer, errors too: -BUSY, -LOADING and -MASTERDOWN come from
// a process that is alive.
type State uint8

const (
	// StateUnknown: not asked yet.
	StateUnknown State = iota
	// StateUp: it answers and serves what its role lets it serve.
	StateUp
	// StateLoading: it reads its data from disk, or what its master sent.
	StateLoading
	// StateSyncing: a replica that copies its master's data; what it has is old.
	StateSyncing
	// StateBusy: a script blocks it.
	StateBusy
	// StateDenied: it answers, but not to us: wrong password, ACL, protected mode, maxclients.
	StateDenied
	// StateSuspect: it gave no answer, but not often enough to be called down.
	StateSuspect
	// StateDown: it gave no answer DownFailures times in a row.
	StateDown
)

var stateNames = [...]string{"unknown", "up", "loading", "syncing", "busy", "denied", "suspect", "down"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Alive says that the server's last probe was answered, whatever the answer.
func (s State) Alive() bool {
	switch s {
	case StateUp, StateLoading, StateSyncing, StateBusy, StateDenied:
		return true
	default:
		return false
	}
}

// LagUnknown is the LagBytes of a server whose lag can't be told.
const LagUnknown int64 = -1

// Health is what the Prober knows of one server. It is a value: copy it freely.
type Health struct {
	Addr  string
	State State
	// Since is when State began.
	Since time.Time
	// AliveAt is when it last answered anything, At when it last answered INFO:
	// the moment that Replication speaks of. Zero when never.
	AliveAt, At time.Time
	// RTT is how long the last answered probe took.
	RTT time.Duration
	// Failures is the number of probes without an answer in a row.
	Failures int
	// Began is when it was first looked at.
	Began time.Time
	// RunID and Version are as of the last connection; a process that restarts
	// loses its connections, so they are not older than its start.
	RunID, Version string
	// Durable says what the process keeps on its disk, as of the last connection.
	Durable Durable
	// Runs are the last processes that were seen there before this one, oldest first.
	// It is never modified.
	Runs []Run
	// Copying says that it has begun to copy its master's data and was not seen in
	// sync since, Synced is when it last was after that.
	Copying bool
	Synced  time.Time
	Load
	Replication
	// Follows is the address, as it was given to the Prober, of the master that a
	// replica shares its history with; empty when no watched master has it, or
	// more than one. Unlike MasterAddr it can be compared with a group's master.
	Follows string
	// LagBytes is how far a replica is behind the master that it follows, in bytes
	// of the replication stream; LagUnknown when that can't be told, 0 on a master.
	LagBytes int64
	// Err is why State is not StateUp; nil when it is.
	Err error
}

// Load is how much a server holds.
type Load struct {
	// Keys is the number of keys in all databases, Memory what the server uses, in
	// bytes; -1 while not known.
	Keys, Memory int64
	// MaxMemory is the server's maxmemory, in bytes; 0 for none, and while not known.
	MaxMemory int64
}

// Run is one process of a server, as it was last seen.
type Run struct {
	RunID, ReplID string
	Offset, Keys  int64
	At            time.Time
}

// maxRuns bounds how many processes are remembered of one server.
const maxRuns = 8

// Run returns what is known of a process of this server, the present one or one
// of before.
func (h Health) Run(runID string) (Run, bool) {
	if h.RunID == runID && runID != "" {
		return Run{RunID: h.RunID, ReplID: h.ReplID, Offset: h.Offset, Keys: h.Keys, At: h.At}, true
	}
	for _, r := range h.Runs {
		if r.RunID == runID {
			return r, true
		}
	}
	return Run{}, false
}

// Silence is for how long a server has given no answer; 0 when the last probe was
// answered. Without a probe that failed there is no silence, however long ago the
// last answer was: then it was this node that did not ask.
func (h Health) Silence(now time.Time) time.Duration {
	if h.Failures == 0 {
		return 0
	}
	since := h.AliveAt
	if since.IsZero() {
		since = h.Began
	}
	return max(0, now.Sub(since))
}

// FreshReplica says whether reads of keys of the given master may be sent here:
// a replica of just this master, in sync, at most maxLag bytes behind it.
func (h Health) FreshReplica(master string, maxLag int64) bool {
	return h.State == StateUp && h.Role == RoleReplica && h.LinkUp && !h.Syncing &&
		master != "" && h.Follows == master &&
		h.LagBytes != LagUnknown && h.LagBytes <= maxLag
}

// observation is the outcome of one probe.
type observation struct {
	at  time.Time
	rtt time.Duration
	// err is the reason when there was no answer, or when the answer was an error
	// that State has a word for.
	err error
	// answer is the state that the answer speaks of; StateUnknown when there was no answer.
	answer State
	// replication is nil when INFO was not answered.
	replication *Replication
	// keys and memory are nil unless this probe asked for them.
	keys, memory *int64
	// maxMemory comes with memory.
	maxMemory int64
	// runID and version are empty unless this probe asked for them, and durable is
	// DurableUnknown.
	runID, version string
	durable        Durable
}

// restarted returns the health with the process that was seen before among Runs.
func (h Health) restarted(before Health) Health {
	run, _ := before.Run(before.RunID)
	h.Runs = append(slices.Clone(h.Runs[max(0, len(h.Runs)+1-maxRuns):]), run)
	h.Load = Load{Keys: -1, Memory: -1}
	return h
}

// copied keeps in mind whether a copy of the master's data is under way.
func (h Health) copied() Health {
	switch {
	case h.Role == RoleMaster:
		h.Copying = false
	case h.Syncing:
		h.Copying = true
	case h.Copying && h.LinkUp:
		h.Copying, h.Synced = false, h.At
	}
	return h
}

// after is the state machine: the health after one more observation. Pure.
func (h Health) after(o observation, downFailures int) Health {
	next := h
	next.Err = o.err
	if o.answer == StateUnknown {
		next.Failures++
		next.State = StateSuspect
		if next.Failures >= downFailures {
			next.State = StateDown
		}
	} else {
		next.Failures = 0
		next.State = o.answer
		next.AliveAt, next.RTT = o.at, o.rtt
	}
	if o.replication != nil {
		next.At, next.Replication = o.at, *o.replication
		if next.State == StateUp && next.Syncing {
			next.State = StateSyncing
		}
		next = next.copied()
	}
	if o.runID != "" {
		if was := h.RunID; was != "" && was != o.runID {
			next = next.restarted(h)
		}
		next.RunID, next.Version, next.Durable = o.runID, o.version, o.durable
	}
	if o.keys != nil {
		next.Keys = *o.keys
	}
	if o.memory != nil {
		next.Memory, next.MaxMemory = *o.memory, o.maxMemory
	}
	if next.State != h.State {
		next.Since = o.at
	}
	return next
}
