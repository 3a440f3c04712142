package admin

import (
	"strings"
	"testing"

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
