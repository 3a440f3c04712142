package failover

import (
	"maps"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

func TestParseVersion(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Version
		ok   bool
	}{
		{"7.0.15", Version{7, 0, 15}, true},
		{"5.0", Version{5, 0, 0}, true},
		{"8", Version{8, 0, 0}, true},
		{"255.255.255-dev", Version{255, 255, 255}, true},
		{"8.0~rc1.2", Version{8, 0, 0}, true},
		{"7.4.x", Version{7, 4, 0}, true},
		{"", Version{}, false},
		{"unstable", Version{}, false},
		{"-1.2", Version{}, false},
		{"99999999999999999999.1", Version{}, false},
	} {
		got, ok := ParseVersion(tc.text)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%q: got %v %v, want %v %v", tc.text, got, ok, tc.want, tc.ok)
		}
	}
}

func TestVersionLess(t *testing.T) {
	order := []Version{{}, {4, 0, 14}, {5, 0, 0}, {6, 2, 9}, {7, 0, 1}, {7, 0, 15}, {7, 2, 0}, {8, 0, 0}}
	for i, v := range order {
		for j, w := range order {
			if got, want := v.Less(w), i < j; got != want {
				t.Errorf("%v < %v: got %v, want %v", v, w, got, want)
			}
		}
	}
}

func TestParseReplication(t *testing.T) {
	for _, tc := range []struct {
		name, info string
		want       Replication
	}{
		{"master", "role:master\nconnected_slaves:2\nmaster_replid:aa\nmaster_repl_offset:42\n",
			Replication{Role: RoleMaster, ReplID: "aa", Offset: 42, Replicas: 2}},
		{"replica in sync", "role:slave\nmaster_host:10.0.0.1\nmaster_port:6379\nmaster_link_status:up\nslave_repl_offset:40\nmaster_replid:aa\nmaster_repl_offset:44\n",
			Replication{Role: RoleReplica, Priority: 100, ReplID: "aa", Offset: 40, MasterAddr: "10.0.0.1:6379", LinkUp: true}},
		{"full copy", "role:slave\nmaster_host:::1\nmaster_port:6379\nmaster_link_status:down\nmaster_sync_in_progress:1\nmaster_sync_total_bytes:100\nmaster_sync_read_bytes:70\nmaster_link_down_since_seconds:-1\n",
			Replication{Role: RoleReplica, Priority: 100, MasterAddr: "[::1]:6379", Syncing: true, SyncRead: 70, SyncTotal: 100}},
		{"diskless copy", "role:slave\nmaster_host:m\nmaster_port:1\nmaster_link_status:down\nmaster_sync_in_progress:1\nmaster_sync_total_bytes:-1\nmaster_sync_read_bytes:0\n",
			Replication{Role: RoleReplica, Priority: 100, MasterAddr: "m:1", Syncing: true}},
		{"link down", "role:slave\nmaster_host:m\nmaster_port:1\nmaster_link_status:down\nmaster_link_down_since_seconds:7\n",
			Replication{Role: RoleReplica, Priority: 100, MasterAddr: "m:1", LinkDownFor: 7 * time.Second}},
		{"sentinel", "role:sentinel\n", Replication{}},
		{"junk", "role:master\nmaster_repl_offset:many\nconnected_slaves:\n", Replication{Role: RoleMaster}},
		{"nothing", "", Replication{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := parseReplication(resp.ParseInfo(tc.info)); got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestParseFacts(t *testing.T) {
	f := parseFacts("a:1", resp.ParseInfo("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\nserver_name:valkey\r\nrun_id:r1\r\nrole:master\r\n"+
		"loading:1\r\ncluster_enabled:1\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=4,expires=0\r\ndb3:keys=0\r\ndbx:keys=9\r\ndb-1:keys=9\r\n"))
	if f.Product != "valkey" || f.Version != "7.2.4" || f.ProductVersion != "8.0.1" || f.VersionText() != "valkey 8.0.1 (redis 7.2.4)" {
		t.Errorf("got product %q %q %q (%s)", f.Product, f.Version, f.ProductVersion, f.VersionText())
	}
	if !f.Loading || !f.ClusterEnabled || f.RunID != "r1" || f.Role != RoleMaster {
		t.Errorf("got %+v", f)
	}
	if want := map[int]int64{0: 3, 12: 4}; !maps.Equal(f.Keys, want) || f.TotalKeys() != 7 {
		t.Errorf("got keys %v, want %v", f.Keys, want)
	}
}

func FuzzParseFacts(f *testing.F) {
	f.Add("redis_version:7.0.0\r\nrole:slave\r\nmaster_host:x\r\nmaster_port:1\r\ndb0:keys=3,expires=1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		facts := parseFacts("a:1", resp.ParseInfo(text))
		for db, keys := range facts.Keys {
			if db < 0 || keys <= 0 {
				t.Fatalf("database %d with %d keys", db, keys)
			}
		}
		if facts.SyncRead < 0 || facts.SyncTotal < 0 || facts.LinkDownFor < 0 {
			t.Fatalf("negative: %+v", facts)
		}
	})
}

func TestQuoteKey(t *testing.T) {
	for _, tc := range []struct{ key, want string }{
		{"user:1", `"user:1"`},
		{"a\r\nb\x00\xff", `"a\r\nb\x00\xff"`},
		{strings.Repeat("k", 64), `"` + strings.Repeat("k", 64) + `"`},
		{strings.Repeat("k", 65), `"` + strings.Repeat("k", 64) + `"...`},
	} {
		if got := quoteKey([]byte(tc.key)); got != tc.want {
			t.Errorf("got %s, want %s", got, tc.want)
		}
	}
}

func TestTargets(t *testing.T) {
	s := &topology.State{
		Settings: topology.Settings{"backend-user": "codis", "backend-password": "p"},
		Groups: map[int]topology.Group{
			1: {ID: 1, Servers: []topology.Server{{Addr: "a:1"}, {Addr: "a:2"}}},
			2: {ID: 2, Servers: []topology.Server{{Addr: "b:1"}}, Auth: &topology.Credentials{Password: "own"}},
			3: {ID: 3, Servers: []topology.Server{{Addr: "c:1"}}, Auth: &topology.Credentials{}},
		},
	}
	all := topology.Credentials{User: "codis", Password: "p"}
	want := map[string]topology.Credentials{"a:1": all, "a:2": all, "b:1": {Password: "own"}, "c:1": {}}
	got := map[string]topology.Credentials{}
	for _, target := range Targets(s) {
		got[target.Addr] = target.Auth
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
