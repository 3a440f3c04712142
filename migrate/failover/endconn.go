package failover

import (
	"context"
	"fmt"
	"strings"

	"codis/router/resp"
)

// endConnections ends, at one server, the connections of nodes that have no lease any more:
// what they have sent before may still wait in the server's buffers. It returns how
// many there were.
func endConnections(ctx context.Context, c *resp.Client, nodes []string) (int, error) {
	if len(nodes) == 0 {
		return 0, nil
	}
	names := map[string]bool{}
	for _, id := range nodes {
		names["codis:"+id] = true
	}
	list, err := c.Do(ctx, "CLIENT", "LIST")
	if err != nil {
		return 0, fmt.Errorf("end connections of silent nodes: %w", explain(c.Addr(), err))
	}
	var kills [][]string
	for line := range strings.Lines(list.Text()) {
		id, name := "", ""
		for _, field := range strings.Fields(line) {
			if v, ok := strings.CutPrefix(field, "id="); ok {
				id = v
			} else if v, ok := strings.CutPrefix(field, "name="); ok {
				name = v
			}
		}
		if node, _, _ := strings.Cut(name, "@"); names[node] { // behind it is the process's token
			kills = append(kills, []string{"CLIENT", "KILL", "ID", id})
		}
	}
	replies, err := c.Pipeline(ctx, kills...)
	for _, r := range replies { // 0: it was gone already
		if err == nil {
			err = r.Err()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("end connections of silent nodes: %w", explain(c.Addr(), err))
	}
	return len(kills), nil
}
