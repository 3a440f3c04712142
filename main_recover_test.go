package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
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
