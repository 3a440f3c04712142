package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestNoReplyGoesAstray kills and returns backends and nodes under load. Every
// value is tagged with its key: whatever fails, nobody gets another's reply.
func TestNoReplyGoesAstray(t *testing.T) {
	servers := []*resptest.Server{resptest.StartRedis(t), resptest.StartRedis(t)}
	c := newCluster(t, 3, []string{servers[0].Addr}, []string{servers[1].Addr})
	addrs := c.addrs()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var answered atomic.Int64
	for id := range 12 {
		wg.Go(func() {
			w := worker{id: id, addrs: addrs, random: rand.New(rand.NewPCG(uint64(id), 1)), answered: &answered}
			for ctx.Err() == nil {
				if err := w.session(ctx); err != nil {
					t.Errorf("worker %d: %v", id, err)
					return
				}
			}
		})
	}
	// goesOn waits until the load has made progress, so that each fault meets it.
	goesOn := func() {
		t.Helper()
		begin := answered.Load()
		waitFor(t, "progress of the load", func() error {
			if n := answered.Load() - begin; n < 2000 && !t.Failed() {
				return fmt.Errorf("%d answers", n)
			}
			return nil
		})
	}
	goesOn()
	for round := range 3 {
		server := servers[round%2]
		server.Kill()
		goesOn()
		server.Restart(t)
		goesOn()
		c.stop(round)
		goesOn()
		c.start(round)
		goesOn()
	}
	cancel()
	wg.Wait()
	t.Logf("%d answers", answered.Load())
	for _, addr := range addrs {
		do(t, addr, "SET", "the end", "is fine")
	}
}

// worker is one client that connects again whenever it is cut off.
type worker struct {
	id     int
	addrs  []string
	random *rand.Rand
	sent   int
	// answered counts the proper answers of all workers.
	answered *atomic.Int64
}

// session sends pipelines on one connection until it breaks. It returns an error
// only for a wrong answer.
func (w *worker) session(ctx context.Context) error {
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: w.addrs[w.random.IntN(len(w.addrs))], DialTimeout: time.Second, Timeout: 5 * time.Second})
	if err != nil {
		return pause(ctx)
	}
	defer client.Close()
	for ctx.Err() == nil {
		var cmds [][]string
		var keys []string
		for range 1 + w.random.IntN(20) {
			w.sent++
			key := fmt.Sprintf("w%d:%d", w.id, w.random.IntN(500))
			keys = append(keys, key, key, key)
			cmds = append(cmds, []string{"SET", key, fmt.Sprintf("%s=%d", key, w.sent)}, []string{"GET", key}, []string{"ECHO", key + "=echo"})
		}
		replies, err := client.Pipeline(ctx, cmds...)
		if err != nil {
			return pause(ctx) // a node was stopped
		}
		for i, r := range replies {
			if err := check(cmds[i][0], keys[i], r); err != nil {
				return err
			}
			if r.Err() == nil {
				w.answered.Add(1)
			}
		}
	}
	return nil
}

// check says whether a reply can be the one to this command.
func check(command, key string, r resp.Reply) error {
	switch {
	case r.Kind == resp.KindError:
		return nil // a backend is away
	case command == "SET" && r.Text() == "OK":
		return nil
	case command == "GET" && (r.IsNil() || strings.HasPrefix(r.Text(), key+"=")): // nil after a backend's restart
		return nil
	case command == "ECHO" && r.Text() == key+"=echo":
		return nil
	}
	return fmt.Errorf("%s %s was answered %q", command, key, r.Text())
}

// pause keeps workers from spinning while a node is away.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
	return nil
}

func TestLargeValue(t *testing.T) {
	server := resptest.StartRedis(t)
	c := newCluster(t, 1, []string{server.Addr})
	value := bytes.Repeat([]byte("0123456789abcdef"), 64<<20/16)
	ctx := within(t, patience)
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: c.addr(0), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.DoBytes(ctx, []byte("SET"), []byte("big"), value); err != nil {
		t.Fatal(err)
	}
	got, err := client.DoBytes(ctx, []byte("GET"), []byte("big"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Str, value) {
		t.Errorf("got %d bytes, want the %d that were set", len(got.Str), len(value))
	}
}

func TestHugePipeline(t *testing.T) {
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 1, []string{one.Addr}, []string{two.Addr})
	const n = 100_000
	var request, want []byte
	for i := range n / 2 {
		key := fmt.Sprintf("key:%d", i)
		request = resp.AppendCommandStrings(request, "SET", key, key)
		request = resp.AppendCommandStrings(request, "GET", key)
		want = resp.AppendBulkString(resp.AppendSimple(want, "OK"), key)
	}
	conn, err := net.Dial("tcp", c.addr(0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { // one write; the replies are read meanwhile
		if _, err := conn.Write(request); err != nil {
			t.Errorf("write: %v", err)
		}
	})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil {
		t.Fatalf("read: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the replies are not the ones to these commands in this order")
	}
}

func TestTenThousandConnections(t *testing.T) {
	const connections = 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < connections+1000 {
		t.Skipf("only %d open files are allowed (%v)", limit.Max, err)
	}
	// The node is a process of its own: both ends in one need twice the files.
	server := resptest.StartRedis(t)
	p := startProcess(t, "n1")
	p.waitReady(t)
	waitFor(t, "a leader", func() error {
		_, err := try(t, p.addr, "CODIS.CONFIG", "SET", "maxclients", "12000")
		return err
	})
	do(t, p.addr, "CODIS.GROUP", "ADD", "1", server.Addr)
	do(t, p.addr, "CODIS.ASSIGN", "AUTO")
	ctx := within(t, 2*patience)
	clients := make([]*resp.Client, 0, connections)
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for i := range connections {
		c, err := resp.Dial(ctx, resp.ClientOptions{Addr: p.addr, Timeout: patience})
		if err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		clients = append(clients, c)
	}
	for i, c := range clients {
		key := fmt.Sprintf("key:%d", i)
		if _, err := c.Do(ctx, "SET", key, key); err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
	}
	for i, c := range clients {
		if r, err := c.Do(ctx, "GET", fmt.Sprintf("key:%d", i)); err != nil || r.Text() != fmt.Sprintf("key:%d", i) {
			t.Fatalf("connection %d: got %q, %v", i+1, r.Text(), err)
		}
	}
}
