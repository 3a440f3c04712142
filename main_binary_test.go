package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"codis/admin/demo"
	"codis/admin/demo/child"
	"codis/router/resp/resptest"
)

// buildDir holds the binary that is built when the first test needs it.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "codis-test-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// testVersion is what the linker is told.
const testVersion = "v1.2.3-test"

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "codis")
	out, err := exec.Command("go", "build", "-ldflags", "-X main.version="+testVersion, "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

func binary(tb testing.TB) string {
	tb.Helper()
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// runBinary runs the binary to its end and returns the exit code, or -1 when it
// had to be killed, and what it wrote.
func runBinary(tb testing.TB, args ...string) (code int, output string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary(tb), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// process is a node in a process of its own.
type process struct {
	*child.Process
	group *child.Group
	spec  child.Spec
	addr  string
}

// startProcess starts `codis start` on free ports.
func startProcess(tb testing.TB, id string, more ...string) *process {
	tb.Helper()
	return startProcessOf(tb, binary(tb), id, more...)
}

// startProcessOf does so with a binary of another version.
func startProcessOf(tb testing.TB, path, id string, more ...string) *process {
	tb.Helper()
	dir := tb.TempDir()
	p := &process{addr: freeAddr(tb), group: child.NewGroup()}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		p.group.Close(ctx)
		if tb.Failed() {
			tb.Logf("log of node %s:\n%s", id, p.log(tb))
		}
	})
	p.spec = child.Spec{
		Name: "node " + id, Path: path, Log: filepath.Join(dir, "log"),
		Args: append([]string{"start", "--id", id, "--dir", filepath.Join(dir, "data"),
			"--addr", p.addr, "--peer-addr", freeAddr(tb), "--http-addr", freeAddr(tb)}, more...),
	}
	p.start(tb)
	return p
}

func (p *process) start(tb testing.TB) {
	tb.Helper()
	var err error
	if p.Process, err = p.group.Start(p.spec); err != nil {
		tb.Fatal(err)
	}
}

func (p *process) dir() string { return p.spec.Args[4] }

func (p *process) log(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile(p.spec.Log)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// waitReady waits until the node is a member of its cluster: it answers before that.
func (p *process) waitReady(tb testing.TB) {
	tb.Helper()
	waitFor(tb, p.Name(), func() error {
		reply, err := try(tb, p.addr, "CODIS.PEER")
		if err == nil && reply.Array[0].Text() == "" {
			err = errors.New("it has no cluster yet")
		}
		return err
	})
}

// waitLog waits until the log contains all texts in one line.
func (p *process) waitLog(tb testing.TB, texts ...string) {
	tb.Helper()
	waitFor(tb, fmt.Sprintf("a line with %q in the log", texts), func() error {
		for line := range strings.Lines(p.log(tb)) {
			if containsAll(line, texts) {
				return nil
			}
		}
		return errors.New("not there")
	})
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func TestVersionAndHelp(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"version"}, 0, []string{"codis " + testVersion + " go1."}},
		{[]string{"--help"}, 0, []string{"start", "demo", "slots", "group"}},
		{[]string{"start", "--help"}, 0, []string{"--join 127.0.0.1:19000", "--secret-file", "CODIS_ADDR"}},
		{[]string{"demo", "--help"}, 0, []string{"codis demo --nodes 5"}},
		{[]string{"nonsense"}, 2, []string{`no command "nonsense"`}},
		{[]string{"start", "--nonsense"}, 2, []string{"-nonsense", "codis start --help"}},
		{[]string{"start", "nonsense"}, 2, []string{`takes no arguments, got "nonsense"`}},
		{[]string{"demo", "--nodes", "0"}, 2, []string{"--nodes 0"}},
		{[]string{"demo", "--redis-server", "/no/such"}, 2, []string{"/no/such", "--redis-server"}},
		{[]string{"slots", "--addr", "127.0.0.1:1"}, 1, []string{"127.0.0.1:1"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, out := runBinary(t, tt.args...)
			if code != tt.code || !containsAll(out, tt.want) {
				t.Errorf("got exit code %d, want %d with %q, output: %s", code, tt.code, tt.want, out)
			}
		})
	}
}

func TestVersionFromBuildInfo(t *testing.T) {
	if version != "" || versionText() == "" {
		t.Errorf("got %q without a linker flag, want the build's", versionText())
	}
}

// TestStartRefuses is about what a person gets wrong: each error names what is
// wrong and ends the process.
func TestStartRefuses(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	running := startProcess(t, "n1")
	running.waitReady(t)
	// A node of another cluster, which has stopped.
	other := startProcess(t, "n9")
	other.waitReady(t)
	other.Stop(within(t, patience))

	free := []string{"--addr", "127.0.0.1:0"}
	tests := []struct {
		name string
		code int
		args []string
		want []string
	}{
		{"port in use", 1, []string{"--dir", t.TempDir(), "--addr", busy.Addr().String(), "--peer-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"},
			[]string{"--addr " + busy.Addr().String(), "in use"}},
		{"peer port in use", 1, append([]string{"--dir", t.TempDir(), "--peer-addr", busy.Addr().String()}, free...),
			[]string{"--peer-addr " + busy.Addr().String(), "in use"}},
		{"directory in use", 1, append([]string{"--dir", running.dir()}, free...),
			[]string{running.dir(), "another process owns this directory"}},
		{"directory of another cluster", 1, append([]string{"--dir", other.dir(), "--join", running.addr}, free...),
			[]string{"another cluster", running.addr}},
		{"directory of another node", 1, append([]string{"--dir", other.dir(), "--id", "n8"}, free...),
			[]string{"n9", "n8"}},
		{"id of a living node", 1, append([]string{"--dir", t.TempDir(), "--id", "n1", "--join", running.addr}, free...),
			[]string{"n1"}},
		{"beyond loopback without a secret", 2, []string{"--dir", t.TempDir(), "--addr", "0.0.0.0:0", "--advertise-addr", "10.0.0.1:19000"},
			[]string{"--addr", "without a cluster secret", "--secret-file"}},
		{"no config file", 1, append([]string{"--config", "/no/such/file"}, free...), []string{"/no/such/file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := runBinary(t, append([]string{"start"}, tt.args...)...)
			if code != tt.code || !containsAll(out, tt.want) {
				t.Errorf("got exit code %d, want %d with %q, output: %s", code, tt.code, tt.want, out)
			}
		})
	}
	// None of them has hurt the node that runs.
	changeSetting(t, running.addr, "40mb")
}

func TestUnreachableJoinAddress(t *testing.T) {
	join := freeAddr(t)
	p := startProcess(t, "n2", "--join", join)
	p.waitLog(t, join)
	if reply, err := try(t, p.addr, "GET", "key"); err == nil {
		t.Errorf("a node without a table answered %q", reply.Text())
	}
	// It goes on trying: here comes the node that it waits for.
	first := startProcess(t, "n1")
	first.Kill()
	for i, arg := range first.spec.Args {
		if arg == first.addr {
			first.spec.Args[i] = join
		}
	}
	first.addr = join
	first.start(t)
	waitFor(t, "the node to join", func() error {
		if nodes := flat(do(t, p.addr, "CODIS.NODES")); !containsAll(nodes, []string{"id n1 ", "id n2 "}) {
			return errors.New(nodes)
		}
		return nil
	})
}

func TestConfigFileAndEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "codis.conf")
	if err := os.WriteFile(file, []byte("# a node\nzone from-file\nlog-format json\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CODIS_ZONE", "from-environment")
	p := startProcess(t, "n1", "--config", file)
	p.waitReady(t)
	waitFor(t, "the node's zone", func() error { // it answers before it has made its cluster
		if nodes := flat(do(t, p.addr, "CODIS.NODES")); !strings.Contains(nodes, "zone from-environment ") {
			return errors.New(nodes)
		}
		return nil
	})
	if log := p.log(t); !strings.HasPrefix(log, "{") {
		t.Errorf("the log is not JSON: %s", log)
	}
}

// startProcesses starts three nodes in processes of their own over two groups.
func startProcesses(t *testing.T) []*process {
	t.Helper()
	return startProcessesOf(t, binary(t))
}

// startProcessesOf does so with a binary of another version.
func startProcessesOf(t *testing.T, path string) []*process {
	t.Helper()
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	nodes := []*process{startProcessOf(t, path, "n1")}
	nodes[0].waitReady(t)
	addrs := []string{nodes[0].addr}
	for _, id := range []string{"n2", "n3"} {
		p := startProcessOf(t, path, id, "--join", nodes[0].addr)
		p.waitReady(t)
		nodes, addrs = append(nodes, p), append(addrs, p.addr)
	}
	ctx := within(t, patience)
	groups := []demo.Group{{ID: 1, Servers: []string{one.Addr}}, {ID: 2, Servers: []string{two.Addr}}}
	if err := errors.Join(demo.Form(ctx, addrs[0], groups), demo.WaitVoters(ctx, addrs), demo.WaitServed(ctx, addrs)); err != nil {
		t.Fatal(err)
	}
	return nodes
}

func TestKillNodes(t *testing.T) {
	nodes := startProcesses(t)
	do(t, nodes[0].addr, "SET", "greeting", "hello")
	want := table(t, nodes[0].addr)
	// One at a time: the others serve all the while, and changes go on.
	for i, p := range nodes {
		p.Kill()
		other := nodes[(i+1)%len(nodes)]
		if got := do(t, other.addr, "GET", "greeting").Text(); got != "hello" {
			t.Errorf("node %d is dead: got %q", i+1, got)
		}
		changeSetting(t, other.addr, fmt.Sprintf("%dmb", 50+i))
		want = table(t, other.addr)
		p.start(t)
		p.waitReady(t)
		waitFor(t, "a lease", func() error { // before the next one dies
			_, err := try(t, p.addr, "GET", "greeting")
			return err
		})
		waitFor(t, "the node to catch up", func() error { return sameTable(t, p.addr, want) })
	}
	// All at once, in one order, and back in another.
	for _, i := range []int{1, 2, 0} {
		nodes[i].Kill()
	}
	for _, i := range []int{2, 0, 1} {
		nodes[i].start(t)
	}
	for i := range nodes {
		nodes[i].waitReady(t)
		if err := sameTable(t, nodes[i].addr, want); err != nil {
			t.Errorf("all were killed: %v", err)
		}
		waitFor(t, "a lease", func() error { // which takes a leader
			got, err := try(t, nodes[i].addr, "GET", "greeting")
			if err == nil && got.Text() != "hello" {
				t.Errorf("all were killed: node %d: got %q", i+1, got.Text())
			}
			return err
		})
	}
	changeSetting(t, nodes[0].addr, "60mb")
}

func TestWipedAndRemovedNodes(t *testing.T) {
	nodes := startProcesses(t)
	do(t, nodes[0].addr, "SET", "greeting", "hello")
	// A node whose disk was lost joins again under another name; its old self is
	// removed.
	wiped := nodes[1]
	wiped.Kill()
	if err := os.RemoveAll(wiped.dir()); err != nil {
		t.Fatal(err)
	}
	fresh := startProcess(t, "n4", "--join", nodes[0].addr+","+nodes[2].addr)
	waitFor(t, "the fresh node to serve", func() error {
		_, err := try(t, fresh.addr, "GET", "greeting")
		return err
	})
	waitFor(t, "the removal", func() error {
		_, err := try(t, fresh.addr, "CODIS.NODE", "REMOVE", "n2")
		return err
	})
	addrs := []string{nodes[0].addr, nodes[2].addr, fresh.addr}
	if err := demo.WaitVoters(within(t, patience), addrs); err != nil {
		t.Fatal(err)
	}
	// A node that is removed while it runs ends and says why, then and later.
	removed := nodes[2]
	do(t, fresh.addr, "CODIS.NODE", "REMOVE", "n3", "FORCE")
	for range 2 {
		select {
		case <-removed.Done():
		case <-time.After(patience):
			t.Fatal("the removed node still runs")
		}
		if death := removed.Death(); !containsAll(death, []string{"exit status 1", "removed from the cluster"}) {
			t.Errorf("got %s", death)
		}
		removed.start(t)
	}
	// The two that are left go on.
	for _, addr := range []string{nodes[0].addr, fresh.addr} {
		changeSetting(t, addr, "70mb")
		if got := do(t, addr, "GET", "greeting").Text(); got != "hello" {
			t.Errorf("got %q", got)
		}
	}
}

func TestSignals(t *testing.T) {
	nodes := startProcesses(t)
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := nodes[i]
		if err := syscall.Kill(p.PID(), sig); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Done():
		case <-time.After(patience):
			t.Fatalf("%v: the node still runs", sig)
		}
		if death := p.Death(); !strings.Contains(death, "exit status 0") {
			t.Errorf("%v: %s", sig, death)
		}
		p.start(t)
		p.waitReady(t)
	}
	for _, p := range nodes {
		if strings.Contains(p.log(t), "panic") {
			t.Errorf("%s has panicked", p.Name())
		}
	}
}
