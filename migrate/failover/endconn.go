package failover

import (
	"context"
	"fmt"
	"slices"

	"codis/migrate/fence"
	"codis/router/resp"
)

// EndConnections ends, at one server, the connections of nodes that have no lease any
// more: what they have sent before may still wait in the server's buffers. It returns
// how many there were.
func EndConnections(ctx context.Context, t Target, nodes []string) (int, error) {
	if len(nodes) == 0 {
		return 0, nil
	}
	c, err := dial(ctx, t)
	if err != nil {
		return 0, fmt.Errorf("end connections of silent nodes: %w", err)
	}
	defer c.Close()
	return endConnections(ctx, c, nodes)
}

// endConnections is EndConnections on a connection that is there.
func endConnections(ctx context.Context, c *resp.Client, nodes []string) (int, error) {
	if len(nodes) == 0 {
		return 0, nil
	}
	ended, err := c.EndNamed(ctx, func(name string) bool {
		owner, ok := fence.ParseOwner(name)
		return ok && slices.Contains(nodes, owner.Node)
	})
	if err != nil {
		return 0, fmt.Errorf("end connections of silent nodes: %w", explain(c.Addr(), err))
	}
	return ended, nil
}
