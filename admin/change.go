package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"codis/raftstore/topology"
)

// Caller is who asked for a change, for the history: the client's address and
// name, and the node that took the command.
type Caller string

// maxCaller bounds what one entry of the history holds of its caller.
const maxCaller = 128

// newCaller makes a Caller of text from outside: printable and bounded.
func newCaller(s string) Caller {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > maxCaller {
		s = strings.ToValidUTF8(s[:maxCaller], "")
	}
	return Caller(s)
}

// Done is the result of a change.
type Done struct {
	// Notes say what was done beyond the request, and what to mind.
	Notes []string
}

// notef adds a note.
func (d *Done) notef(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// propose commits one change and returns topology's refusal as an error.
func (o *Ops) propose(ctx context.Context, who Caller, body topology.Body) error {
	return o.commit(ctx, topology.Command{Who: string(who), Body: body})
}

// maxLooks bounds how often a change is decided again because its group has changed.
const maxLooks = 10

// changeGroup commits a change that is decided by looking at a group. The leader
// records what it sees of a group's servers at any time, so where the group has
// changed before the commit, it is looked at and decided again: decide runs once or
// more, always with the state of now, and its error ends it.
func (o *Ops) changeGroup(ctx context.Context, who Caller, id int, decide func(*topology.State, topology.Group) (topology.Body, error)) error {
	for look := 1; ; look++ {
		state := o.cfg.Store.State()
		g, err := groupOf(state, id)
		if err != nil {
			return err
		}
		body, err := decide(state, g)
		if err != nil {
			return err
		}
		err = o.commit(ctx, topology.Command{Who: string(who), ExpectGroupEpoch: g.Epoch, Body: body})
		if !errors.Is(err, &topology.Error{Code: topology.CodeStale}) || o.cfg.Store.State().Groups[id].Epoch == g.Epoch || look == maxLooks {
			return err
		}
	}
}

func (o *Ops) commit(ctx context.Context, c topology.Command) error {
	out, err := o.cfg.Store.Propose(ctx, c)
	if err != nil {
		return err
	}
	return out.Err()
}
