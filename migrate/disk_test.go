package migrate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestM6_NothingIsDeletedBeforeTheDiskHasIt: a target that keeps an append-only file
// and can tell is waited for.
func TestM6_NothingIsDeletedBeforeTheDiskHasIt(t *testing.T) {
	t.Parallel()
	resptest.Needs(t, 7, 2)
	c := newCluster(t, layout{groups: 2, args: []string{"--appendonly", "yes", "--appendfsync", "everysec"}})
	c.assign(1)
	want := c.fill(1, 3000)
	leader := c.lead()
	job := c.migrate(topology.JobOptions{KeysPerSecond: 500}, c.all(1, 2))
	waitFor(t, "progress", func() bool { p, _ := leader.Live(job); return p.Keys > 100 })
	target, source := c.master(2).Client(t), c.master(1).Client(t)
	must(t, target, "CONFIG", "SET", "appendfsync", "no") // as a disk that hangs
	waitFor(t, "reason", func() bool { return strings.Contains(c.job(job).Reason, errDisk.Error()) })
	left, there := must(t, source, "DBSIZE").Int, must(t, target, "DBSIZE").Int
	time.Sleep(500 * time.Millisecond) // some waits
	if n := must(t, source, "DBSIZE").Int; n != left {
		t.Errorf("%d keys deleted at the source meanwhile", left-n)
	}
	if n := must(t, target, "DBSIZE").Int; n < there {
		t.Errorf("the target had %d keys and has %d", there, n)
	}
	must(t, target, "CONFIG", "SET", "appendfsync", "everysec")
	c.store.must(topology.JobLimit{ID: job, KeysPerSecond: 1_000_000})
	c.waitDone(job, 60*time.Second)
	checkSame(t, "source", contents(t, c.master(1)), nil)
	checkSame(t, "target", contents(t, c.master(2)), want)
}

// TestDisk_NotAsked: nothing hangs where the disk can't be asked.
func TestDisk_NotAsked(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"none": nil, "the kernel writes": {"--appendonly", "yes", "--appendfsync", "no"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, layout{groups: 2, args: args})
			c.assign(1)
			want := c.fill(1, 200)
			c.lead()
			c.waitDone(c.migrate(topology.JobOptions{}, c.all(1, 2)), 30*time.Second)
			checkSame(t, "target", contents(t, c.master(2)), want)
		})
	}
}

func TestPreflight_Persistence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		replicas int
		args     []string
		result   Result
		text     string
	}{
		{"nothing", 0, []string{"--save", ""}, ResultWarn, "in one place only"},
		{"snapshots", 0, []string{"--save", "900 1"}, ResultWarn, "from time to time"},
		{"append-only file", 0, []string{"--appendonly", "yes"}, ResultOK, "appendonly"},
		{"replica", 1, []string{"--save", ""}, ResultOK, "replicas: 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, layout{groups: 2, replicas: tt.replicas, args: tt.args})
			c.assign(1)
			report, err := c.idle().Preflight(t.Context(), []topology.SlotMove{c.all(1, 2)})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(report, func(c Check) bool { return c.Name == "persistence" })
			if at < 0 {
				t.Fatalf("no such check in %+v", report)
			}
			if check := report[at]; check.Result != tt.result || !strings.Contains(check.Text, tt.text) {
				t.Errorf("%+v", check)
			}
		})
	}
}
