package trial

import (
	"strconv"
	"strings"
	"sync"

	"github.com/anishathalye/porcupine"
)

// A register is one string key that all clients write and read. Each has its
// history checked for linearizability. A history with many unknown outcomes is
// costly to check, so a register is given up for a new one after some operations.
const (
	registerOps      = 150
	registerUnknowns = 4
)

type register struct {
	key string
	db  int

	mu       sync.Mutex
	ops      []porcupine.Operation
	begun    int
	unknowns int
}

// input is what a client asked of a register.
type input struct {
	op  string // set, get, del, incr, append, swap, setnx
	arg string
}

// output is what it was told.
type output struct {
	unknown bool // nothing
	null    bool
	text    string
}

// value is the state of a register.
type value struct {
	exists bool
	text   string
}

// endOfTime is when an operation with an unknown outcome has returned.
const endOfTime = int64(1) << 62

// take counts an operation; false when the register has had enough.
func (g *register) take() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun >= registerOps || g.unknowns >= registerUnknowns {
		return false
	}
	g.begun++
	return true
}

func (g *register) add(client int, in input, out output, call, ret int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if out.unknown {
		if in.op == "get" {
			return // it tells nothing and changes nothing
		}
		g.unknowns++
		ret = endOfTime
	}
	g.ops = append(g.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret})
}

// registerModel is one string key of a Redis.
var registerModel = porcupine.Model{
	Init: func() any { return value{} },
	Step: func(state, in, out any) (bool, any) {
		next, want := step(state.(value), in.(input))
		got := out.(output)
		return got.unknown || got == want, next
	},
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
	DescribeState: func(state any) string {
		if s := state.(value); s.exists {
			return s.text
		}
		return "nil"
	},
}

// step is what a correct server does.
func step(s value, in input) (value, output) {
	old := output{null: !s.exists, text: s.text}
	switch in.op {
	case "get":
		return s, old
	case "set":
		return value{true, in.arg}, output{text: "OK"}
	case "swap":
		return value{true, in.arg}, old
	case "setnx":
		if s.exists {
			return s, output{text: "0"}
		}
		return value{true, in.arg}, output{text: "1"}
	case "del":
		if s.exists {
			return value{}, output{text: "1"}
		}
		return value{}, output{text: "0"}
	case "put": // MSET's part: answered for all keys together
		return value{true, in.arg}, output{text: "OK"}
	case "drop": // DEL's part of several keys: the sum says nothing of one
		return value{}, output{}
	case "incr":
		n, _ := strconv.ParseInt(s.text, 10, 64) // counters hold only numbers
		text := strconv.FormatInt(n+1, 10)
		return value{true, text}, output{text: text}
	case "append":
		text := s.text + in.arg
		return value{true, text}, output{text: strconv.Itoa(len(text))}
	}
	panic("no such operation: " + in.op)
}

func describe(in input, out output) string {
	var b strings.Builder
	b.WriteString(in.op)
	if in.arg != "" {
		b.WriteString(" " + in.arg)
	}
	b.WriteString(" -> ")
	switch {
	case out.unknown:
		b.WriteString("unknown")
	case out.null:
		b.WriteString("nil")
	default:
		b.WriteString(out.text)
	}
	return b.String()
}
