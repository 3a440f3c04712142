package peer

import (
	"context"
	"fmt"
	"net"
	"time"

	"codis/router/resp"
)

// maxReply bounds what Call reads, in bytes.
const maxReply = 64 << 20

// Call sends one command on a connection of KindRPC and reads its reply. An error
// reply is a Reply, not an error.
func Call(ctx context.Context, c net.Conn, args ...string) (resp.Reply, error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(resp.AppendCommandStrings(nil, args...)); err != nil {
		return resp.Reply{}, explain(ctx, args[0], err)
	}
	var scanner resp.ReplyScanner
	buf := make([]byte, 0, 4096)
	for {
		if len(buf) == cap(buf) {
			if len(buf) >= maxReply {
				return resp.Reply{}, fmt.Errorf("%s: the reply has more than %d bytes", args[0], maxReply)
			}
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return resp.Reply{}, explain(ctx, args[0], err)
		}
		buf = buf[:len(buf)+n]
		end, err := scanner.Next(buf)
		if err != nil {
			return resp.Reply{}, fmt.Errorf("%s: %w", args[0], err)
		}
		if end > 0 {
			reply, _, err := resp.ParseReply(buf[:end])
			return reply, err
		}
	}
}

func explain(ctx context.Context, step string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s: %w", step, err)
}
