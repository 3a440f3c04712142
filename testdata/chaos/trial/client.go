package trial

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"codis/router/resp"
)

// outcome is what a client knows of a command that it has sent.
type outcome uint8

const (
	// done: it was answered.
	done outcome = iota
	// failed: an error that says that nothing was done.
	failed
	// unknown: no answer, or an error that says that nobody knows.
	unknown
)

func (o outcome) String() string { return [...]string{"done", "failed", "unknown"}[o] }

// client is a connection to one node at a time; after an error it goes to another.
type client struct {
	nodes   []string
	db      int
	timeout time.Duration
	random  *rand.Rand

	conn *resp.Client
	left int // commands until another node is chosen
}

// connect makes sure of a connection; it returns false when ctx has ended.
func (c *client) connect(ctx context.Context) bool {
	for c.conn == nil || c.left <= 0 {
		c.close()
		if ctx.Err() != nil {
			return false
		}
		conn, err := resp.Dial(ctx, resp.ClientOptions{Addr: c.nodes[c.random.IntN(len(c.nodes))], DB: c.db,
			DialTimeout: time.Second, Timeout: c.timeout})
		if err != nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		c.conn, c.left = conn, 300
	}
	c.left--
	return true
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// do sends one command. It does not end with ctx: an answer is worth more.
func (c *client) do(cmd []string) (resp.Reply, outcome) {
	reply, err := c.conn.Do(context.Background(), cmd...)
	var refusal *resp.ServerError
	switch {
	case err == nil:
		return reply, done
	case errors.As(err, &refusal):
		o := outcomeOf(refusal)
		if o == failed { // another node may know better, in a moment
			c.left = 0
			time.Sleep(5 * time.Millisecond)
		}
		return reply, o
	default:
		c.close()
		return resp.Reply{}, unknown
	}
}

// outcomeOf reads an error reply. Only those that are part of the promise are
// failures; any other is an answer, and a wrong one.
func outcomeOf(e *resp.ServerError) outcome {
	switch {
	case strings.Contains(e.Text, "outcome unknown"), e.Code == "NOREPLICAS":
		return unknown
	case e.Code == "TRYAGAIN", e.Code == "CLUSTERDOWN", e.Code == "LOADING", e.Code == "MISCONF", e.Code == "MASTERDOWN":
		return failed
	case strings.HasPrefix(e.Text, "ERR group "), strings.HasPrefix(e.Text, "ERR the key could not be moved"):
		return failed // not sent
	}
	return done
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
