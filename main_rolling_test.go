package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// rollingLoad writes without a pause through all nodes, and connects to another one
// when its connection is closed, as a client with a list of nodes does.
type rollingLoad struct {
	addrs  []string
	stop   context.CancelFunc
	ended  sync.WaitGroup
	writes atomic.Int64
	pipes  []*pipeliner

	// mu guards what follows.
	mu     sync.Mutex
	errors []string
}

const (
	pipeClients  = 6
	pipeDepth    = 20
	goRedisConns = 4
)

// startRollingLoad runs raw pipelining clients, and go-redis with its own retries.
func startRollingLoad(t *testing.T, addrs []string) *rollingLoad {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &rollingLoad{addrs: addrs, stop: cancel}
	t.Cleanup(l.end)
	for i := range pipeClients {
		p := &pipeliner{load: l, id: i, node: i}
		l.pipes = append(l.pipes, p)
		l.ended.Go(func() { p.run(ctx) })
	}
	var next atomic.Int64
	client := goredis.NewClient(&goredis.Options{
		Addr: "the cluster", PoolSize: goRedisConns, Protocol: 2,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx, int(next.Add(1))) },
	})
	for i := range goRedisConns {
		l.ended.Go(func() { l.runGoRedis(ctx, client, fmt.Sprintf("go-redis:%d", i)) })
	}
	return l
}

func (l *rollingLoad) end() {
	l.stop()
	l.ended.Wait()
}

// dial connects to the first node from there on that lets it in.
func (l *rollingLoad) dial(ctx context.Context, from int) (net.Conn, error) {
	var errs []error
	for i := range l.addrs {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", l.addrs[(from+i)%len(l.addrs)])
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (l *rollingLoad) failf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

// takeErrors returns what clients have met since the last call.
func (l *rollingLoad) takeErrors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := l.errors
	l.errors = nil
	return errs
}

// goesOn waits until the load has made some progress.
func (l *rollingLoad) goesOn(t *testing.T) {
	t.Helper()
	before := l.writes.Load()
	waitFor(t, "progress of the load", func() error {
		if got := l.writes.Load() - before; got < 2000 {
			return fmt.Errorf("%d writes; errors: %q", got, l.takeErrors())
		}
		return nil
	})
}

func (l *rollingLoad) runGoRedis(ctx context.Context, client *goredis.Client, key string) {
	for n := 1; ctx.Err() == nil; n++ {
		if err := client.Set(ctx, key, n, 0).Err(); err != nil && ctx.Err() == nil {
			l.failf("%s: %v", key, err)
		}
		l.writes.Add(1)
	}
}

// pipeliner is one raw client, which has a key of its own for each place in its
// pipeline.
type pipeliner struct {
	load     *rollingLoad
	id, node int
	sent     int // the number of the last batch that was answered in full
	closings atomic.Int64
}

func (p *pipeliner) key(place int) string { return fmt.Sprintf("pipe:%d:%d", p.id, place) }

func (p *pipeliner) run(ctx context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			p.node++
			p.closings.Add(1)
		}
		c, err := p.load.dial(ctx, p.node)
		if err != nil {
			if ctx.Err() == nil {
				p.load.failf("client %d can't connect anywhere: %v", p.id, err)
			}
			return
		}
		end := context.AfterFunc(ctx, func() { c.Close() })
		err = p.talk(c)
		end()
		c.Close()
		if err != nil && ctx.Err() == nil {
			p.load.failf("client %d: %v", p.id, err)
			return
		}
	}
}

// talk writes batches until the connection is closed, which is no error. What was
// not answered is written again, elsewhere.
func (p *pipeliner) talk(c net.Conn) error {
	replies := bufio.NewReader(c)
	for {
		var batch strings.Builder
		for place := range pipeDepth {
			key, value := p.key(place), fmt.Sprint(p.sent+1)
			fmt.Fprintf(&batch, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(value), value)
		}
		if _, err := io.WriteString(c, batch.String()); err != nil {
			return nil
		}
		for range pipeDepth {
			line, err := replies.ReadString('\n')
			if err != nil && line != "" {
				return fmt.Errorf("closed in the middle of a reply: %q", line)
			}
			if err != nil {
				return nil
			}
			if line != "+OK\r\n" {
				return fmt.Errorf("SET answered %q", line)
			}
			p.load.writes.Add(1)
		}
		p.sent++
	}
}

// check compares what was acknowledged with what is there; the load has ended.
func (l *rollingLoad) check(t *testing.T, addr string) {
	t.Helper()
	for _, p := range l.pipes {
		for place := range pipeDepth {
			got := do(t, addr, "GET", p.key(place)).Text()
			// A batch that was cut off may have been written too.
			if got != fmt.Sprint(p.sent) && got != fmt.Sprint(p.sent+1) {
				t.Errorf("%s is %s, acknowledged was %d", p.key(place), got, p.sent)
			}
		}
	}
}

// TestRollingRestart restarts all nodes under load, the leader too. No client meets
// an error: each restarted node closes its connections, and that is all.
func TestRollingRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	nodes := startProcesses(t)
	var addrs []string
	for _, p := range nodes {
		addrs = append(addrs, p.addr)
	}
	do(t, addrs[0], "CODIS.CONFIG", "SET", "drain-delay", "200ms")
	load := startRollingLoad(t, addrs)
	load.goesOn(t)
	for _, p := range nodes {
		stopGracefully(t, p)
		load.goesOn(t)
		p.start(t)
		waitServes(t, p)
		load.goesOn(t)
	}
	load.end()
	for _, p := range load.pipes {
		if got := p.closings.Load(); got > int64(len(nodes)) {
			t.Errorf("client %d: %d connections were closed by %d restarts", p.id, got, len(nodes))
		}
	}
	t.Logf("%d writes", load.writes.Load())
	load.check(t, addrs[1])
	for _, text := range load.takeErrors() {
		t.Error(text)
	}
}

// stopGracefully is SIGTERM and the wait for the end.
func stopGracefully(t *testing.T, p *process) {
	t.Helper()
	begin := time.Now()
	p.Stop(within(t, patience))
	if log := p.log(t); !strings.Contains(log, "msg=stopped") {
		t.Errorf("%s has not ended gracefully:\n%s", p.Name(), log)
	}
	t.Logf("%s stopped in %v", p.Name(), time.Since(begin).Round(time.Millisecond))
}

// waitServes waits until a node takes writes again.
func waitServes(t *testing.T, p *process) {
	t.Helper()
	waitFor(t, p.Name()+" to serve", func() error {
		_, err := try(t, p.addr, "SET", "is it there", "yes")
		return err
	})
}
