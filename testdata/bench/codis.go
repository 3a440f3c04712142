package main

import (
	"context"
	"fmt"

	"codis/admin/demo"
	"codis/testdata/lab"
)

// startCodis starts one node over the backends, one group each, and waits until
// it serves all slots.
func (b *bench) startCodis(ctx context.Context) (target, error) {
	if err := b.build(ctx); err != nil {
		return target{}, err
	}
	n, err := b.lab.StartNode(ctx, lab.NodeSpec{ID: fmt.Sprintf("bench%d", len(b.targets)), Path: b.codis,
		More: []string{"--loops", fmt.Sprint(b.loops), "--pprof"}})
	if err != nil {
		return target{}, err
	}
	t := target{name: codis, port: n.Port, proc: n.Process, http: n.HTTP}
	var groups []demo.Group
	for i, addr := range b.redis {
		groups = append(groups, demo.Group{ID: i + 1, Servers: []string{addr}})
	}
	return t, lab.Form(ctx, []string{t.addr()}, groups)
}

// build makes the binary when none was given.
func (b *bench) build(ctx context.Context) (err error) {
	if b.codis == "" {
		b.codis, err = b.lab.BuildCodis(ctx)
	}
	return err
}
