package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"codis/testdata/lab"
)

const idleName = "idle"

func idleTitle(n int) string { return fmt.Sprintf("%d idle connections, RSS each", n) }

// measureIdle opens connections that send one PING each and then nothing, and
// sees by how much the process has grown. The processes are fresh ones: memory
// left over from an earlier load would be used again and hide the growth.
func (b *bench) measureIdle(ctx context.Context, r *report) error {
	r.idleTitle = idleTitle(b.idle)
	targets, err := b.startProxies(ctx)
	if err != nil {
		return err
	}
	for _, t := range targets {
		each, err := b.idleRSS(ctx, t)
		stopping, cancel := context.WithTimeout(ctx, 10*time.Second)
		t.proc.Stop(stopping)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(os.Stderr, "%-8s %-9s  %.0f bytes a connection\n", idleName, t.name, each)
		r.idle = append(r.idle, idleResult{name: t.name, bytes: each})
	}
	return nil
}

func (b *bench) idleRSS(ctx context.Context, t target) (float64, error) {
	before, err := residentBytes(t.pid())
	if err != nil {
		return 0, err
	}
	conns := make([]net.Conn, 0, b.idle)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range b.idle {
		c, err := net.Dial("tcp", t.addr())
		if err != nil {
			return 0, fmt.Errorf("connection %d: %w", len(conns)+1, err)
		}
		conns = append(conns, c)
		if err := lab.PingOn(c); err != nil {
			return 0, fmt.Errorf("connection %d: %w", len(conns), err)
		}
	}
	// Time for the process to give back what it needed to accept them.
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(3 * time.Second):
	}
	after, err := residentBytes(t.pid())
	return (after - before) / float64(b.idle), err
}
