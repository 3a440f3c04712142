package admin

import (
	"strings"
	"testing"
)

// TestOverviewHasWhatTheLeaderKnows: a node that does not lead shows the leader's
// warnings and everybody's figures in JSON, and its own where the leader can't be asked.
func TestOverviewHasWhatTheLeaderKnows(t *testing.T) {
	servers := newFakeServers()
	c := newFakeCluster(t, servers)
	for _, command := range []string{"CODIS.GROUP ADD 1 127.0.0.1:7000", "CODIS.ASSIGN AUTO"} {
		if r := ask(t, c.nodes["n1"], command); r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	n1, n2 := c.nodes["n1"].ops, c.nodes["n2"].ops
	rate := 7.0
	n1.cfg.PeerSecret = false // a warning that n2 has not
	n1.cfg.Reports = func() map[string]Figures { return map[string]Figures{"n2": {OpsPerSecond: &rate}} }
	n1.cfg.Figures = func() Figures { return Figures{OpsPerSecond: &rate} }
	n2.cfg.Figures = n1.cfg.Figures
	has := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no %s in %s", w, text)
			}
		}
	}
	text := ask(t, c.nodes["n2"], "CODIS.JSON CODIS.INFO").Text()
	has(text, `"node_id":"n2"`, `"code":"no-secret"`, `"totals":{"nodes":2,"ops_per_second":14`)
	if n := strings.Count(text, `"code":"no-replica"`); n != 1 {
		t.Errorf("what both know stands there %d times", n)
	}
	c.leader = ""
	text = ask(t, c.nodes["n2"], "CODIS.JSON CODIS.INFO").Text()
	has(text, `"health":"degraded"`, `"code":"no-leader"`, `"totals":{"nodes":1,"ops_per_second":7`)
	if strings.Contains(text, "no-secret") {
		t.Errorf("nobody could know of it: %s", text)
	}
}

func TestKeysOfMasters(t *testing.T) {
	seen := func(role string, keys int64) Server { return Server{Role: role, Health: &ServerHealth{Keys: keys}} }
	for _, tt := range []struct {
		name   string
		groups []Group
		want   int64 // -1: not known
	}{
		{"none", nil, 0},
		{"masters only", []Group{{Servers: []Server{seen("master", 3), seen("replica", 3)}}, {Servers: []Server{seen("master", 4)}}}, 7},
		{"one not told", []Group{{Servers: []Server{seen("master", -1)}}, {Servers: []Server{seen("master", 4)}}}, -1},
		{"one not seen", []Group{{Servers: []Server{{Role: "master"}}}}, -1},
	} {
		got := int64(-1)
		if keys := keysOf(tt.groups); keys != nil {
			got = *keys
		}
		if got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestMergeWarnings: what two nodes see in different words is one warning.
func TestMergeWarnings(t *testing.T) {
	own := Warning{Level: LevelDegraded, Code: "server-down", Text: "the master of group 1, a:1, is down (refused); start it"}
	info := Info{Warnings: []Warning{own}}
	info.merge([]warningView{
		{Level: "degraded", Code: "server-down", Text: "the master of group 1, a:1, is down (no answer in time); start it"},
		{Level: "degraded", Code: "server-down", Text: "the master of group 2, b:1, is down (refused); start it"},
		{Level: "degraded", Code: "server-loading", Text: "the master of group 1, a:1, is down (refused); start it"},
	})
	if len(info.Warnings) != 3 || info.Warnings[0] != own || info.Health != "degraded" {
		t.Errorf("got %s, %+v", info.Health, info.Warnings)
	}
}
