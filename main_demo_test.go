package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// demoProcess is a running `codis demo`.
type demoProcess struct {
	cmd  *exec.Cmd
	out  string // file
	done chan error
}

func startDemo(tb testing.TB, args ...string) *demoProcess {
	tb.Helper()
	d := &demoProcess{out: filepath.Join(tb.TempDir(), "out"), done: make(chan error, 1)}
	file, err := os.Create(d.out)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	d.cmd = exec.Command(binary(tb), append([]string{"demo"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = file, file
	if err := d.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { d.done <- d.cmd.Wait() }() // the clean-up kills the process
	tb.Cleanup(func() { _ = d.cmd.Process.Kill() })
	return d
}

func (d *demoProcess) output(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile(d.out)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// waitReady waits for the line that begins with "ready" and returns the nodes'
// addresses.
func (d *demoProcess) waitReady(tb testing.TB) (nodes []string) {
	tb.Helper()
	waitFor(tb, "the ready line", func() error {
		select {
		case err := <-d.done:
			tb.Fatalf("the demo ended: %v: %s", err, d.output(tb))
		default:
		}
		if !strings.Contains("\n"+d.output(tb), "\nready") {
			return errors.New(d.output(tb))
		}
		return nil
	})
	for line := range strings.Lines(d.output(tb)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "node" {
			nodes = append(nodes, fields[2])
		}
	}
	return nodes
}

// children are the process ids of all that a process has started.
func (d *demoProcess) children(tb testing.TB) (pids []int) {
	tb.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		tb.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state parent ...
		after := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(after) > 1 && after[1] == strconv.Itoa(d.cmd.Process.Pid) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				tb.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// waitGone waits until none of the processes runs.
func waitGone(tb testing.TB, pids []int) {
	tb.Helper()
	waitFor(tb, "the processes to end", func() error {
		for _, pid := range pids {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			// In a container nobody may take notice of an orphan's death.
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				return fmt.Errorf("process %d is left: %s", pid, stat)
			}
		}
		return nil
	})
}

// freeBase finds a port whose neighbourhood is free, as far as the demo goes.
func freeBase(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		base := 10000 + rand.IntN(200)*10
		ports := []int{base, base + 1, base + 2, base + 100, base + 101, base + 102, base + 103}
		if !slices.ContainsFunc(ports, func(p int) bool { return !portFree(p) }) {
			return base
		}
	}
	tb.Fatal("no free ports")
	return 0
}

func TestDemo(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc to find the children in")
	}
	dir, base := t.TempDir(), freeBase(t)
	busy, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+1))
	if err != nil {
		t.Fatal(err)
	}
	d := startDemo(t, "--port", strconv.Itoa(base), "--dir", dir)
	nodes := d.waitReady(t)
	busy.Close()
	want := []string{fmt.Sprintf("127.0.0.1:%d", base), fmt.Sprintf("127.0.0.1:%d", base+3), fmt.Sprintf("127.0.0.1:%d", base+2)}
	if !slices.Equal(nodes, want) {
		t.Errorf("got nodes %q, want %q", nodes, want)
	}
	if out := d.output(t); !strings.Contains(out, fmt.Sprintf("port %d is in use: node n2 gets port %d", base+1, base+3)) {
		t.Errorf("got %s, want a word on the busy port", out)
	}
	do(t, nodes[0], "SET", "greeting", "hello")
	for _, node := range nodes {
		if got := do(t, node, "GET", "greeting").Text(); got != "hello" {
			t.Errorf("node %s: got %q", node, got)
		}
	}

	// A child that dies is reported, and Ctrl-C stops the others.
	pids := d.children(t)
	if len(pids) != 7 {
		t.Errorf("got %d children, want 3 nodes and 4 redis-servers", len(pids))
	}
	stopDemo(t, d, pids)

	// It comes back with its data; kill -9 leaves nothing.
	d = startDemo(t, "--dir", dir)
	if again := d.waitReady(t); !slices.Equal(again, nodes) {
		t.Errorf("the second time: got nodes %q, want %q", again, nodes)
	}
	if got := do(t, nodes[1], "GET", "greeting").Text(); got != "hello" {
		t.Errorf("the second time: got %q", got)
	}
	pids = d.children(t)
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, pids)
}

// stopDemo kills one child, sees it reported, and interrupts the demo.
func stopDemo(t *testing.T, d *demoProcess, pids []int) {
	t.Helper()
	victim := pids[len(pids)-1]
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a word on the dead child", func() error {
		if out := d.output(t); !strings.Contains(out, fmt.Sprintf("(process %d) ended: signal: killed", victim)) {
			return errors.New(out)
		}
		return nil
	})
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-d.done; err != nil {
		t.Errorf("interrupted: got %v, want exit code 0; output: %s", err, d.output(t))
	}
	waitGone(t, pids)
}

func TestDemoTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d := startDemo(t, "--port", strconv.Itoa(freeBase(t)), "--nodes", "1", "--groups", "1", "--replicas", "0")
	nodes := d.waitReady(t)
	if len(nodes) != 1 {
		t.Errorf("got nodes %q", nodes)
	}
	do(t, nodes[0], "SET", "key", "value")
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-d.done; err != nil {
		t.Errorf("got %v", err)
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "codis-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
