package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"codis/admin/demo/child"
	"codis/router/resp"
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
	if err := b.assign(ctx, t); err != nil {
		return target{}, err
	}
	return t, waitUntil(ctx, p, func() error { return ready(ctx, t) })
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

// assign makes one group of each backend and spreads the slots over them.
func (b *bench) assign(ctx context.Context, t target) error {
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: t.addr()})
	if err != nil {
		return err
	}
	defer client.Close()
	for i, addr := range b.redis {
		if _, err := client.Do(ctx, "CODIS.GROUP", "ADD", fmt.Sprint(i+1), addr); err != nil {
			return fmt.Errorf("add group %d: %w", i+1, err)
		}
	}
	if _, err := client.Do(ctx, "CODIS.ASSIGN", "AUTO"); err != nil {
		return fmt.Errorf("assign the slots: %w", err)
	}
	return nil
}

// ready asks whether the node has the table and serves.
func ready(ctx context.Context, t target) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.http+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz: %s", answer.Status)
	}
	return nil
}
