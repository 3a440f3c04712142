package raftstore

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

func newTestFSM(tb testing.TB) *fsm {
	tb.Helper()
	d, err := openDisk(filepath.Join(tb.TempDir(), "n1"), time.Second)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.close() })
	return newFSM(d, newTable(topology.NewState()), slog.New(slog.DiscardHandler))
}

func encode(tb testing.TB, body topology.Body) []byte {
	tb.Helper()
	data, err := topology.Command{Body: body}.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func begin(tb testing.TB) []byte {
	return encode(tb, topology.ClusterInit{ClusterID: "c1", Format: topology.StateFormat, Node: topology.Node{
		ID: "n1", Incarnation: "i1", Addr: "127.0.0.1:1", PeerAddr: "127.0.0.1:2", Version: "1"}})
}

func TestFSMBatch(t *testing.T) {
	f := newTestFSM(t)
	answers := f.ApplyBatch([]*raft.Log{
		{Index: 2, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "n1"}, {ID: "n2"}}})},
		{Index: 3, Type: raft.LogCommand, Data: begin(t)},
		{Index: 4, Type: raft.LogCommand, Data: encode(t, topology.GroupDel{ID: 1})},
		{Index: 5, Type: raft.LogCommand, Data: encode(t, setting(7))},
	})
	for i, want := range []topology.Code{"", "", topology.CodeNoGroup, ""} {
		if i > 0 && answers[i].(applied).Outcome.Code != want {
			t.Errorf("answer %d: %+v, want code %q", i, answers[i], want)
		}
	}
	if got := f.knownServers(); !slices.Equal(got, []string{"n1", "n2"}) {
		t.Errorf("servers %v", got)
	}
	if f.table.applied.Load() != 5 || f.table.state.Load().Epoch != 5 {
		t.Errorf("applied %d, epoch %d", f.table.applied.Load(), f.table.state.Load().Epoch)
	}
	saved, at, err := f.disk.table()
	if err != nil || at != 5 || !reflect.DeepEqual(saved, f.table.state.Load()) {
		t.Errorf("saved table %+v of entry %d, %v", saved, at, err)
	}
}

// TestFSMReplay: entries that were applied before a restart change nothing that
// is published.
func TestFSMReplay(t *testing.T) {
	f := newTestFSM(t)
	log := []*raft.Log{
		{Index: 1, Type: raft.LogCommand, Data: begin(t)},
		{Index: 2, Type: raft.LogCommand, Data: encode(t, setting(1))},
		{Index: 3, Type: raft.LogCommand, Data: encode(t, setting(2))},
	}
	f.ApplyBatch(log)
	before := f.table.state.Load()
	again := newFSM(f.disk, newTable(before), f.log)
	for _, entry := range log {
		again.Apply(entry)
		if again.table.state.Load() != before {
			t.Fatalf("entry %d was published again", entry.Index)
		}
	}
	again.Apply(&raft.Log{Index: 4, Type: raft.LogCommand, Data: encode(t, setting(3))})
	if got := again.table.state.Load().Settings.Text("maxclients"); got != "3" {
		t.Errorf("after the replay the setting is %s", got)
	}
}

func TestFSMStops(t *testing.T) {
	f := newTestFSM(t)
	f.Apply(&raft.Log{Index: 1, Type: raft.LogCommand, Data: begin(t)})
	if err, _ := f.Apply(&raft.Log{Index: 2, Type: raft.LogCommand, Data: []byte("{}")}).(error); !errors.Is(err, topology.ErrUnknownCommand) {
		t.Fatalf("error %v", err)
	}
	// Nothing behind it is applied, or written to a snapshot.
	f.Apply(&raft.Log{Index: 3, Type: raft.LogCommand, Data: encode(t, setting(1))})
	if f.applied != 1 || f.state.Epoch != 1 {
		t.Errorf("applied %d, epoch %d", f.applied, f.state.Epoch)
	}
	if _, err := f.Snapshot(); err == nil {
		t.Error("a snapshot was made")
	}
	select {
	case <-f.failed:
	default:
		t.Error("nobody was told")
	}
}

// sink is a raft.SnapshotSink in memory.
type sink struct {
	bytes.Buffer
	cancelled bool
}

func (s *sink) ID() string    { return "test" }
func (s *sink) Cancel() error { s.cancelled = true; return nil }
func (s *sink) Close() error  { return nil }

func TestFSMSnapshot(t *testing.T) {
	f := newTestFSM(t)
	f.Apply(&raft.Log{Index: 1, Type: raft.LogCommand, Data: begin(t)})
	f.Apply(&raft.Log{Index: 2, Type: raft.LogCommand, Data: encode(t, topology.GroupDel{ID: 1})})
	f.setServers([]string{"n1"})
	snap, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	f.Apply(&raft.Log{Index: 3, Type: raft.LogCommand, Data: encode(t, setting(1))}) // not part of it
	var out sink
	if err := snap.Persist(&out); err != nil {
		t.Fatal(err)
	}
	restored := newTestFSM(t)
	if err := restored.Restore(io.NopCloser(bytes.NewReader(out.Bytes()))); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(restored.knownServers(), []string{"n1"}) || restored.applied != 2 || restored.state.Epoch != 1 || restored.table.state.Load().ClusterID != "c1" {
		t.Errorf("applied %d, state %+v", restored.applied, restored.state)
	}
	for name, text := range map[string]string{
		"nothing":        "",
		"cut":            out.String()[:out.Len()/2],
		"a newer format": strings.Replace(out.String(), `"format":1`, `"format":9`, 1),
		"a newer state":  strings.Replace(out.String(), `"cluster_id"`, `"realm_id"`, 1),
	} {
		g := newTestFSM(t)
		if err := g.Restore(io.NopCloser(strings.NewReader(text))); !errors.Is(err, topology.ErrUnknownState) || g.err() == nil {
			t.Errorf("%s: error %v, stopped by %v", name, err, g.err())
		}
	}
}

// FuzzFSM: no bytes of the log or of a snapshot make it panic or break the table.
func FuzzFSM(f *testing.F) {
	f.Add(begin(f))
	f.Add(encode(f, setting(1)))
	f.Add([]byte(`{"format":1,"applied":1,"state":{"format":1}}`))
	fsm := newTestFSM(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		fsm := newFSM(fsm.disk, newTable(topology.NewState()), fsm.log)
		fsm.Apply(&raft.Log{Index: 1, Type: raft.LogCommand, Data: data})
		if err := fsm.state.CheckInvariants(); err != nil {
			t.Error(err)
		}
		if state, _, err := readSnapshot(bytes.NewReader(data)); err == nil {
			if err := state.CheckInvariants(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestGone: only a committed configuration counts, and none is known at first.
func TestGone(t *testing.T) {
	s := &Store{fsm: newTestFSM(t)}
	if s.gone("n2") {
		t.Error("gone before any configuration is known")
	}
	commit := func(index uint64, ids ...raft.ServerID) {
		var c raft.Configuration
		for _, id := range ids {
			c.Servers = append(c.Servers, raft.Server{ID: id})
		}
		s.fsm.Apply(&raft.Log{Index: index, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(c)})
	}
	if commit(1, "n1", "n2"); s.gone("n2") {
		t.Error("gone while it is a server")
	}
	if commit(2, "n1"); !s.gone("n2") || s.gone("n1") {
		t.Error("not gone after its removal was committed")
	}
}
