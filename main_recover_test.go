package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codis/router/resp/resptest"
)

// TestRecoverCommand: two of three nodes are gone for good; the directory of the third
// brings the cluster back, with its keys, and an old node that turns up is refused.
func TestRecoverCommand(t *testing.T) {
	nodes := startProcesses(t)
	const keys = 200
	for i := range keys {
		do(t, nodes[i%3].addr, "SET", fmt.Sprintf("key:%d", i), fmt.Sprint(i))
	}
	survivor, old := nodes[1], nodes[2]
	if code, output := runBinary(t, "recover", "--dir", survivor.dir(), "--yes"); code != 1 || !strings.Contains(output, "another process owns") {
		t.Errorf("while the node runs: exit code %d, %s", code, output)
	}
	survivor.Stop(within(t, patience))
	if code, output := runBinary(t, "recover", "--dir", survivor.dir(), "--yes"); code != 1 || !strings.Contains(output, "n1 at "+nodes[0].addr) {
		t.Errorf("while the others run: exit code %d, %s", code, output)
	}
	for _, p := range nodes {
		p.Kill()
	}
	if err := os.RemoveAll(nodes[0].dir()); err != nil {
		t.Fatal(err)
	}
	// Nobody answers the question here.
	if code, output := runBinary(t, "recover", "--dir", survivor.dir()); code != 1 || !strings.Contains(output, "nothing was changed") {
		t.Errorf("without an answer: exit code %d, %s", code, output)
	}
	code, output := runBinary(t, "recover", "--dir", survivor.dir(), "--yes")
	t.Log(output)
	if code != 0 || !strings.Contains(output, "Left behind: n1 at "+nodes[0].addr) {
		t.Fatalf("exit code %d, %s", code, output)
	}

	survivor.start(t)
	waitServes(t, survivor)
	for i := range keys {
		if got := do(t, survivor.addr, "GET", fmt.Sprintf("key:%d", i)).Text(); got != fmt.Sprint(i) {
			t.Errorf("key:%d is %q", i, got)
		}
	}
	if history := flat(do(t, survivor.addr, "CODIS.HISTORY", "5")); !strings.Contains(history, "recovered as") || !strings.Contains(history, "codis recover by") {
		t.Errorf("history: %s", history)
	}

	old.spec.Args = old.spec.Args[:len(old.spec.Args)-2] // without --join
	old.start(t)
	old.waitLog(t, "recovered without this node")
	waitFor(t, "the old node to end", func() error {
		select {
		case <-old.Done():
			return nil
		default:
			return errors.New("it runs")
		}
	})
	if err := os.RemoveAll(old.dir()); err != nil {
		t.Fatal(err)
	}
	old.spec.Args = append(old.spec.Args, "--join", survivor.addr)
	old.start(t)
	waitServes(t, old)
}

// TestExportAndImport: the text of one cluster makes another one over the same
// servers, with the keys that are there.
func TestExportAndImport(t *testing.T) {
	master := resptest.StartRedis(t)
	replica := resptest.StartRedis(t)
	old := newCluster(t, 1, []string{master.Addr, replica.Addr}, []string{resptest.StartRedis(t).Addr})
	for i := range 100 {
		do(t, old.addr(0), "SET", fmt.Sprintf("key:%d", i), fmt.Sprint(i))
	}
	do(t, old.addr(0), "CODIS.CONFIG", "SET", "timeout", "7m")
	file := filepath.Join(t.TempDir(), "cluster.json")
	code, text := runBinary(t, "export", "--addr", old.addr(0))
	if code != 0 {
		t.Fatal(text)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	old.stop(0)

	c := newCluster(t, 1)
	if code, output := runBinary(t, "import", file, "--dry-run", "--addr", c.addr(0)); code != 0 || !strings.Contains(output, "would import 2 groups with 3 servers, 1024 slots, 1 settings") {
		t.Fatalf("dry run: exit code %d, %s", code, output)
	}
	if code, output := runBinary(t, "import", file, "--addr", c.addr(0)); code != 0 {
		t.Fatalf("exit code %d, %s", code, output)
	}
	c.waitReady(0)
	for i := range 100 {
		if got := do(t, c.addr(0), "GET", fmt.Sprintf("key:%d", i)).Text(); got != fmt.Sprint(i) {
			t.Errorf("key:%d is %q", i, got)
		}
	}
	if got := flat(do(t, c.addr(0), "CODIS.CONFIG", "GET", "timeout")); !strings.Contains(got, "7m") {
		t.Errorf("timeout is %s", got)
	}
	if code, output := runBinary(t, "import", file, "--addr", c.addr(0)); code != 1 || !strings.Contains(output, "2 groups") {
		t.Errorf("a second time: exit code %d, %s", code, output)
	}
}
