package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// lastOfFormat2 is the last version whose nodes know format 2 only, and do not say
// which one they know.
const lastOfFormat2 = "c2031b7"

// oldBinary builds an earlier version.
func oldBinary(t *testing.T, commit string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds an earlier version")
	}
	if out, err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		t.Skipf("commit %s is not here (a clone without history?): %v %s", commit, err, out)
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	for _, command := range [][]string{
		{"git", "archive", "--output", archive, commit},
		{"tar", "-xf", archive, "-C", dir},
		{"go", "build", "-C", dir, "-ldflags", "-X main.version=v0.2-old", "-o", "codis-old", "."},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	return filepath.Join(dir, "codis-old")
}

// TestRollingUpgrade replaces the nodes of an old cluster under load, one by one. At
// each step, whoever leads, all that the old version knew works, what it does not
// know is refused, with the nodes that are left to upgrade; in the end it is there.
// The way back is refused.
func TestRollingUpgrade(t *testing.T) {
	old := oldBinary(t, lastOfFormat2)
	nodes := startProcessesOf(t, old)
	var addrs []string
	for _, p := range nodes {
		addrs = append(addrs, p.addr)
	}
	load := startRollingLoad(t, addrs)
	load.goesOn(t)
	upgraded := map[string]bool{}
	for i, p := range nodes {
		p.Stop(within(t, patience))
		p.spec.Path = binary(t)
		p.start(t)
		waitServes(t, p)
		upgraded[fmt.Sprintf("n%d", i+1)] = true
		load.goesOn(t)
		if len(upgraded) < len(nodes) {
			eachLeads(t, nodes, func(leader string) { checkMixed(t, addrs, leader, upgraded) })
		}
		load.goesOn(t)
	}
	waitFor(t, "the cluster to go by the newest format", func() error {
		_, err := try(t, addrs[0], "CODIS.CONFIG", "SET", "failover", "no")
		return err
	})
	load.end()
	load.check(t, addrs[2])
	// The old version may close connections as it likes.
	t.Logf("errors that clients met: %q", load.takeErrors())
	checkNoWayBack(t, nodes[2], old)
}

// eachLeads makes each node the leader in turn.
func eachLeads(t *testing.T, nodes []*process, check func(leader string)) {
	t.Helper()
	for i := range nodes {
		id := fmt.Sprintf("n%d", i+1)
		waitFor(t, id+" to lead", func() error {
			if _, err := try(t, nodes[0].addr, "CODIS.NODE", "TRANSFER", id); err != nil {
				return err
			}
			if info := do(t, nodes[0].addr, "CODIS.INFO").Text(); !strings.Contains(info, "codis_leader_id:"+id+"\r") {
				return errors.New(info)
			}
			return nil
		})
		check(id)
	}
}

// checkMixed: an old change goes through every node; a new one is refused, by an old
// leader as unknown.
func checkMixed(t *testing.T, addrs []string, leader string, upgraded map[string]bool) {
	t.Helper()
	for i, addr := range addrs {
		value := fmt.Sprint(1000 + i)
		waitFor(t, "a change through "+addr, func() error {
			_, err := try(t, addr, "CODIS.CONFIG", "SET", "migrate-batch-keys", value)
			return err
		})
	}
	waitFor(t, "all nodes to have the same table", func() error {
		want := table(t, addrs[0])
		for _, addr := range addrs {
			if got := table(t, addr); got != want {
				return fmt.Errorf("%s: %s, want %s", addr, got, want)
			}
		}
		return nil
	})
	_, err := try(t, addrs[0], "CODIS.CONFIG", "SET", "failover", "no")
	switch {
	case err == nil:
		t.Errorf("leader %s, upgraded %v: a newer setting was taken", leader, upgraded)
	case upgraded[leader] && !strings.Contains(err.Error(), string(topology.CodeUpgrade)):
		t.Errorf("leader %s: %v", leader, err)
	case !upgraded[leader] && !strings.Contains(err.Error(), "no setting"):
		t.Errorf("old leader %s: %v", leader, err)
	}
}

// checkNoWayBack: the old version does not start on a directory of the newer format,
// and leaves it as it is.
func checkNoWayBack(t *testing.T, p *process, old string) {
	t.Helper()
	p.Stop(within(t, patience))
	out, err := exec.CommandContext(within(t, patience), old, p.spec.Args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "format 3") {
		t.Errorf("the old version: %v: %s", err, out)
	}
	p.start(t)
	waitServes(t, p)
	if _, err := os.Stat(p.dir()); err != nil {
		t.Error(err)
	}
}
