package admin

import (
	"strconv"

	"codis/raftstore/topology"
)

// The functions of this file read the words of commands that change nothing, and
// write their replies.

func readSlots(o *Ops, c *call, args [][]byte) (answer, error) {
	span := allSlots
	switch len(args) {
	case 1:
		return nil, arity("codis.slots")
	case 2:
		var err error
		if span, err = parseSlots(args[0], args[1]); err != nil {
			return nil, err
		}
	}
	return o.Slots(c.ctx, span)
}

func (t SlotTable) reply(c *call) {
	c.WriteArray(len(t.Rows))
	for _, row := range t.Rows {
		c.WriteArray(6)
		c.WriteInt(row.Start)
		c.WriteInt(row.End)
		c.WriteBulkString(row.Phase.String())
		writeGroup(c, row.Group)
		writeText(c, row.Master)
		writeGroup(c, row.Target)
	}
}

func readSlot(o *Ops, c *call, args [][]byte) (answer, error) { return o.Slot(c.ctx, args) }

func (rows KeySlots) reply(c *call) {
	c.WriteArray(len(rows))
	for _, row := range rows {
		c.WriteArray(3)
		c.WriteInt(row.Slot)
		writeGroup(c, row.Group)
		writeText(c, row.Master)
	}
}

func readNodes(o *Ops, c *call, _ [][]byte) (answer, error) {
	return o.Nodes(c.ctx, NodesQuery{Local: c.forwarded})
}

func (nodes NodeList) reply(c *call) {
	c.WriteArray(len(nodes))
	for _, n := range nodes {
		c.WriteArray(2 * (14 + len(figureFields)))
		writeField(c, "id", n.ID)
		writeField(c, "role", n.Role)
		writeField(c, "addr", n.Addr)
		writeField(c, "peer-addr", n.PeerAddr)
		writeField(c, "http-addr", n.HTTPAddr)
		writeField(c, "zone", n.Zone)
		writeField(c, "version", n.Version)
		c.WriteBulkString("joined-at")
		c.WriteInt64(n.JoinedAt)
		c.WriteBulkString("self")
		writeBool(c, n.Self)
		writeLease(c, n.Lease)
		c.WriteBulkString("up")
		if n.Lease == nil {
			c.WriteNull()
		} else {
			writeBool(c, n.Up)
		}
		n.Figures.write(c)
	}
}

func readGroups(o *Ops, c *call, _ [][]byte) (answer, error) { return o.Groups(c.ctx) }

func (groups GroupList) reply(c *call) {
	c.WriteArray(len(groups))
	for _, g := range groups {
		c.WriteArray(2 * 9)
		c.WriteBulkString("id")
		c.WriteInt(g.ID)
		c.WriteBulkString("epoch")
		c.WriteUint64(g.Epoch)
		writeField(c, "master", g.Master)
		c.WriteBulkString("slots")
		c.WriteInt(g.Slots)
		c.WriteBulkString("own-auth")
		writeBool(c, g.OwnAuth)
		writeField(c, "user", g.User)
		writeField(c, "failover", g.Failover.String())
		writeField(c, "turn", turnText(g.Turn))
		c.WriteBulkString("servers")
		c.WriteArray(len(g.Servers))
		for _, s := range g.Servers {
			writeServer(c, s)
		}
	}
}

func readConfig(o *Ops, c *call, args [][]byte) (answer, error) {
	return o.ConfigGet(c.ctx, string(args[0]))
}

func (values ConfigValues) reply(c *call) {
	c.WriteArray(2 * len(values))
	for _, v := range values {
		writeField(c, v.Name, v.Value)
	}
}

func readHistory(o *Ops, c *call, args [][]byte) (answer, error) {
	count := defaultHistory
	if len(args) == 1 {
		n, err := strconv.Atoi(string(args[0]))
		if err != nil || n < 1 {
			return nil, badArg("count %s is not a number above 0", quote(args[0]))
		}
		count = n
	}
	return o.History(c.ctx, count)
}

func (changes Changes) reply(c *call) {
	c.WriteArray(len(changes))
	for _, change := range changes {
		writeChange(c, change)
	}
}

func writeChange(c *call, change topology.Change) {
	c.WriteArray(4)
	c.WriteUint64(change.Epoch)
	c.WriteInt64(change.At)
	c.WriteBulkString(change.Who)
	c.WriteBulkString(change.What)
}

func readExport(o *Ops, c *call, _ [][]byte) (answer, error) { return o.Export(c.ctx) }

func (text Exported) reply(c *call) { c.WriteBulk(text) }

func readPeer(o *Ops, c *call, _ [][]byte) (answer, error) { return o.Peer(c.ctx) }

func (p Peer) reply(c *call) {
	c.WriteArray(3)
	c.WriteBulkString(p.ClusterID)
	c.WriteBulkString(p.NodeID)
	c.WriteBulkString(p.PeerAddr)
}

// writeField writes a name and its text.
func writeField(c *call, name, value string) {
	c.WriteBulkString(name)
	c.WriteBulkString(value)
}

// writeGroup writes a group ID, or nil for none.
func writeGroup(c *call, id int) {
	if id == 0 {
		c.WriteNull()
		return
	}
	c.WriteInt(id)
}

// writeText writes a text, or nil for an empty one.
func writeText(c *call, text string) {
	if text == "" {
		c.WriteNull()
		return
	}
	c.WriteBulkString(text)
}

func writeBool(c *call, b bool) {
	if b {
		c.WriteInt(1)
		return
	}
	c.WriteInt(0)
}
