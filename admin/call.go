package admin

import (
	"context"
	"net"

	"github.com/tidwall/redcon"
)

// call is one command on its way through the mux: a redcon.Conn that collects
// the reply in memory, because the router's event loop and the peer RPC send it
// themselves. It belongs to the goroutine that runs the command.
type call struct {
	ctx context.Context
	// caller is who asked, for the history.
	caller Caller
	// forwarded says that another node passed the command on: it is never
	// passed on again.
	forwarded bool
	// readOnly says that the caller may not change anything.
	readOnly bool
	// json asks for the answer as JSON.
	json  bool
	reply []byte
	// epoch is the table's epoch after a change; 0 when nothing was changed here.
	epoch   uint64
	context any
}

var _ redcon.Conn = (*call)(nil)

func (c *call) RemoteAddr() string             { return string(c.caller) }
func (c *call) Close() error                   { return nil }
func (c *call) WriteError(msg string)          { c.reply = redcon.AppendError(c.reply, msg) }
func (c *call) WriteString(s string)           { c.reply = redcon.AppendString(c.reply, s) }
func (c *call) WriteBulk(b []byte)             { c.reply = redcon.AppendBulk(c.reply, b) }
func (c *call) WriteBulkString(s string)       { c.reply = redcon.AppendBulkString(c.reply, s) }
func (c *call) WriteInt(n int)                 { c.reply = redcon.AppendInt(c.reply, int64(n)) }
func (c *call) WriteInt64(n int64)             { c.reply = redcon.AppendInt(c.reply, n) }
func (c *call) WriteUint64(n uint64)           { c.reply = redcon.AppendUint(c.reply, n) }
func (c *call) WriteArray(n int)               { c.reply = redcon.AppendArray(c.reply, n) }
func (c *call) WriteNull()                     { c.reply = redcon.AppendNull(c.reply) }
func (c *call) WriteRaw(b []byte)              { c.reply = append(c.reply, b...) }
func (c *call) WriteAny(v any)                 { c.reply = redcon.AppendAny(c.reply, v) }
func (c *call) Context() any                   { return c.context }
func (c *call) SetContext(v any)               { c.context = v }
func (c *call) SetReadBuffer(int)              {}
func (c *call) ReadPipeline() []redcon.Command { return nil }
func (c *call) PeekPipeline() []redcon.Command { return nil }

// Detach and NetConn have no connection to give; no handler here asks.
func (c *call) Detach() redcon.DetachedConn { return nil }
func (c *call) NetConn() net.Conn           { return nil }
