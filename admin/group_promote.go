package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codis/raftstore/topology"
)

// Turner gives groups other masters. Its methods may be called by any goroutine,
// and calls may overlap.
type Turner interface {
	// Promote makes a replica of the group its master, Replace another server. Both
	// are for the leader, and block until it is done or has failed, or ctx ends, which
	// does not stop what has begun.
	Promote(ctx context.Context, r TurnRequest) (Turned, error)
	Replace(ctx context.Context, r TurnRequest) (Turned, error)
	// Alarms are what a person should look at; the leader knows them. It does not block.
	Alarms() []GroupAlarm
	// Prospects says of each group of a state whether its master would be replaced if
	// it died now. It does not block.
	Prospects(s *topology.State) map[int]Prospect
}

// TurnRequest names a group and the server that is to be its master.
type TurnRequest struct {
	Group int
	Addr  string
	// Force takes the server as it is, with what is lost then.
	Force bool
	Who   Caller
}

// Turned is a change of a master that is done.
type Turned struct {
	// Pause is how long requests for the group's slots were on hold.
	Pause time.Duration
	// LostBytes of acknowledged writes are lost, at least; -1: not known.
	LostBytes int64
	// Note is what a person should know; may be empty.
	Note string
}

// GroupAlarm is a group that something is wrong with.
type GroupAlarm struct {
	Group      int
	Code, Text string
}

// Prospect says whether a group's master would be replaced if it died now.
type Prospect struct {
	Possible bool
	Why      string
}

// GroupPromote makes a replica the master of its group.
func (o *Ops) GroupPromote(ctx context.Context, who Caller, r TurnRequest) (Turned, error) {
	return o.turn(ctx, who, r, Turner.Promote)
}

// GroupReplace puts another server in the place of a master that is gone.
func (o *Ops) GroupReplace(ctx context.Context, who Caller, r TurnRequest) (Turned, error) {
	if !r.Force {
		return Turned{}, refuse(topology.CodeBadArg, fmt.Sprintf("CODIS.GROUP REPLACE %d %s FORCE does it", r.Group, r.Addr),
			"what the master of group %d has, and %s has not, would be lost", r.Group, r.Addr)
	}
	return o.turn(ctx, who, r, Turner.Replace)
}

func (o *Ops) turn(ctx context.Context, who Caller, r TurnRequest, do func(Turner, context.Context, TurnRequest) (Turned, error)) (Turned, error) {
	if o.cfg.Turner == nil {
		return Turned{}, refuse("ERR", "", "this node can't change masters")
	}
	if _, err := groupOf(o.cfg.Store.State(), r.Group); err != nil {
		return Turned{}, err
	}
	r.Who = who
	done, err := do(o.cfg.Turner, ctx, r)
	if refusal := (*topology.Error)(nil); err == nil || errors.As(err, &refusal) || ctx.Err() != nil {
		return done, err
	}
	return done, serverError(err, "")
}

// reply answers OK, and what to know.
func (t Turned) reply(c *call) {
	Done{Notes: t.notes()}.reply(c)
}

func (t Turned) notes() []string {
	notes := []string{fmt.Sprintf("requests waited %d ms", t.Pause.Milliseconds())}
	if t.Note != "" {
		notes = append(notes, t.Note)
	}
	return notes
}

type turnedView struct {
	PauseMS   int64    `json:"pause_ms"`
	LostBytes *int64   `json:"lost_bytes"`
	Notes     []string `json:"notes"`
}

func (t Turned) view() any {
	v := turnedView{PauseMS: t.Pause.Milliseconds(), Notes: t.notes()}
	if t.LostBytes >= 0 {
		v.LostBytes = &t.LostBytes
	}
	return v
}
