package router

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/router/resp"
)

// taggedClient writes and reads keys whose values say whose they are.
type taggedClient struct {
	client *resp.Client
	// keys[g] are the keys of group g+1; only this client writes them.
	keys [2][]string
	// dead is the server of group 1, which comes and goes.
	dead string
	// lastGood is when group 1 last answered, in nanoseconds since the epoch.
	lastGood atomic.Int64
	errors   atomic.Int64
	rounds   int
}

// round writes and reads every key once, in one pipeline, and checks that each
// reply is that of its request or an error that names group 1 and its server.
func (c *taggedClient) round() error {
	c.rounds++
	var cmds [][]string
	for i := range c.keys[0] {
		for _, keys := range c.keys {
			cmds = append(cmds,
				[]string{"SET", keys[i], fmt.Sprintf("%s=%d", keys[i], c.rounds)},
				[]string{"GET", keys[i]},
				[]string{"ECHO", keys[i]})
		}
	}
	replies, err := c.client.Pipeline(context.Background(), cmds...)
	if err != nil {
		return fmt.Errorf("the client's connection broke: %w", err)
	}
	for i, reply := range replies {
		if err := c.check(i/3%2 == 0, cmds[i], reply); err != nil {
			return err
		}
	}
	return nil
}

func (c *taggedClient) check(mayFail bool, cmd []string, reply resp.Reply) error {
	if err := reply.Err(); err != nil {
		if !mayFail || cmd[0] == "ECHO" || !strings.HasPrefix(err.Error(), "ERR group 1 server "+c.dead+": ") {
			return fmt.Errorf("%q: %w", cmd, err)
		}
		c.errors.Add(1)
		return nil
	}
	good := false
	switch text := reply.Text(); cmd[0] {
	case "SET":
		good = text == "OK"
	case "ECHO":
		good = text == cmd[1]
	case "GET": // an older value when the SET failed, none when the server is new
		good = strings.HasPrefix(text, cmd[1]+"=") || mayFail && reply.IsNil()
	}
	if !good {
		return fmt.Errorf("%q: got %s %q", cmd, reply.Kind, reply.Text())
	}
	if mayFail && cmd[0] == "SET" {
		c.lastGood.Store(time.Now().UnixNano())
	}
	return nil
}

// startTagged runs n tagged clients over groups 1 and 2 until stop is called;
// stop reports what they saw.
func startTagged(t *testing.T, r *Router, dead string, n int) (clients []*taggedClient, stop func()) {
	t.Helper()
	done := make(chan struct{})
	failed := make(chan error, n)
	var wg sync.WaitGroup
	for i := range n {
		c := &taggedClient{client: dialClient(t, r), dead: dead}
		for g := range c.keys {
			c.keys[g] = keysOf(r, g+1, 5, fmt.Sprintf("c%d-", i))
		}
		clients = append(clients, c)
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := c.round(); err != nil {
					failed <- fmt.Errorf("client %d round %d: %w", i, c.rounds, err)
					return
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		close(done)
		wg.Wait()
		close(failed)
		for err := range failed {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return clients, stop
}

// waitServed waits until every client has had an answer of group 1 after since.
func waitServed(t *testing.T, clients []*taggedClient, since time.Time, limit time.Duration) {
	t.Helper()
	waitUntil(t, "group 1 answers every client", limit, func() bool {
		for _, c := range clients {
			if c.lastGood.Load() <= since.UnixNano() {
				return false
			}
		}
		return true
	})
}
