package resp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

var (
	// ErrClosed is returned when a Client is used after Close, Detach, or an
	// error that has left its connection between two replies.
	ErrClosed = errors.New("connection is closed")
	// ErrUnread is returned by Detach when the server has sent more than was
	// asked for.
	ErrUnread = errors.New("unread bytes are buffered")
)

// Client is a blocking connection to one server, for tools, controllers, probes
// and connection set-up. It is for one goroutine at a time. Every error names
// the server's address and the command, never an argument: an argument may be
// a password.
type Client struct {
	addr    string
	timeout time.Duration
	conn    net.Conn
	broken  error // why conn can't be used any more

	scan ReplyScanner
	in   []byte // what has been read
	head int    // in[:head] has been returned
	out  []byte // reused between calls
}

// Addr is the address that was dialled.
func (c *Client) Addr() string { return c.addr }

// Do sends a command and waits for its reply. An error reply is returned with
// an error that wraps a *ServerError.
func (c *Client) Do(ctx context.Context, args ...string) (Reply, error) {
	if len(args) == 0 {
		return Reply{}, fmt.Errorf("%s: empty command", c.addr)
	}
	c.out = AppendCommandStrings(c.out[:0], args...)
	return c.one(ctx, strings.ToUpper(args[0]))
}

// DoBytes is Do for arguments that are bytes.
func (c *Client) DoBytes(ctx context.Context, args ...[]byte) (Reply, error) {
	if len(args) == 0 {
		return Reply{}, fmt.Errorf("%s: empty command", c.addr)
	}
	c.out = AppendCommand(c.out[:0], args...)
	return c.one(ctx, strings.ToUpper(string(args[0])))
}

// Pipeline sends all commands and waits for all replies. Error replies are
// among the replies; an error is one of I/O.
func (c *Client) Pipeline(ctx context.Context, cmds ...[]string) ([]Reply, error) {
	if len(cmds) == 0 {
		return nil, nil
	}
	c.out = c.out[:0]
	for _, args := range cmds {
		if len(args) == 0 {
			return nil, fmt.Errorf("%s: empty command", c.addr)
		}
		c.out = AppendCommandStrings(c.out, args...)
	}
	return c.exchange(ctx, "pipeline of "+strings.ToUpper(cmds[0][0]), len(cmds))
}

// Detach hands the raw connection over, with no deadline set. The Client can't
// be used after it.
func (c *Client) Detach() (net.Conn, error) {
	if c.broken != nil {
		return nil, fmt.Errorf("%s: detach: %w", c.addr, c.broken)
	}
	if c.head < len(c.in) {
		return nil, fmt.Errorf("%s: detach: %w", c.addr, ErrUnread)
	}
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("%s: detach: %w", c.addr, err)
	}
	c.broken = ErrClosed
	return c.conn, nil
}

// Close closes the connection. It does nothing after Detach, and nothing the
// second time.
func (c *Client) Close() error {
	if c.broken != nil {
		return nil
	}
	c.broken = ErrClosed
	return c.conn.Close()
}

func (c *Client) one(ctx context.Context, step string) (Reply, error) {
	replies, err := c.exchange(ctx, step, 1)
	if err != nil {
		return Reply{}, err
	}
	var se *ServerError
	switch err := replies[0].Err(); {
	case !errors.As(err, &se):
		return replies[0], nil
	case se.Code == "NOAUTH":
		return replies[0], fmt.Errorf("%s: %s: %w: %w", c.addr, step, ErrAuth, err)
	default:
		return replies[0], fmt.Errorf("%s: %s: %w", c.addr, step, err)
	}
}

// exchange writes c.out and reads n replies. After an error the connection is
// closed, since nobody knows which reply comes next.
func (c *Client) exchange(ctx context.Context, step string, n int) ([]Reply, error) {
	if c.broken != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.addr, step, c.broken)
	}
	replies, err := c.roundTrip(ctx, n)
	if cap(c.out) > 1<<20 {
		c.out = nil
	}
	if err != nil {
		c.conn.Close()
		err = plain(ctx, err)
		c.broken = fmt.Errorf("%w: %w", ErrClosed, err)
		return nil, fmt.Errorf("%s: %s: %w", c.addr, step, err)
	}
	return replies, nil
}

func (c *Client) roundTrip(ctx context.Context, n int) ([]Reply, error) {
	var deadline time.Time
	if c.timeout > 0 {
		deadline = time.Now().Add(c.timeout)
	}
	if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
		deadline = d
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer func() {
		if !stop() && c.broken == nil { // cancelled after the last reply was read
			c.broken = fmt.Errorf("%w: %w", ErrClosed, context.Cause(ctx))
		}
	}()
	wait := c.write()
	replies, err := c.readReplies(n)
	if err != nil {
		c.conn.Close() // ends the writer
	}
	werr := wait()
	if err == nil && werr != nil && replies[n-1].Kind == KindError {
		// A server that refuses the connection says why, and does not read.
		c.conn.Close()
		c.broken = fmt.Errorf("%w: %w", ErrClosed, werr)
		return replies, nil
	}
	if werr != nil && !errors.Is(werr, net.ErrClosed) {
		err = werr
	}
	return replies, err
}

// smallWrite fits the socket buffers of any system.
const smallWrite = 16 << 10

// write sends c.out and returns a function that waits until it is sent. A large
// pipeline is sent while replies are read: a server that stops reading until its
// replies are taken would wait for us, and we for it.
func (c *Client) write() (wait func() error) {
	if len(c.out) <= smallWrite {
		_, err := c.conn.Write(c.out)
		return func() error { return err }
	}
	done := make(chan error, 1)
	go func() { // owned by roundTrip, which waits for it
		_, err := c.conn.Write(c.out)
		done <- err
	}()
	return func() error { return <-done }
}

func (c *Client) readReplies(n int) ([]Reply, error) {
	replies := make([]Reply, 0, min(n, 1024))
	for len(replies) < n {
		frame, err := c.readFrame()
		if err != nil {
			return nil, err
		}
		if frame[0] == '>' { // out of band, not the answer to anything
			continue
		}
		r, _, err := ParseReply(frame)
		if err != nil {
			return nil, err
		}
		replies = append(replies, r)
	}
	return replies, nil
}

// readFrame reads one whole reply into memory of its own.
func (c *Client) readFrame() ([]byte, error) {
	for {
		n, err := c.scan.Next(c.in[c.head:])
		if err != nil {
			return nil, err
		}
		if n > 0 {
			frame := bytes.Clone(c.in[c.head : c.head+n])
			c.head += n
			return frame, nil
		}
		c.makeRoom()
		m, err := c.conn.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+m]
		if m == 0 && err != nil {
			return nil, err
		}
	}
}

// makeRoom moves what has not been returned to the front and grows the buffer:
// by doubling, never by what the server announces, so that memory follows bytes.
func (c *Client) makeRoom() {
	c.in = c.in[:copy(c.in, c.in[c.head:])]
	c.head = 0
	switch {
	case len(c.in) == 0 && cap(c.in) > 1<<20:
		c.in = make([]byte, 0, 4096)
	case len(c.in) == cap(c.in):
		c.in = slices.Grow(c.in, max(4096, len(c.in)))
	}
}

// plain takes the address, which our errors have already, out of an error of
// package net, and names the context's reason when that was the cause.
func plain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	// The connection's deadline may be seen before the context's.
	if d, ok := ctx.Deadline(); ok && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	if errors.Is(err, io.EOF) {
		return errors.New("the server closed the connection")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
