package trial

import (
	"io"
	"testing"

	"github.com/anishathalye/porcupine"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestLossyHistories: how many acknowledged writes a failover from 10 to 20 must have
// lost, of those since 5; -1 for a history that it does not explain.
func TestLossyHistories(t *testing.T) {
	ok, set, get := output{text: "OK"}, func(v string) input { return input{"set", v} }, input{op: "get"}
	read := func(v string) output { return output{null: v == "", text: v} }
	for _, tt := range []struct {
		name string
		ops  []porcupine.Operation
		want int
	}{
		{"nothing", []porcupine.Operation{op(1, 2, set("1"), ok), op(21, 22, get, read("1"))}, 0},
		{"the last write", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, set("2"), ok), op(21, 22, get, read("1"))}, 1},
		{"two", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, set("2"), ok), op(8, 9, set("3"), ok), op(21, 22, get, read("1"))}, 2},
		{"one that was not acknowledged, but read", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, endOfTime, set("2"), output{unknown: true}),
			op(7, 8, get, read("2")), op(21, 22, get, read("1")), op(23, 24, get, read("1"))}, 0},
		{"a deletion", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, input{op: "del"}, read("1")), op(21, 22, get, read("1"))}, 1},
		{"one from before", []porcupine.Operation{op(1, 2, set("1"), ok), op(3, 4, set("2"), ok), op(21, 22, get, read("1"))}, -1},
		{"not the last one", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, input{op: "incr"}, read("2")),
			op(8, 9, input{op: "incr"}, read("3")), op(21, 22, get, read("4"))}, -1},
		{"read after it and then gone", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, set("2"), ok),
			op(21, 22, get, read("2")), op(23, 24, get, read("1"))}, -1},
		{"gone before it", []porcupine.Operation{op(1, 2, set("1"), ok), op(6, 7, set("2"), ok), op(8, 9, get, read("1"))}, -1},
		{"what was never written", []porcupine.Operation{op(1, 2, set("1"), ok), op(21, 22, get, read("9"))}, -1},
	} {
		tr := &trial{rec: newRecorder(io.Discard), watch: newWatch(), turns: []turn{{group: 1, epoch: 7, kind: topology.TurnFailover, since: 5, begin: 10, end: 20}}}
		got := -1
		if porcupine.CheckOperations(registerModel, tt.ops) {
			got = 0
		} else if tr.explained(&register{key: "k", ops: tt.ops}) {
			got = tr.losses.of[7]
		}
		if got != tt.want {
			t.Errorf("%s: got %d writes lost, want %d", tt.name, got, tt.want)
		}
	}
}

// TestJudge does the writes of an object once more, at a real server.
func TestJudge(t *testing.T) {
	resptest.Needs(t, 7, 0)
	conn := resptest.StartRedis(t).Client(t)
	push := func(v, length string, begin, end int64) deed {
		return deed{cmd: []string{"RPUSH", "{o}a", v}, reply: length, begin: begin, end: end}
	}
	failover := []turn{{epoch: 7, kind: topology.TurnFailover, since: 5, begin: 10, end: 20}}
	for _, tt := range []struct {
		name  string
		deeds []deed
		seen  []sighting
		want  int // -1: not explained
	}{
		{"the last one is gone", []deed{push("a", "1", 1, 2), push("b", "2", 6, 7)}, []sighting{{"[[a] []]", 21, 22}}, 1},
		{"and the writer goes on", []deed{push("a", "1", 1, 2), push("b", "2", 6, 7), push("c", "2", 21, 22)}, []sighting{{"[[a c] []]", 23, 24}}, 1},
		{"one that was not acknowledged", []deed{push("a", "1", 1, 2), {cmd: []string{"RPUSH", "{o}a", "b"}, begin: 6, end: 12, unknown: true}},
			[]sighting{{"[[a b] []]", 7, 8}, {"[[a] []]", 21, 22}}, 0},
		{"one in the middle", []deed{push("a", "1", 1, 2), push("b", "2", 6, 7), push("c", "3", 8, 9)}, []sighting{{"[[a c] []]", 21, 22}}, -1},
		{"one from before", []deed{push("a", "1", 1, 2), push("b", "2", 3, 4)}, []sighting{{"[[a] []]", 21, 22}}, -1},
		{"there and gone again", []deed{push("a", "1", 1, 2), push("b", "2", 6, 7)}, []sighting{{"[[a b] []]", 21, 22}, {"[[a] []]", 23, 24}}, -1},
	} {
		o := newObject("list", "o", 0, 0)
		o.deeds, o.seen = tt.deeds, tt.seen
		w, ok, err := (judge{conn, o}).explain(t.Context(), failover)
		if err != nil {
			t.Fatal(err)
		}
		got := w.lost
		if !ok {
			got = -1
		}
		if got != tt.want {
			t.Errorf("%s: got %d writes lost, want %d", tt.name, got, tt.want)
		}
	}
}

// TestTurnsOfTheHistory reads the lines that the cluster really writes.
func TestTurnsOfTheHistory(t *testing.T) {
	a, b := &member{name: "a", seen: "127.0.0.1:1"}, &member{name: "b", seen: "127.0.0.1:2"}
	s := &site{groups: []*group{{id: 1, servers: []*member{a, b}}}}
	state := turned(t)
	w := newWatch()
	for i, c := range state.History {
		w.changes[c.Epoch] = told{at: int64(i+1) * 1e9, what: c.What}
	}
	w.samples[a] = []sample{{at: 1e9, replID: "r", offset: 90}, {at: 2e9, replID: "r", offset: 100}, {at: 25e8, replID: "r", offset: 150}}
	w.samples[b] = []sample{{at: 2e9, replica: true, replID: "r"}, {at: 9e9, replID: "s", replID2: "r", fork: 120}}
	turns := w.turns(s)
	if len(turns) != 2 {
		t.Fatalf("got %v, want two turns, of %v", turns, state.History)
	}
	first, second := turns[0], turns[1]
	if first.kind != topology.TurnFailover || first.from != a || first.to != b || !first.measured || first.lost != 30 || !first.lossy() || first.since != 2e9 {
		t.Errorf("got %+v: %v", first, first)
	}
	if second.kind != topology.TurnSwitchover || second.from != b || !second.abandoned || second.lossy() {
		t.Errorf("got %+v: %v", second, second)
	}
}

// turned is the state after a failover, what it lost, and a switchover that was given up.
func turned(t *testing.T) *topology.State {
	t.Helper()
	s := topology.NewState()
	do := func(body topology.Body) {
		t.Helper()
		next, out := topology.Apply(s, s.Epoch+1, topology.Command{Body: body})
		if s = next; out.Err() != nil {
			t.Fatal(out.Err())
		}
	}
	do(topology.ClusterInit{ClusterID: "c", Format: topology.StateFormat, Node: topology.Node{ID: "n", Incarnation: "i", Addr: "127.0.0.1:7", PeerAddr: "127.0.0.1:8", HTTPAddr: "127.0.0.1:9", Version: "1", Voter: true}})
	do(topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: "127.0.0.1:1", RunID: "a"}, {Addr: "127.0.0.1:2", RunID: "b"}}})
	do(topology.TurnBegin{Group: 1, Kind: topology.TurnFailover, From: "127.0.0.1:1", FromRunID: "a", To: "127.0.0.1:2", Reason: "down"})
	epoch := s.Epoch
	do(topology.TurnDone{Group: 1, Epoch: epoch, Server: topology.Server{Addr: "127.0.0.1:2", RunID: "b"}, PauseMS: 5, Note: "it has the writes up to offset 120",
		Fork: &topology.Fork{Addr: "127.0.0.1:1", RunID: "a", ReplID: "r", Offset: 120, Epoch: epoch}})
	do(topology.ForkMeasured{Group: 1, Epoch: epoch, LostBytes: 30})
	do(topology.TurnBegin{Group: 1, Kind: topology.TurnSwitchover, From: "127.0.0.1:2", FromRunID: "b", To: "127.0.0.1:1", Reason: "asked for"})
	do(topology.TurnAbandon{Group: 1, Epoch: s.Epoch, Reason: "no"})
	return s
}
