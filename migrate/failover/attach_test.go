package failover

import (
	"strings"
	"testing"
)

func TestCheckAttach(t *testing.T) {
	master := Facts{Addr: "m:1", Product: "redis", Version: "7.0.15", RunID: "run-m", Databases: 16,
		Replication: Replication{Role: RoleMaster, ReplID: "hist-m", Replicas: 1}}
	blank := Facts{Addr: "c:1", Product: "redis", Version: "7.0.15", RunID: "run-c", Databases: 16,
		Replication: Replication{Role: RoleMaster, ReplID: "hist-c"}}
	follower := Facts{Addr: "c:1", Product: "redis", Version: "7.0.15", RunID: "run-c", Databases: 16,
		MasterRunID: "run-m", MasterRole: RoleMaster, Keys: map[int]int64{0: 5},
		Replication: Replication{Role: RoleReplica, ReplID: "hist-m", MasterAddr: "m:1", LinkUp: true}}
	// with returns a copy of facts with changes.
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	loading := func(f *Facts) { f.Loading = true }
	keys := func(f *Facts) { f.Keys = map[int]int64{0: 1, 3: 2} }

	for _, tc := range []struct {
		name           string
		candidate      Facts
		master         *Facts
		force          bool
		wantErr        error
		words          []string // of the error
		action         Action
		note, warnings string // a part of the only one; "" means none
	}{
		{name: "master of a group", candidate: blank},
		{name: "master of a group, with keys and replicas", candidate: with(master, keys)},
		{name: "master that loads", candidate: with(blank, loading), wantErr: ErrLoading},
		{name: "replica as master", candidate: follower, wantErr: ErrNotMaster, words: []string{"replica of m:1", "give m:1 as the master"}},
		{name: "replica as master, forced", candidate: follower, force: true, wantErr: ErrNotMaster},

		{name: "follows the master", candidate: follower, master: &master},
		{name: "follows the master by another name", candidate: with(follower, func(f *Facts) { f.MasterAddr = "alias:1" }), master: &master},
		{name: "follows the master, which it alone can reach", master: &master,
			candidate: with(follower, func(f *Facts) { f.MasterAddr, f.MasterRunID, f.MasterRole = "inner:1", "", RoleUnknown }),
			warnings:  "taken to be the same server"},
		{name: "same address, not to be asked", master: &master,
			candidate: with(follower, func(f *Facts) { f.MasterRunID, f.MasterRole, f.LinkUp, f.Syncing = "", RoleUnknown, false, true }),
			warnings:  "still copying"},
		{name: "same address, another server", candidate: with(follower, func(f *Facts) { f.MasterRunID = "run-x" }), master: &master, wantErr: ErrOtherMaster},
		{name: "same address and process, another history", candidate: with(follower, func(f *Facts) { f.ReplID = "hist-x" }), master: &master,
			wantErr: ErrOtherMaster, words: []string{"a server that is m:1 to it"}},
		{name: "link down", candidate: with(follower, func(f *Facts) { f.LinkUp = false }), master: &master,
			action: ActionFollow, note: "its link is down"},
		{name: "copies", candidate: with(follower, func(f *Facts) { f.LinkUp, f.Syncing = false, true }), master: &master, warnings: "still copying"},
		{name: "loads", candidate: with(follower, loading), master: &master, wantErr: ErrLoading},

		{name: "follows another", master: &master, wantErr: ErrOtherMaster, words: []string{"it follows x:1", "master m:1", "FORCE"},
			candidate: with(follower, func(f *Facts) { f.MasterAddr, f.MasterRunID, f.ReplID = "x:1", "run-x", "hist-x" })},
		{name: "follows another that can't be asked", master: &master, wantErr: ErrOtherMaster,
			candidate: with(follower, func(f *Facts) {
				f.MasterAddr, f.MasterRunID, f.MasterRole, f.ReplID = "x:1", "", RoleUnknown, "hist-x"
			})},
		{name: "had the master's history, link down", master: &master, wantErr: ErrOtherMaster,
			candidate: with(follower, func(f *Facts) {
				f.MasterAddr, f.MasterRunID, f.MasterRole, f.LinkUp = "x:1", "", RoleUnknown, false
			})},
		{name: "follows another, forced", master: &master, force: true, action: ActionFollow, note: "its data is replaced",
			candidate: with(follower, func(f *Facts) { f.MasterAddr, f.MasterRunID, f.ReplID = "x:1", "run-x", "hist-x" })},
		{name: "replica of a replica", master: &master, wantErr: ErrChain, words: []string{"r:1, which is itself a replica"},
			candidate: with(follower, func(f *Facts) { f.MasterAddr, f.MasterRunID, f.MasterRole = "r:1", "run-r", RoleReplica })},
		{name: "replica of a replica, forced", master: &master, force: true, action: ActionFollow, note: "made a replica of m:1",
			candidate: with(follower, func(f *Facts) { f.MasterAddr, f.MasterRunID, f.MasterRole = "r:1", "run-r", RoleReplica })},
		{name: "has replicas", candidate: with(follower, func(f *Facts) { f.Replicas = 2 }), master: &master, force: true,
			wantErr: ErrChain, words: []string{"2 replicas"}},

		{name: "empty master", candidate: blank, master: &master, action: ActionFollow, note: "c:1 is an empty master: it is made a replica of m:1"},
		{name: "empty master with replicas", candidate: with(blank, func(f *Facts) { f.Replicas = 1 }), master: &master, wantErr: ErrChain},
		{name: "master with keys", candidate: with(blank, keys), master: &master, wantErr: ErrHasKeys, words: []string{"3 keys", "FORCE"}},
		{name: "master with keys, forced", candidate: with(blank, keys), master: &master, force: true, action: ActionFollow, note: "3 keys: they are DELETED"},
		{name: "the master itself", candidate: with(blank, func(f *Facts) { f.RunID = "run-m" }), master: &master, force: true, wantErr: ErrSameServer},
		{name: "the group's master is a replica", candidate: blank, master: &follower, force: true, wantErr: ErrChain},

		{name: "older than the master", candidate: with(blank, func(f *Facts) { f.Version = "6.2.14" }), master: &master,
			action: ActionFollow, note: "empty master", warnings: "c:1 (6.2.14) is older than its master m:1 (7.0.15)"},
		{name: "older patch", candidate: with(follower, func(f *Facts) { f.Version = "7.0.1" }), master: &master},
		{name: "newer", candidate: with(follower, func(f *Facts) { f.Version = "7.4.0" }), master: &master},
		{name: "another product", candidate: with(follower, func(f *Facts) { f.Product, f.ProductVersion, f.Version = "valkey", "9.0.0", "7.2.4" }),
			master: &master, warnings: "c:1 is valkey 9.0.0 (redis 7.2.4) and its master m:1 is 7.0.15"},
		{name: "fewer databases", candidate: with(follower, func(f *Facts) { f.Databases = 1 }), master: &master, warnings: "1 databases"},
		{name: "databases not known", candidate: with(follower, func(f *Facts) { f.Databases = 0 }), master: &master},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, err := CheckAttach(Attach{Candidate: tc.candidate, Master: tc.master, Force: tc.force})
			wantError(t, err, tc.wantErr, tc.words...)
			if v.Action != tc.action {
				t.Errorf("got action %v, want %v", v.Action, tc.action)
			}
			wantLine(t, "note", v.Notes, tc.note)
			wantLine(t, "warning", v.Warnings, tc.warnings)
		})
	}
}

func wantLine(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if want == "" && len(got) == 0 {
		return
	}
	if want == "" || len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("got %ss %q, want one with %q", what, got, want)
	}
}

func TestOlderValkeyUnderNewer(t *testing.T) {
	old := Facts{Addr: "c:1", Product: "valkey", Version: "7.2.4", ProductVersion: "8.1.0"}
	now := Facts{Addr: "m:1", Product: "valkey", Version: "7.2.4", ProductVersion: "9.0.0"}
	if got := compare(old, now); len(got) != 1 || !strings.Contains(got[0], "older") {
		t.Errorf("got %q, want a warning: both say redis_version 7.2.4", got)
	}
	if got := compare(now, old); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}
