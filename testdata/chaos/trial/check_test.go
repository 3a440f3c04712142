package trial

import (
	"io"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"

	"codis/router/resp"
)

// op is an operation of a history that is written down by hand.
func op(call, ret int64, in input, out output) porcupine.Operation {
	return porcupine.Operation{Input: in, Output: out, Call: call, Return: ret}
}

func TestRegisterHistories(t *testing.T) {
	ok := output{text: "OK"}
	null := output{null: true}
	lost := output{unknown: true}
	set := func(v string) input { return input{"set", v} }
	get := input{op: "get"}
	tests := []struct {
		name string
		ops  []porcupine.Operation
		want bool
	}{
		{"read what was written", []porcupine.Operation{op(0, 1, set("1"), ok), op(2, 3, get, output{text: "1"})}, true},
		{"acknowledged write lost", []porcupine.Operation{op(0, 1, set("1"), ok), op(2, 3, get, null)}, false},
		{"deleted and back", []porcupine.Operation{op(0, 1, set("1"), ok), op(2, 3, input{op: "del"}, output{text: "1"}),
			op(4, 5, get, null), op(6, 7, get, output{text: "1"})}, false},
		{"stale read", []porcupine.Operation{op(0, 1, set("1"), ok), op(2, 3, set("2"), ok), op(4, 5, get, output{text: "1"})}, false},
		{"unknown write seen late", []porcupine.Operation{op(0, endOfTime, set("1"), lost), op(2, 3, get, null), op(4, 5, get, output{text: "1"})}, true},
		{"unknown write seen twice", []porcupine.Operation{op(0, endOfTime, set("1"), lost), op(1, 2, get, output{text: "1"}),
			op(3, 4, set("2"), ok), op(5, 6, get, output{text: "1"})}, false},
		{"increment twice", []porcupine.Operation{op(0, 1, input{op: "incr"}, output{text: "1"}), op(2, 3, get, output{text: "2"})}, false},
		{"parts of DEL and MSET", []porcupine.Operation{op(0, 1, input{"put", "1"}, ok), op(2, 3, input{op: "drop"}, output{}), op(4, 5, get, null)}, true},
		{"append", []porcupine.Operation{op(0, 1, input{"append", "ab;"}, output{text: "3"}), op(2, 3, input{"append", "c;"}, output{text: "5"}),
			op(4, 5, get, output{text: "ab;c;"})}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperations(registerModel, tt.ops); got != tt.want {
				t.Errorf("got linearizable %t, want %t", got, tt.want)
			}
		})
	}
}

func bulk(text string) resp.Reply { return resp.Reply{Kind: resp.KindBulk, Str: []byte(text)} }

// TestObjectReaders is about what readers of an object may see.
func TestObjectReaders(t *testing.T) {
	o := newObject("ttl", "x", 0, 0)
	change := func(v string, begin, end int64, out outcome) {
		c := change{cmd: []string{"SET", v}, next: ttlModel{value: v}, want: "OK"}
		o.begin(c, begin)
		o.end(c, out, bulk("OK"), begin, end)
	}
	change("one", 10, 20, done)
	change("two", 30, 40, failed)
	change("three", 50, 60, done)
	change("four", 70, 80, unknown)
	seen := func(v string) string { return ttlModel{value: v}.digest() }
	tests := []struct {
		name, digest string
		from, to     int64
		want         bool
	}{
		{"nothing before the first write", seen(""), 1, 5, true},
		{"nothing after it", seen(""), 21, 25, false},
		{"one while it is written", seen("one"), 12, 15, true},
		{"one before it was sent", seen("one"), 1, 9, false},
		{"what was refused", seen("two"), 31, 35, false},
		{"one while three is written", seen("one"), 51, 55, true},
		{"one after three", seen("one"), 61, 65, false},
		{"three after an unknown outcome", seen("three"), 100, 110, true},
		{"four after an unknown outcome", seen("four"), 100, 110, true},
		{"four before it was sent", seen("four"), 62, 69, false},
	}
	for _, tt := range tests {
		if got := o.allows(tt.digest, tt.from, tt.to); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
	if got := o.last(); len(got) != 2 || got[0] != seen("three") || got[1] != seen("four") || !o.retired {
		t.Errorf("at the end: got %q, retired %t", got, o.retired)
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		text string
		want outcome
	}{
		{"ERR lease lost, outcome unknown", unknown},
		{"ERR group 1 server 127.0.0.1:1: no answer in time, outcome unknown", unknown},
		{"ERR group 1 server 127.0.0.1:1: dial: connection refused", failed},
		{"TRYAGAIN slots are on hold", failed},
		{"CLUSTERDOWN this node has lost the cluster", failed},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", done},
	}
	for _, tt := range tests {
		code, _, _ := strings.Cut(tt.text, " ")
		if got := outcomeOf(&resp.ServerError{Code: code, Text: tt.text}); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

// TestPlan: a seed gives one plan, and only of the faults that were asked for.
func TestPlan(t *testing.T) {
	o := DefaultOptions()
	o.Faults = []string{"kill", "cut-peers"}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	plan := o.Plan()
	if len(plan) < 10 || strings.Join(plan, "\n") != strings.Join(o.Plan(), "\n") {
		t.Errorf("got %d faults, or another plan the second time", len(plan))
	}
	for _, line := range plan {
		if !strings.Contains(line, "kill-") && !strings.Contains(line, "cut-peers") {
			t.Errorf("got %s", line)
		}
	}
	o.Seed++
	if strings.Join(plan, "\n") == strings.Join(o.Plan(), "\n") {
		t.Error("another seed gives the same plan")
	}
	o.Faults = []string{"flood"}
	if err := o.Validate(); err == nil {
		t.Error("a fault that does not exist was taken")
	}
}

func TestStalls(t *testing.T) {
	var w waits
	w.add(0, 100)
	w.add(10e6, 13e6)
	w.add(11e6, 13e6)
	w.add(30e6, 90e6)
	w.during("move", 9e6, 20e6)
	if got := w.stall("move", 1)[0].Milliseconds(); got != 3 {
		t.Errorf("got %d ms, want the longest wait during the move, 3", got)
	}
}

func TestRecorder(t *testing.T) {
	r := newRecorder(io.Discard)
	r.found(Lost, []string{"line"}, "key %d", 1)
	if len(r.findings) != 1 || r.findings[0].Text != "key 1" || r.findings[0].Kind != Lost {
		t.Errorf("got %+v", r.findings)
	}
}
