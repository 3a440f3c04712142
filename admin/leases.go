package admin

import (
	"context"
	"time"

	"codis/router/resp"
)

// leases is what the leader knows of all nodes, nil when it can't be asked.
func (o *Ops) leases(ctx context.Context, status Status, q NodesQuery) map[string]NodeLease {
	if status.Leases != nil && status.Leases.Nodes != nil {
		return status.Leases.Nodes
	}
	if q.Local {
		return nil
	}
	c := &call{ctx: ctx, caller: newCaller(status.ID)}
	if !o.askLeader(c, [][]byte{[]byte("CODIS.NODES")}) {
		return nil
	}
	r, _, err := resp.ParseReply(c.reply)
	if err != nil {
		return nil
	}
	return readLeases(r)
}

// Names of the leader's fields in a row of CODIS.NODES.
const (
	fieldRenewed = "renewed-ms"
	fieldAcked   = "acked"
	fieldLease   = "lease-ms"
)

// writeLease writes what the leader knows of a node, nil where that is nothing.
func writeLease(c *call, l *NodeLease) {
	write := func(name string, n uint64) {
		c.WriteBulkString(name)
		if l == nil {
			c.WriteNull()
			return
		}
		c.WriteUint64(n)
	}
	shown := NodeLease{}
	if l != nil {
		shown = *l
	}
	write(fieldRenewed, uint64(shown.Age.Milliseconds()))
	write(fieldAcked, shown.Acked)
	write(fieldLease, uint64(shown.Left.Milliseconds()))
}

// readLeases reads them from the rows of another node, whatever version that is.
func readLeases(r resp.Reply) map[string]NodeLease {
	leases := map[string]NodeLease{}
	for _, row := range r.Array {
		id, known := "", false
		var l NodeLease
		for i := 0; i+1 < len(row.Array); i += 2 {
			value := row.Array[i+1]
			switch row.Array[i].Text() {
			case "id":
				id = value.Text()
			case fieldRenewed:
				l.Age, known = time.Duration(value.Int)*time.Millisecond, value.Kind == resp.KindInteger
			case fieldAcked:
				l.Acked = uint64(value.Int)
			case fieldLease:
				l.Left = time.Duration(value.Int) * time.Millisecond
			}
		}
		if known {
			leases[id] = l
		}
	}
	return leases
}
