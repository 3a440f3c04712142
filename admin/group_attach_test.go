package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// TestAttachWhileTheLeaderRecords: what the leader records of a group's master while a
// replica copies its data is no reason to refuse the replica, but another master is.
func TestAttachWhileTheLeaderRecords(t *testing.T) {
	for _, tt := range []struct {
		name  string
		runID string
		want  string
	}{
		{"another replication ID", "run7000", "127.0.0.1:7001 is made a replica of 127.0.0.1:7000"},
		{"another process", "run9999", "STALE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			servers := newFakeServers()
			c := newFakeCluster(t, servers)
			ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000")
			servers.following = func() {
				srv := topology.Server{Addr: "127.0.0.1:7000", Version: "7.0.15", RunID: tt.runID, ReplID: "another"}
				if err := c.apply(topology.Command{Body: topology.ServerUpdate{Group: 1, Server: srv}}).Err(); err != nil {
					t.Error(err)
				}
			}
			r := ask(t, c.nodes["n1"], "CODIS.GROUP ATTACH 1 127.0.0.1:7001")
			got := ""
			switch {
			case r.Err() != nil:
				got, _, _ = strings.Cut(r.Err().Error(), " ")
			case len(r.Array) > 1:
				got = r.Array[1].Text()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestChangesWhileTheLeaderRecords: no change of a group is refused because the leader
// has recorded something of its servers between the look and the commit, and what was
// recorded stays.
func TestChangesWhileTheLeaderRecords(t *testing.T) {
	for _, words := range []string{
		"CODIS.GROUP ATTACH 1 127.0.0.1:7002",
		"CODIS.GROUP DETACH 1 127.0.0.1:7001",
		"CODIS.GROUP AUTH 1 \"\"",
		"CODIS.GROUP ZONE 1 127.0.0.1:7000 here",
	} {
		t.Run(words, func(t *testing.T) {
			c := newFakeCluster(t, newFakeServers())
			ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000 127.0.0.1:7001")
			records := 3
			c.nodes["n1"].proposing = func() {
				if records--; records < 0 {
					return
				}
				srv := topology.Server{Addr: "127.0.0.1:7000", Version: "7.0.15", RunID: "run7000", ReplID: fmt.Sprint("history", records)}
				if err := c.apply(topology.Command{Body: topology.ServerUpdate{Group: 1, Server: srv}}).Err(); err != nil {
					t.Error(err)
				}
			}
			if r := ask(t, c.nodes["n1"], words); r.Err() != nil {
				t.Fatal(r.Err())
			}
			if got := c.nodes["n1"].State().Groups[1].Servers[0].ReplID; got != "history0" {
				t.Errorf("the master's replication ID is %q, want the last that was recorded", got)
			}
		})
	}
}

// TestAGroupThatChangesForEver: a change that never meets the group it has looked at
// is refused in the end.
func TestAGroupThatChangesForEver(t *testing.T) {
	c := newFakeCluster(t, newFakeServers())
	ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000")
	looks := 0
	c.nodes["n1"].proposing = func() {
		looks++
		c.apply(topology.Command{Body: topology.ServerUpdate{Group: 1, Server: topology.Server{Addr: "127.0.0.1:7000", Zone: fmt.Sprint("z", looks)}}})
	}
	if r := ask(t, c.nodes["n1"], "CODIS.GROUP ZONE 1 127.0.0.1:7000 here"); r.Err() == nil || !strings.HasPrefix(r.Err().Error(), "STALE") || looks != maxLooks {
		t.Errorf("after %d looks: %v", looks, r.Err())
	}
}

// TestAttachAnswersInTime: a server whose copy takes longer than the operation may is
// in the table, with how far it is, and the answer says that it goes on.
func TestAttachAnswersInTime(t *testing.T) {
	servers := newFakeServers()
	servers.copying = map[string]Copy{"127.0.0.1:7001": {Read: 30, Total: 100}, "127.0.0.1:7003": {Read: 7}}
	c := newFakeCluster(t, servers)
	c.nodes["n1"].ops.cfg.AttachTimeout = 200 * time.Millisecond
	ask(t, c.nodes["n1"], "CODIS.GROUP ADD 1 127.0.0.1:7000")
	for words, want := range map[string]string{
		"CODIS.GROUP ATTACH 1 127.0.0.1:7001":             "127.0.0.1:7001 goes on copying the data of 127.0.0.1:7000 (30 of 100 bytes)",
		"CODIS.GROUP ADD 2 127.0.0.1:7002 127.0.0.1:7003": "127.0.0.1:7003 goes on copying the data of 127.0.0.1:7002 (7 bytes so far)",
	} {
		r := ask(t, c.nodes["n1"], words)
		if r.Err() != nil || len(r.Array) != 3 || !strings.HasPrefix(r.Array[2].Text(), want) {
			t.Errorf("%s: got %v %v, want a note %q", words, r.Array, r.Err(), want)
		}
	}
	for id := 1; id <= 2; id++ {
		if n := len(c.nodes["n1"].State().Groups[id].Servers); n != 2 {
			t.Errorf("group %d has %d servers, want both", id, n)
		}
	}
}
