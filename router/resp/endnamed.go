package resp

import (
	"context"
	"fmt"
	"strings"
)

// EndNamed ends the connections at the server whose name (CLIENT SETNAME) is chosen,
// and returns how many there were. When it has, nothing that they have sent is carried
// out any more: it may have waited in the server's buffers.
func (c *Client) EndNamed(ctx context.Context, chosen func(name string) bool) (int, error) {
	list, err := c.Do(ctx, "CLIENT", "LIST")
	if err != nil {
		return 0, err
	}
	var kills [][]string
	for line := range strings.Lines(list.Text()) {
		if id, name := idAndName(line); chosen(name) {
			kills = append(kills, []string{"CLIENT", "KILL", "ID", id})
		}
	}
	replies, err := c.Pipeline(ctx, kills...)
	if err != nil {
		return 0, err
	}
	for _, r := range replies { // 0: it was gone already
		if err := r.Err(); err != nil {
			return 0, fmt.Errorf("%s: CLIENT KILL: %w", c.addr, err)
		}
	}
	return len(kills), nil
}

// idAndName reads a line of CLIENT LIST: names and values with = between them.
func idAndName(line string) (id, name string) {
	for field := range strings.FieldsSeq(line) {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "id":
			id = value
		case "name":
			name = value
		}
	}
	return id, name
}
