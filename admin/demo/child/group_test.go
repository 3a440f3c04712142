package child

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play the parent that is killed: see
// TestChildrenDieWithParent.
func TestMain(m *testing.M) {
	if log := os.Getenv("CHILD_TEST_PARENT"); log != "" {
		g := NewGroup()
		p, err := g.Start(Spec{Name: "sleeper", Path: "sleep", Args: []string{"1000"}, Log: log})
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(strconv.Itoa(p.PID()) + "\n")
		<-p.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func newGroup(t *testing.T) (*Group, string) {
	t.Helper()
	g := NewGroup()
	t.Cleanup(func() { g.Close(t.Context()) })
	return g, filepath.Join(t.TempDir(), "log")
}

func mustStart(t *testing.T, g *Group, s Spec) *Process {
	t.Helper()
	p, err := g.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestCloseStopsAll(t *testing.T) {
	g, log := newGroup(t)
	var pids []int
	for range 3 {
		pids = append(pids, mustStart(t, g, Spec{Name: "sleeper", Path: "sleep", Args: []string{"1000"}, Log: log}).PID())
	}
	g.Close(t.Context())
	g.Close(t.Context())
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
	if _, err := g.Start(Spec{Name: "late", Path: "sleep", Log: log}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: got %v, want ErrClosed", err)
	}
}

func TestCloseKillsWhatDoesNotStop(t *testing.T) {
	g, log := newGroup(t)
	p := mustStart(t, g, Spec{Name: "deaf", Path: "sh", Args: []string{"-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"}, Log: log})
	waitForText(t, log, "deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	g.Close(ctx)
	if alive(p.PID()) {
		t.Error("the process is left")
	}
}

func TestDeathQuotesTheLog(t *testing.T) {
	g, log := newGroup(t)
	p := mustStart(t, g, Spec{Name: "server 7", Path: "sh", Args: []string{"-c", "echo no such port >&2; exit 3"}, Log: log})
	<-p.Done()
	got := p.Death()
	for _, want := range []string{"server 7", "exit status 3", "no such port", log} {
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to contain %q", got, want)
		}
	}
}

func TestStartErrors(t *testing.T) {
	g, log := newGroup(t)
	_, err := g.Start(Spec{Name: "nothing", Path: "/no/such/program", Log: log})
	if err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v, want an error that names the process", err)
	}
}

func waitForText(t *testing.T, path, text string) {
	t.Helper()
	waitFor(t, text, func() bool {
		got, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(got), text)
	})
}

// waitFor polls: what it waits for happens in other processes.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
