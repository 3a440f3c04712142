package raftstore

import (
	"strings"
	"testing"
	"time"
)

func TestReplaceable(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, c := range map[string]struct {
		raft   string // as in TestNextChange; a leads
		silent map[string]time.Duration
		after  time.Duration
		want   string
	}{
		"all are there":                {"a! b! c! d! e! f", nil, time.Minute, ""},
		"off":                          {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Hour}, 0, ""},
		"silent for long":              {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Minute}, time.Minute, "make a learner b"},
		"not long enough":              {"a! b! c! d! e! f", map[string]time.Duration{"b": 59 * s}, time.Minute, ""},
		"the longest silence first":    {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Minute, "c": time.Hour}, time.Minute, "make a learner c"},
		"nobody to take its place":     {"a! b! c! d! e!", map[string]time.Duration{"b": time.Hour}, time.Minute, ""},
		"the learner is silent too":    {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Hour, "f": 3 * s}, time.Minute, ""},
		"the learner is not a member":  {"a! b! c! d! e! z", map[string]time.Duration{"b": time.Hour}, time.Minute, ""},
		"two of three would be left":   {"a! b! c! f", map[string]time.Duration{"b": time.Hour}, time.Minute, ""},
		"three of four":                {"a! b! c! d! f", map[string]time.Duration{"b": time.Hour}, time.Minute, "make a learner b"},
		"two of five":                  {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Hour, "c": time.Hour, "d": time.Hour}, time.Minute, ""},
		"a learner is not replaced":    {"a! b! c! d! e! f", map[string]time.Duration{"f": time.Hour}, time.Minute, ""},
		"silence, no lease, is a must": {"a! b! c! d! e! f", map[string]time.Duration{"b": time.Second}, time.Millisecond, ""},
	} {
		a := attendance{self: "a", silent: map[string]time.Duration{"b": 0, "c": 0, "d": 0, "e": 0, "f": 0}, live: 2 * s, after: c.after}
		for id, silence := range c.silent {
			a.silent[id] = silence
		}
		got, ok := a.replaceable(parseTable("a! b! c! d! e! f"), parseServers(c.raft))
		text := ""
		if ok {
			text = got.String()
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
	// Nobody knows how long a node has been silent that is not in the ledger yet.
	a := attendance{self: "a", live: 2 * s, after: time.Minute}
	if got, ok := a.replaceable(parseTable("a! b! c! d! e! f"), parseServers("a! b! c! d! e! f")); ok {
		t.Errorf("in a new term: %s", got)
	}
}

// TestReplaceSilentVoter: with node-replace-after a learner takes the place of a voter
// that is gone, and that one is a learner when it is back.
func TestReplaceSilentVoter(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 6)
	mustPropose(t, nodes[0], settingOf("lease-renew", "100ms"))
	mustPropose(t, nodes[0], settingOf("lease", "400ms"))
	leader := leaderOf(t, nodes)
	learner := leader.Status().Nonvoters[0]
	var gone *node
	for _, n := range others(nodes, leader) {
		if n.cfg.ID != learner {
			gone = n
		}
	}
	gone.kill()
	id := gone.cfg.ID
	mustPropose(t, leader, settingOf("node-replace-after", "500ms"))
	waitFor(t, "the learner to take the place", func() bool {
		state := leader.State()
		return state.Nodes[learner].Voter && !state.Nodes[id].Voter && state.Voters() == 5
	})
	var history []string
	for _, change := range leader.State().History {
		history = append(history, change.What)
	}
	if text := strings.Join(history, "\n"); !strings.Contains(text, "node "+id+" is no longer a voter: not heard for") {
		t.Errorf("history:\n%s", text)
	}
	gone.open()
	waitFor(t, "the lost node to be a learner", func() bool { return settled(nodes...) && gone.Status().Role == RoleLearner })
	sameTables(t, nodes...)
}
