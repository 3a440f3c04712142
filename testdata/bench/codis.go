package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"codis/admin/demo"
	"codis/admin/demo/child"
)

// startCodis starts one node over the backends, one group each, and waits until
// it serves all slots.
func (b *bench) startCodis(ctx context.Context) (target, error) {
	if err := b.build(ctx); err != nil {
		return target{}, err
	}
	var ports [3]int // client, peer, HTTP
	for i := range ports {
		var err error
		if ports[i], err = freePort(); err != nil {
			return target{}, err
		}
	}
	dir, err := os.MkdirTemp(b.dir, "node-")
	if err != nil {
		return target{}, err
	}
	p, err := b.launch(ctx, ports[0], child.Spec{Name: "codis", Path: b.codis, Args: []string{
		"start", "--id", "bench", "--dir", dir, "--addr", address(ports[0]), "--peer-addr", address(ports[1]),
		"--http-addr", address(ports[2]), "--loops", fmt.Sprint(b.loops), "--pprof",
	}})
	if err != nil {
		return target{}, err
	}
	t := target{name: codis, port: ports[0], proc: p, http: address(ports[2])}
	var groups []demo.Group
	for i, addr := range b.redis {
		groups = append(groups, demo.Group{ID: i + 1, Servers: []string{addr}})
	}
	forming, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := demo.Form(forming, t.addr(), groups); err != nil {
		return target{}, err
	}
	return t, demo.WaitServed(forming, []string{t.addr()})
}

// build makes the binary when none was given.
func (b *bench) build(ctx context.Context) error {
	if b.codis != "" {
		return nil
	}
	path := filepath.Join(b.dir, "codis")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("build codis: %w: %s", err, out)
	}
	b.codis = path
	return nil
}
