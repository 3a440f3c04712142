package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"codis/admin/demo/child"
)

// What is measured.
const (
	direct    = "direct"
	twemproxy = "twemproxy"
	codis     = "codis"
)

// bench is one run: its options, its processes and the targets of the load.
type bench struct {
	options
	dir     string
	group   *child.Group
	redis   []string // addresses of the two backends
	targets []target
}

// target is one address to load, and the process whose CPU counts.
type target struct {
	name string
	port int
	proc *child.Process
	http string // where codis serves its profiles
}

func (t target) addr() string { return address(t.port) }
func (t target) pid() int     { return t.proc.PID() }

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// start starts two redis-servers and the proxies that were asked for.
func (b *bench) start(ctx context.Context) error {
	for i := range 2 {
		port, p, err := b.startRedis(ctx, i)
		if err != nil {
			return err
		}
		b.redis = append(b.redis, address(port))
		if i == 0 && slices.Contains(b.proxyList(), direct) {
			b.targets = append(b.targets, target{name: direct, port: port, proc: p})
		}
	}
	proxies, err := b.startProxies(ctx)
	b.targets = append(b.targets, proxies...)
	return err
}

// startProxies starts the proxies that were asked for, over the same backends.
func (b *bench) startProxies(ctx context.Context) ([]target, error) {
	var targets []target
	starters := map[string]func(context.Context) (target, error){twemproxy: b.startTwemproxy, codis: b.startCodis}
	for _, name := range []string{twemproxy, codis} {
		if !slices.Contains(b.proxyList(), name) {
			continue
		}
		t, err := starters[name](ctx)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
	}
	return targets, nil
}

func (b *bench) startRedis(ctx context.Context, i int) (int, *child.Process, error) {
	port, err := freePort()
	if err != nil {
		return 0, nil, err
	}
	name := fmt.Sprintf("redis-server %d", i+1)
	p, err := b.launch(ctx, port, child.Spec{Name: name, Path: b.redisServer, Args: []string{
		"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", b.dir, "--maxclients", "12000", "--daemonize", "no",
	}})
	return port, p, err
}

func (b *bench) startTwemproxy(ctx context.Context) (target, error) {
	port, err := freePort()
	if err != nil {
		return target{}, err
	}
	stats, err := freePort()
	if err != nil {
		return target{}, err
	}
	conf := filepath.Join(b.dir, "nutcracker.yml")
	text := fmt.Sprintf(`bench:
  listen: 127.0.0.1:%d
  hash: crc32a
  distribution: modula
  auto_eject_hosts: false
  redis: true
  servers:
   - %s:1 one
   - %s:1 two
`, port, b.redis[0], b.redis[1])
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return target{}, err
	}
	p, err := b.launch(ctx, port, child.Spec{Name: "nutcracker", Path: b.nutcracker, Args: []string{
		"-c", conf, "-s", fmt.Sprint(stats), "-a", "127.0.0.1", "-p", filepath.Join(b.dir, "nutcracker.pid"),
	}})
	if err != nil {
		return target{}, err
	}
	return target{name: twemproxy, port: port, proc: p}, nil
}

// launch starts a program that listens on port and waits until it answers.
func (b *bench) launch(ctx context.Context, port int, s child.Spec) (*child.Process, error) {
	s.Log = filepath.Join(b.dir, strings.ReplaceAll(s.Name, " ", "-")+".log")
	p, err := b.group.Start(s)
	if err != nil {
		return nil, err
	}
	return p, waitUntil(ctx, p, func() error { return ping(port) })
}

// waitUntil polls until ready returns nil: what it waits for is another process.
func waitUntil(ctx context.Context, p *child.Process, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("%s", p.Death())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.Name(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ping asks a RESP server for a sign of life.
func ping(port int) error {
	conn, err := net.DialTimeout("tcp", address(port), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	return pingOn(conn)
}

func pingOn(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("PING answered %q", line)
	}
	return err
}

// freePort asks the kernel for a port that nobody listens on.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// raiseFileLimit lifts the soft limit to the hard one, for this process and the
// children: the idle connections need a descriptor at either end.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}

// redisBenchmark makes one command line of the load generator.
func (b *bench) redisBenchmark(ctx context.Context, t target, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "redis-benchmark", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(t.port), "--csv"}, args...)...)
}
