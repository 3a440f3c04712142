package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"codis/admin/demo/child"
	"codis/testdata/lab"
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
	lab     *lab.Lab
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

func address(port int) string { return lab.Address(port) }

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
	r, err := b.lab.StartRedis(ctx, lab.RedisSpec{Name: fmt.Sprintf("redis-server %d", i+1), Path: b.redisServer})
	if err != nil {
		return 0, nil, err
	}
	return r.Port, r.Process, nil
}

func (b *bench) startTwemproxy(ctx context.Context) (target, error) {
	port, err := lab.FreePort()
	if err != nil {
		return target{}, err
	}
	stats, err := lab.FreePort()
	if err != nil {
		return target{}, err
	}
	conf := filepath.Join(b.lab.Dir, "nutcracker.yml")
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
	p, err := b.lab.Launch(ctx, address(port), child.Spec{Name: "nutcracker", Path: b.nutcracker, Args: []string{
		"-c", conf, "-s", fmt.Sprint(stats), "-a", "127.0.0.1", "-p", filepath.Join(b.lab.Dir, "nutcracker.pid"),
	}})
	if err != nil {
		return target{}, err
	}
	return target{name: twemproxy, port: port, proc: p}, nil
}

// redisBenchmark makes one command line of the load generator.
func (b *bench) redisBenchmark(ctx context.Context, t target, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "redis-benchmark", append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(t.port), "--csv"}, args...)...)
}
