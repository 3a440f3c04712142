package trial

import (
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// withReverts adds to a history what failovers may have done.
func withReverts(ops []porcupine.Operation, turns []turn) []porcupine.Operation {
	ops = slices.Clone(ops)
	for i, t := range turns {
		id := 1000 + i
		ops = append(ops,
			porcupine.Operation{ClientId: id, Input: input{op: "doubt"}, Output: output{}, Call: t.since, Return: t.since},
			porcupine.Operation{ClientId: id, Input: input{op: "revert"}, Output: output{}, Call: t.begin, Return: t.end})
	}
	return ops
}

// doubtful is a register from "doubt" on: what a failover may bring back.
type doubtful struct {
	value
	// open is how many failovers are ahead of which the writes are not safe any more.
	open int
	// trail are the states before each such write, oldest first; lost what has gone.
	trail string
	lost  int
}

// former is a state in a trail.
type former struct {
	value
	acknowledged bool // the write that replaced it
}

const trailEnd = "\x00"

func (f former) String() string {
	return strconv.FormatBool(f.exists) + " " + strconv.FormatBool(f.acknowledged) + " " + f.text + trailEnd
}

func formers(trail string) []former {
	var list []former
	for text := range strings.SplitSeq(strings.TrimSuffix(trail, trailEnd), trailEnd) {
		if parts := strings.SplitN(text, " ", 3); len(parts) == 3 {
			list = append(list, former{value{parts[0] == "true", parts[2]}, parts[1] == "true"})
		}
	}
	return list
}

// lossyModel is registerModel with failovers that may take back so many acknowledged
// writes in all, always the last ones.
func lossyModel(most int) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{doubtful{}} },
		Step: func(state, in, out any) []any { return stepLossy(state.(doubtful), in.(input), out.(output), most) },
	}
	return m.ToModel()
}

func stepLossy(s doubtful, in input, out output, most int) []any {
	switch in.op {
	case "doubt":
		s.open++
		return []any{s}
	case "revert":
		return s.revert(most)
	}
	next, want := step(s.value, in)
	if !out.unknown && out != want {
		return nil
	}
	if s.open > 0 && in.op != "get" {
		s.trail += former{s.value, !out.unknown}.String()
	}
	s.value = next
	return []any{s}
}

// revert is every state that a failover may leave.
func (s doubtful) revert(most int) []any {
	trail := formers(s.trail)
	s.open--
	var all []any
	add := func(kept int, v value, lost int) {
		next := doubtful{value: v, open: s.open, lost: s.lost + lost}
		if s.open > 0 {
			for _, f := range trail[:kept] {
				next.trail += f.String()
			}
		}
		all = append(all, next)
	}
	add(len(trail), s.value, 0)
	for i, lost := len(trail)-1, 0; i >= 0; i-- {
		if trail[i].acknowledged {
			lost++
		}
		if s.lost+lost > most {
			break
		}
		add(i, trail[i].value, lost)
	}
	return all
}
