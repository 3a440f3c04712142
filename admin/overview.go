package admin

import (
	"encoding/json"
	"slices"
	"strings"

	"codis/router/resp"
)

// complete adds to the info what this node has to ask the leader for, or counts itself
// when it leads: programs get it with CODIS.JSON, while the text of CODIS.INFO, which
// is asked for often, is this node's own.
func (o *Ops) complete(c *call, info *Info) {
	if asked := o.leadersOverview(c, info.Status); asked != nil {
		info.Totals = asked.Totals
		info.merge(asked.Warnings)
	} else {
		info.Totals = o.totals(c.ctx, NodesQuery{Local: true})
	}
	if info.Totals != nil {
		info.Totals.Keys = keysOf(info.Groups)
	}
}

// leadersOverview asks the leader; nil when it can't be asked, or is this node.
func (o *Ops) leadersOverview(c *call, status Status) *overviewView {
	q := &call{ctx: c.ctx, caller: newCaller(status.ID), json: true}
	if c.forwarded || !o.askLeader(q, [][]byte{[]byte(jsonName), []byte("CODIS.INFO")}) {
		return nil
	}
	r, _, err := resp.ParseReply(q.reply)
	v := &overviewView{}
	if err != nil || json.Unmarshal(r.Str, v) != nil {
		return nil
	}
	return v
}

// merge adds warnings that only the leader has, and sums up again.
func (i *Info) merge(warnings []warningView) {
	for _, w := range warnings {
		w := Warning{Level: levelOf(w.Level), Code: w.Code, Text: w.Text}
		if !slices.ContainsFunc(i.Warnings, func(own Warning) bool { return own.subject() == w.subject() }) {
			i.Warnings = append(i.Warnings, w)
		}
	}
	slices.SortStableFunc(i.Warnings, func(a, b Warning) int { return int(b.Level) - int(a.Level) })
	i.Health = Health(i.Warnings)
}

// subject is a warning without its details, in which two nodes may differ: what is
// wrong with what.
func (w Warning) subject() string {
	text, _, _ := strings.Cut(w.Text, ";")
	text, _, _ = strings.Cut(text, " (")
	return w.Code + " " + text
}

// levelOf reads what Level.String writes; what is not known is a notice.
func levelOf(text string) Level {
	for _, level := range []Level{LevelDegraded, LevelDown} {
		if level.String() == text {
			return level
		}
	}
	return LevelNotice
}

// keysOf is how many keys the masters of all groups have; nil when one is not known.
func keysOf(groups []Group) *int64 {
	var keys int64
	for _, g := range groups {
		for _, s := range g.Servers {
			switch {
			case s.Role != "master":
			case s.Health == nil || s.Health.Keys < 0:
				return nil
			default:
				keys += s.Health.Keys
			}
		}
	}
	return &keys
}
