package admin

import (
	"context"
	"time"

	"codis/router/resp"
)

// known is what the leader knows of a node.
type known struct {
	lease   *NodeLease
	figures *Figures
}

// known is what the leader knows of all nodes, and this node of itself.
func (o *Ops) known(ctx context.Context, status Status, q NodesQuery) map[string]known {
	nodes := map[string]known{}
	if status.Leases != nil && status.Leases.Nodes != nil {
		for id, lease := range status.Leases.Nodes {
			nodes[id] = known{lease: &lease}
		}
		for id, figures := range o.reports() {
			nodes[id] = known{lease: nodes[id].lease, figures: &figures}
		}
	} else if !q.Local {
		nodes = o.askKnown(ctx, status)
	}
	if o.cfg.Figures != nil {
		own := o.cfg.Figures()
		nodes[status.ID] = known{lease: nodes[status.ID].lease, figures: &own}
	}
	return nodes
}

// reports is what the nodes have told the leader.
func (o *Ops) reports() map[string]Figures {
	if o.cfg.Reports == nil {
		return nil
	}
	return o.cfg.Reports()
}

// askKnown asks the leader; the answer is empty when it can't be asked.
func (o *Ops) askKnown(ctx context.Context, status Status) map[string]known {
	c := &call{ctx: ctx, caller: newCaller(status.ID)}
	if !o.askLeader(c, [][]byte{[]byte("CODIS.NODES")}) {
		return map[string]known{}
	}
	r, _, err := resp.ParseReply(c.reply)
	if err != nil {
		return map[string]known{}
	}
	return readKnown(r)
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

// readKnown reads both from the rows of another node, whatever version that is.
func readKnown(r resp.Reply) map[string]known {
	nodes := map[string]known{}
	for _, row := range r.Array {
		id, leased := "", false
		var l NodeLease
		var f Figures
		for i := 0; i+1 < len(row.Array); i += 2 {
			name, value := row.Array[i].Text(), row.Array[i+1]
			switch name {
			case "id":
				id = value.Text()
			case fieldRenewed:
				l.Age, leased = time.Duration(value.Int)*time.Millisecond, value.Kind == resp.KindInteger
			case fieldAcked:
				l.Acked = uint64(value.Int)
			case fieldLease:
				l.Left = time.Duration(value.Int) * time.Millisecond
			default:
				f.read(name, value)
			}
		}
		node := known{}
		if leased {
			node.lease = &l
		}
		if f != (Figures{}) {
			node.figures = &f
		}
		nodes[id] = node
	}
	return nodes
}
