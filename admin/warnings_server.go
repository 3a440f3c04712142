package admin

import (
	"fmt"

	"codis/raftstore/topology"
)

// notServed is what a master that can't be used means for keys.
func notServed(slots int) string {
	if slots == 0 {
		return ""
	}
	return fmt.Sprintf("the keys of its %d slots are not served; ", slots)
}

// masterHint says what happens by itself where a master can't be used, and what a
// person can do.
func masterHint(obs Observation, g topology.Group, state string) string {
	if g.Turn != nil {
		return fmt.Sprintf("%s is being made the master", g.Turn.To)
	}
	switch state {
	case "loading":
		return "wait until it has read its data"
	case "busy":
		return "a script blocks it: wait, or SCRIPT KILL or FUNCTION KILL there"
	case "denied":
		return fmt.Sprintf("it lives, so no replica takes over; CODIS.GROUP AUTH %d [user] password tells the nodes how to log in", g.ID)
	}
	prospect, known := obs.Prospects[g.ID]
	switch {
	case !known:
		return fmt.Sprintf("start that redis-server again, or CODIS.GROUP PROMOTE %d addr FORCE", g.ID)
	case prospect.Possible:
		return fmt.Sprintf("a replica takes over by itself when most voters find it down (%s); nothing needs to be done", prospect.Why)
	case len(g.Servers) < 2:
		return fmt.Sprintf("no replica takes over: %s; start that redis-server again, or CODIS.GROUP REPLACE %d addr FORCE puts an empty or restored one in its place", prospect.Why, g.ID)
	}
	return fmt.Sprintf("no replica takes over by itself: %s; start that redis-server again, or CODIS.GROUP PROMOTE %d addr FORCE takes a replica as it is", prospect.Why, g.ID)
}

// replicaHint says what to do about a replica that can't be used.
func replicaHint(g topology.Group, addr string, h ServerHealth) string {
	switch {
	case h.State == "syncing" && h.Copy != nil:
		return fmt.Sprintf("it copies the data of its master (%s), and takes over for nobody before it has all of it", h.Copy)
	case h.State == "syncing", h.State == "loading":
		return "it takes over for nobody before it has all of its data"
	case h.State == "busy":
		return "a script blocks it: wait, or SCRIPT KILL or FUNCTION KILL there"
	case h.State == "denied":
		return fmt.Sprintf("CODIS.GROUP AUTH %d [user] password tells the nodes how to log in", g.ID)
	}
	return fmt.Sprintf("start that redis-server again, or CODIS.GROUP DETACH %d %s when it is gone for good", g.ID, addr)
}

// because puts a reason in brackets, when there is one.
func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
