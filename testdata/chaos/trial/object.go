package trial

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"codis/router/resp"
)

// An object is a key of a rich type, or two keys of one slot, that one client
// alone writes and everyone reads. Since the writes are in one order, what a
// reader may see is known: one of the states that were current between its
// question and its answer. After a write whose outcome is unknown the object is
// written no more: at the end it must be in the state before or the one after.
type object struct {
	kind string
	tag  string // the hash tag; keys are {tag}a and {tag}b
	db   int

	mu sync.Mutex
	// states are the last ones, oldest first; the last one is current, or is the
	// one that a write under way leads to.
	states  []objectState
	model   model
	history []string
	retired bool

	// For the judge: all that was written and seen, and what made somebody doubt.
	born  int64
	deeds []deed
	seen  []sighting
	doubt *Finding
}

type objectState struct {
	digest string
	// from is when the write that led to it was sent, to when the answer to the
	// one that led away came; 0 while there is none.
	from, to int64
	// maybe says that the write that led to it was not answered.
	maybe bool
}

// keptStates is more than the writes that pass while a reader waits.
const keptStates, keptHistory = 4096, 40

// model is a type: a state and the commands that change it. It is never modified.
type model interface {
	// next picks a change.
	next(r *rand.Rand, keys [2]string, tag string) change
	// read is one command that reads all of it.
	read(keys [2]string) []string
	// digest is what read is answered.
	digest() string
	// empty says that no key is left.
	empty() bool
}

// change is a command, the state it leads to and the answer of a correct server.
type change struct {
	cmd  []string
	next model
	want string
}

func newObject(kind, tag string, db int, at int64) *object {
	o := &object{kind: kind, tag: tag, db: db, model: models[kind], born: at}
	o.states = []objectState{{digest: o.model.digest()}}
	return o
}

func (o *object) keys() [2]string { return [2]string{"{" + o.tag + "}a", "{" + o.tag + "}b"} }

// begin notes that a change is sent.
func (o *object) begin(c change, at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.states = append(o.states, objectState{digest: c.next.digest(), from: at, maybe: true})
	if len(o.states) > keptStates {
		o.states = slices.Delete(o.states, 0, keptStates/2)
	}
}

// end notes what became of the change.
func (o *object) end(c change, o2 outcome, reply resp.Reply, begin, at int64) (wrong bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := len(o.states) - 1
	switch o2 {
	case done:
		o.model = c.next
		o.states[last].maybe = false
		o.states[last-1].to = at
		wrong = flat(reply) != c.want
	case failed: // it never was
		o.states = o.states[:last]
	case unknown:
		o.retired = true
	}
	if o2 != failed {
		o.deeds = append(o.deeds, deed{cmd: c.cmd, reply: flat(reply), begin: begin, end: at, unknown: o2 == unknown})
	}
	line := fmt.Sprintf("%s - %s  %s -> ", stamp(begin), stamp(at), strings.Join(c.cmd, " "))
	if o2 == done {
		line += flat(reply)
	} else {
		line += o2.String() + " " + flat(reply)
	}
	if wrong {
		line += "   wanted " + c.want
	}
	o.note(line)
	return wrong
}

func (o *object) note(line string) {
	o.history = append(o.history, line)
	if len(o.history) > keptHistory {
		o.history = slices.Delete(o.history, 0, 1)
	}
}

// see notes what a reader saw, and says whether it could.
func (o *object) see(s sighting) bool {
	o.mu.Lock()
	o.seen = append(o.seen, s)
	o.mu.Unlock()
	return o.allows(s.digest, s.begin, s.end)
}

// suspect leaves an object to the judge: a failover may explain what is found. Only
// the first finding counts.
func (o *object) suspect(kind VerdictKind, format string, args ...any) {
	told := o.told()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.retired = true; o.doubt == nil {
		o.doubt = &Finding{Kind: kind, Text: fmt.Sprintf(format, args...), History: told}
	}
}

// allows says whether a reader may have seen a digest between two times.
func (o *object) allows(digest string, from, to int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, s := range o.states {
		if s.digest != digest || s.from > to {
			continue
		}
		if s.to == 0 || s.to >= from || i == len(o.states)-1 {
			return true
		}
	}
	return false
}

// givenUp says whether its writer is done with it.
func (o *object) givenUp() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.retired
}

// judge names what is wrong with a digest that is not allowed.
func (o *object) judge(digest string) VerdictKind {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.model.empty() {
		return Resurrected
	}
	for _, s := range o.states {
		if s.digest == digest {
			return Lost
		}
	}
	return Wrong
}

// last are the digests that the object may have once all is quiet.
func (o *object) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.states)
	if o.states[n-1].maybe && n > 1 {
		return []string{o.states[n-2].digest, o.states[n-1].digest}
	}
	return []string{o.states[n-1].digest}
}

func (o *object) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := slices.Clone(o.history)
	for _, s := range o.states[max(0, len(o.states)-3):] {
		lines = append(lines, fmt.Sprintf("state from %s to %s maybe=%t: %s", stamp(s.from), stamp(s.to), s.maybe, s.digest))
	}
	return lines
}

// flat writes a reply on one line.
func flat(r resp.Reply) string {
	switch r.Kind {
	case resp.KindNil:
		return "nil"
	case resp.KindArray:
		parts := make([]string, len(r.Array))
		for i, e := range r.Array {
			parts[i] = flat(e)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return r.Text()
}
