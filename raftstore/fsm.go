package raftstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// snapshotFormat is the version of snapshot.
const snapshotFormat = 1

// maxSnapshot bounds what Restore reads, in bytes.
const maxSnapshot = 256 << 20

// fsm applies committed entries to the topology. Raft calls it from one goroutine.
//
// An entry that it does not know stops it for good: nothing behind that entry is
// applied, no snapshot is made, and failed is closed. Skipping the entry would
// let this node go on with another state than its peers.
type fsm struct {
	disk  *disk
	table *table
	log   *slog.Logger

	// state and applied are written by Raft's goroutine only. While entries are
	// replayed they are behind what the table publishes.
	state   *topology.State
	applied uint64

	// servers are the IDs of the last committed configuration of Raft; nil while none
	// is known. Raft itself tells only of the latest one, which may be taken back.
	servers atomic.Pointer[[]string]

	// past is for a leader to come; see there.
	past past
	now  func() int64

	// busy says that entries are being applied.
	busy atomic.Bool

	stopped atomic.Pointer[error]
	failed  chan struct{}
}

// applied is what the future of an entry answers.
type applied struct {
	Index   uint64
	Outcome topology.Outcome
}

func newFSM(d *disk, t *table, log *slog.Logger) *fsm {
	return &fsm{disk: d, table: t, log: log, now: Boottime, state: topology.NewState(), failed: make(chan struct{})}
}

// err returns why the FSM has stopped, or nil.
func (f *fsm) err() error {
	if err := f.stopped.Load(); err != nil {
		return *err
	}
	return nil
}

// Apply implements raft.FSM.
func (f *fsm) Apply(entry *raft.Log) any { return f.ApplyBatch([]*raft.Log{entry})[0] }

// ApplyBatch implements raft.BatchingFSM: a batch is published and written to disk
// once. Every answer is an applied or an error.
func (f *fsm) ApplyBatch(entries []*raft.Log) []any {
	f.busy.Store(true)
	defer f.busy.Store(false)
	answers := make([]any, len(entries))
	for i, entry := range entries {
		answers[i] = f.apply(entry)
	}
	f.publish()
	return answers
}

func (f *fsm) apply(entry *raft.Log) any {
	if err := f.err(); err != nil {
		return err
	}
	if entry.Type != raft.LogCommand {
		// Raft's own configuration: nothing of the table, but an entry all the same.
		if entry.Type == raft.LogConfiguration {
			// Raft has decoded it before, in the same way, so it can't panic here.
			// Raft has decoded it before, in the same way, so it can't panic here.
			f.setServers(serverIDs(raft.DecodeConfiguration(entry.Data)))
		}
		f.applied = entry.Index
		return nil
	}
	c, err := topology.DecodeCommand(entry.Data)
	if err != nil {
		err = fmt.Errorf("log entry %d: %w: this node stops; start it with the version that its peers run", entry.Index, err)
		f.stop(err)
		return err
	}
	var outcome topology.Outcome
	before := f.state
	f.state, outcome = topology.Apply(before, entry.Index, c)
	f.past.note(f.now(), before, f.state)
	f.applied = entry.Index
	return applied{Index: entry.Index, Outcome: outcome}
}

func (f *fsm) setServers(ids []string) { f.servers.Store(&ids) }

func (f *fsm) knownServers() []string {
	if ids := f.servers.Load(); ids != nil {
		return *ids
	}
	return nil
}

func serverIDs(c raft.Configuration) []string {
	ids := make([]string, len(c.Servers))
	for i, server := range c.Servers {
		ids[i] = string(server.ID)
	}
	return ids
}

func (f *fsm) stop(err error) {
	f.stopped.Store(&err)
	f.log.Error("the replicated state can't go on", "error", err)
	close(f.failed)
}

func (f *fsm) publish() {
	if !f.table.advance(f.state, f.applied) {
		return
	}
	if err := f.disk.setTable(f.state, f.applied); err != nil {
		// The table on disk is only what a restart serves until Raft has caught up;
		// the log has the truth.
		f.log.Error("can't save the table", "epoch", f.state.Epoch, "error", err)
	}
}

// snapshot is what a snapshot file holds.
type snapshot struct {
	Format  int             `json:"format"`
	Applied uint64          `json:"applied"`
	Servers []string        `json:"servers,omitempty"` // see fsm.servers
	State   json.RawMessage `json:"state"`
}

// Snapshot implements raft.FSM. States are immutable, so it costs nothing here.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return &pendingSnapshot{state: f.state, applied: f.applied, servers: f.knownServers()}, nil
}

// Restore implements raft.FSM.
func (f *fsm) Restore(source io.ReadCloser) error {
	defer source.Close()
	if err := f.err(); err != nil {
		return err
	}
	state, s, err := readSnapshot(source)
	if err != nil {
		if errors.Is(err, topology.ErrUnknownState) {
			f.stop(err)
		}
		return err
	}
	f.past.jumped(f.now(), f.state, state)
	f.state, f.applied = state, s.Applied
	if len(s.Servers) > 0 {
		f.setServers(s.Servers)
	}
	f.publish()
	return nil
}

func readSnapshot(source io.Reader) (*topology.State, snapshot, error) {
	data, err := io.ReadAll(io.LimitReader(source, maxSnapshot+1))
	if err != nil {
		return nil, snapshot{}, fmt.Errorf("read snapshot: %w", err)
	}
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, snapshot{}, fmt.Errorf("read snapshot of %d bytes: %w: %w", len(data), topology.ErrUnknownState, err)
	}
	if s.Format != snapshotFormat {
		return nil, snapshot{}, fmt.Errorf("read snapshot: %w: format %d, this version knows %d", topology.ErrUnknownState, s.Format, snapshotFormat)
	}
	state, err := topology.DecodeState(s.State)
	if err != nil {
		return nil, snapshot{}, fmt.Errorf("read snapshot: %w", err)
	}
	return state, s, nil
}

// pendingSnapshot is written by a goroutine of Raft while the FSM goes on.
type pendingSnapshot struct {
	state   *topology.State
	applied uint64
	servers []string
}

// Persist implements raft.FSMSnapshot.
func (p *pendingSnapshot) Persist(sink raft.SnapshotSink) error {
	err := p.write(sink)
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (p *pendingSnapshot) write(w io.Writer) error {
	state, err := p.state.Encode()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(snapshot{Format: snapshotFormat, Applied: p.applied, Servers: p.servers, State: state})
}

// Release implements raft.FSMSnapshot.
func (p *pendingSnapshot) Release() {}
