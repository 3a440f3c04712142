package admin

import (
	"context"
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

// proposeFor commits a change that was decided by looking at g: it is refused
// when the group has changed since.
func (o *Ops) proposeFor(ctx context.Context, who Caller, g topology.Group, body topology.Body) error {
	return o.commit(ctx, topology.Command{Who: string(who), ExpectGroupEpoch: g.Epoch, Body: body})
}

func (o *Ops) commit(ctx context.Context, c topology.Command) error {
	out, err := o.cfg.Store.Propose(ctx, c)
	if err != nil {
		return err
	}
	return out.Err()
}
