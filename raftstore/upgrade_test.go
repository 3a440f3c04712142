package raftstore

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// oldDirectory unpacks the directory that the last version of a format has left
// behind.
func oldDirectory(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", filepath.Join("..", "testdata", "upgrade", archive), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v: %s", archive, err, out)
	}
	return filepath.Join(dir, "n1")
}

// TestOldDirectory: this version goes on from the directory of an earlier one, its
// last table, its snapshot and the log behind that, and lets the cluster go by the
// newest format.
func TestOldDirectory(t *testing.T) {
	t.Parallel()
	for archive, format := range map[string]topology.Format{"format2.tar.gz": 2} {
		n := newNode(t, "n1")
		n.cfg.Dir = oldDirectory(t, archive)
		saved := savedTableOf(t, n)
		if saved.Format != format {
			t.Fatalf("%s has format %d", archive, saved.Format)
		}
		n.open()
		waitFor(t, "the node to go on", func() bool { return settled(n) && n.State().Format == topology.StateFormat })
		checkOldTable(t, n.State())
		// The snapshot and the log behind it make the same of it as the last table.
		if replayed := n.fsm.state; replayed.Epoch != n.State().Epoch || replayed.Settings.Int("maxclients") != 777 {
			t.Errorf("replayed up to epoch %d, maxclients %s", replayed.Epoch, replayed.Settings.Text("maxclients"))
		}
		mustPropose(t, n, topology.JobSetState{ID: 10, State: topology.JobRunning})
		mustPropose(t, n, settingOf("failover", "no"))
		want := tableOf(t, n)
		n.kill()
		n.open()
		waitFor(t, "the node to be back", func() bool { return settled(n) })
		if got := tableOf(t, n); got != want {
			t.Errorf("after a restart:\n%s\nbefore:\n%s", got, want)
		}
	}
}

// savedTableOf reads the last table of a directory that nobody has open.
func savedTableOf(t *testing.T, n *node) *topology.State {
	t.Helper()
	d, err := openDisk(n.cfg.Dir, n.cfg.LockTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	state, _, err := d.table()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// checkOldTable looks for what testdata/upgrade/README.md says is there.
func checkOldTable(t *testing.T, s *topology.State) {
	t.Helper()
	job := s.Jobs[10]
	if len(s.Groups) != 2 || len(s.Groups[1].Servers) != 2 || s.Groups[1].Servers[1].Zone != "b" || s.Unassigned() != 0 ||
		s.Slots[1].Group != 2 || s.Slots[2].Group != 1 || job.State != topology.JobPaused || len(s.Nodes) != 1 {
		t.Errorf("%d groups, %d slots free, job %+v, nodes %v", len(s.Groups), s.Unassigned(), job, s.Nodes)
	}
	if s.Settings.Text("backend-password") != "hush" || s.Settings.Int("maxclients") != 777 || s.Settings.Text("timeout") != "5m" {
		t.Errorf("settings %v", s.Settings)
	}
	var history []string
	for _, change := range s.History {
		history = append(history, change.What)
	}
	for _, want := range []string{"node n2 removed", "job 10", "format 3"} {
		if !strings.Contains(strings.Join(history, "\n"), want) {
			t.Errorf("no %q in the history:\n%s", want, strings.Join(history, "\n"))
		}
	}
}

// TestBrokenDirectory: what is not a directory of this or an earlier version is
// refused, and left as it is.
func TestBrokenDirectory(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1")
	n.cfg.Dir = oldDirectory(t, "format2.tar.gz")
	if err := os.Remove(filepath.Join(n.cfg.Dir, nodeFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), n.cfg); err == nil || !strings.Contains(err.Error(), "part of a node") {
		t.Errorf("without its identity: %v", err)
	}
}
