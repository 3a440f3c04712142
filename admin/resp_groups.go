package admin

import (
	"fmt"

	"codis/raftstore/topology"
)

// turnText is a turn in one line; empty for none.
func turnText(t *topology.Turn) string {
	if t == nil {
		return ""
	}
	return oneLine(fmt.Sprintf("%s from %s to %s: %s", t.Kind, t.From, t.To, t.Reason))
}

// String is yes or no, and why; empty when it is not known.
func (p *Prospect) String() string {
	switch {
	case p == nil:
		return ""
	case p.Possible:
		return "yes: " + oneLine(p.Why)
	}
	return "no: " + oneLine(p.Why)
}

// writeServer writes one server of CODIS.GROUPS; what the prober has not seen is nil.
func writeServer(c *call, s Server) {
	c.WriteArray(2 * 16)
	writeField(c, "addr", s.Addr)
	writeField(c, "role", s.Role)
	writeField(c, "zone", s.Zone)
	writeField(c, "version", s.Version)
	writeField(c, "run-id", s.RunID)
	writeField(c, "replid", s.ReplID)
	h := s.Health
	if h == nil {
		for _, name := range []string{"state", "link", "lag-bytes", "offset", "keys", "memory-bytes", "priority", "age-ms", "sync-bytes", "sync-total-bytes"} {
			c.WriteBulkString(name)
			c.WriteNull()
		}
		return
	}
	writeField(c, "state", h.State)
	c.WriteBulkString("link")
	if s.Role == "master" {
		c.WriteNull()
	} else {
		writeBool(c, h.LinkUp)
	}
	writeKnown(c, "lag-bytes", h.LagBytes)
	writeKnown(c, "offset", h.Offset)
	writeKnown(c, "keys", h.Keys)
	writeKnown(c, "memory-bytes", h.Memory)
	writeKnown(c, "priority", int64(h.Priority))
	writeKnown(c, "age-ms", h.Age.Milliseconds())
	read, total := h.Copy.bytes()
	writeKnown(c, "sync-bytes", read)
	writeKnown(c, "sync-total-bytes", total)
}

// bytes are Read and Total, -1 for what is not known.
func (c *Copy) bytes() (read, total int64) {
	switch {
	case c == nil:
		return -1, -1
	case c.Total == 0:
		return c.Read, -1
	}
	return c.Read, c.Total
}

// writeKnown writes a name and its number, nil for one below 0.
func writeKnown(c *call, name string, n int64) {
	c.WriteBulkString(name)
	if n < 0 {
		c.WriteNull()
		return
	}
	c.WriteInt64(n)
}
