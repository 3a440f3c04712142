package trial

import (
	"slices"
	"strconv"
	"strings"

	"codis/router/resp"
)

// timed is an answer and when it came.
type timed struct {
	reply      resp.Reply
	outcome    outcome
	begin, end int64
}

// pick returns a register that has not had enough, and counts an operation.
func (w *worker) pick() *register {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := w.random.IntN(registersPerDB)
	g := w.registers[w.db][at]
	if !g.take() {
		w.load.retired = append(w.load.retired, g)
		g = w.newRegister(w.db)
		g.take()
		w.registers[w.db][at] = g
	}
	return g
}

// single does one operation on one register.
func (w *worker) single() {
	g := w.pick()
	text := strings.HasPrefix(g.key, "text")
	arg := strconv.FormatInt(w.seq.Add(1), 10)
	if text {
		arg += ";"
	}
	in, cmd := input{op: "get"}, []string{"GET", g.key}
	switch p := w.random.IntN(12); {
	case p < 3:
	case p < 7 && text:
		in, cmd = input{"append", arg}, []string{"APPEND", g.key, arg}
	case p < 7:
		in, cmd = input{op: "incr"}, []string{"INCR", g.key}
	case p == 7:
		in, cmd = input{op: "del"}, []string{"DEL", g.key}
	case p == 8:
		in, cmd = input{"setnx", arg}, []string{"SETNX", g.key, arg}
	case p == 9:
		in, cmd = input{"swap", arg}, []string{"EVAL",
			"local v=redis.call('GET',KEYS[1]) redis.call('SET',KEYS[1],ARGV[1]) return v", "1", g.key, arg}
	default:
		in, cmd = input{"set", arg}, []string{"SET", g.key, arg}
	}
	r := w.send(cmd)
	if err := r.reply.Err(); err != nil && r.outcome == done {
		w.rec.found(Wrong, g.lines(), "%v was answered %v", cmd, err)
		return
	}
	if r.outcome == failed {
		return
	}
	g.add(w.id, in, outputOf(r), r.begin, r.end)
}

func outputOf(r timed) output {
	return output{unknown: r.outcome == unknown, null: r.reply.IsNil(), text: r.reply.Text()}
}

// several does MGET, MSET or DEL on registers of any groups. Each key's part is
// an operation of its own: a command over groups is not one step for all of them.
func (w *worker) several() {
	var all []*register
	for range 2 + w.random.IntN(4) {
		if g := w.pick(); !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	var cmd []string
	op := []string{"MGET", "MGET", "MSET", "DEL"}[w.random.IntN(4)]
	cmd = append(cmd, op)
	args := make([]string, len(all))
	for i, g := range all {
		cmd = append(cmd, g.key)
		if op == "MSET" {
			args[i] = strconv.FormatInt(w.seq.Add(1), 10)
			if strings.HasPrefix(g.key, "text") {
				args[i] += ";"
			}
			cmd = append(cmd, args[i])
		}
	}
	r := w.send(cmd)
	if err := r.reply.Err(); err != nil {
		if r.outcome == done {
			w.rec.found(Wrong, nil, "%v was answered %v", cmd, err)
			return
		}
		r.outcome = unknown // one group refused, others may have done their part
	}
	if op == "MGET" && (r.outcome != done || len(r.reply.Array) != len(all)) {
		return
	}
	for i, g := range all {
		switch op {
		case "MGET":
			one := timed{reply: r.reply.Array[i], begin: r.begin, end: r.end}
			g.add(w.id, input{op: "get"}, outputOf(one), r.begin, r.end)
		case "MSET":
			g.add(w.id, input{"put", args[i]}, outputOf(r), r.begin, r.end)
		case "DEL":
			out := output{unknown: r.outcome == unknown}
			g.add(w.id, input{op: "drop"}, out, r.begin, r.end)
		}
	}
}
