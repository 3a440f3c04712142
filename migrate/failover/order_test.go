package failover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// holdProxy passes a connection on, but keeps back all from a word on until it is let
// go: the network of a leader that was replaced.
type holdProxy struct {
	addr string
	// held is closed when the word has come, free lets it go.
	held, free chan struct{}
}

func newHoldProxy(tb testing.TB, to, word string) *holdProxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &holdProxy{addr: l.Addr().String(), held: make(chan struct{}), free: make(chan struct{})}
	var all sync.WaitGroup
	tb.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", to)
		if err != nil {
			tb.Error(err)
			return
		}
		defer server.Close()
		all.Go(func() { // the replies
			defer client.Close()
			copyAll(client, server, nil)
		})
		copyAll(server, client, func(data []byte) {
			if bytes.Contains(data, []byte(word)) {
				close(p.held)
				<-p.free
			}
		})
	})
	return p
}

func copyAll(to, from net.Conn, look func([]byte)) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 && look != nil {
			look(buf[:n])
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestSafetyF3LateOrder: a REPLICAOF of a leader that was replaced arrives after the
// next leader has promoted that very server. It changes nothing. Without the epoch
// (the mutant) it wipes the true master.
func TestSafetyF3LateOrder(t *testing.T) {
	t.Parallel()
	for _, mutant := range []bool{false, true} {
		t.Run(fmt.Sprintf("mutant %v", mutant), func(t *testing.T) {
			t.Parallel()
			old := startRedis(t)
			server := startReplica(t, old)
			proxy := newHoldProxy(t, server.Addr, "REPLICAOF")
			c, err := dial(t.Context(), Target{Addr: proxy.addr})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			late := make(chan error, 1)
			go func() { // ends with the order; read below
				late <- order{epoch: 10, follow: &Target{Addr: old.Addr}, faults: faults{noEpoch: mutant}}.run(t.Context(), c)
			}()
			<-proxy.held
			if err := giveOrder(t, server, order{epoch: 20}); err != nil {
				t.Fatal(err)
			}
			mustDo(t, server, "SET", "k", "acknowledged")
			close(proxy.free)
			err = <-late
			if !mutant {
				if !errors.Is(err, errFenced) {
					t.Errorf("the late order: %v", err)
				}
				if got := mustDo(t, server, "GET", "k"); got != "acknowledged" {
					t.Errorf("the master has %q", got)
				}
				return
			}
			waitFor(t, "the mutant to do its harm", func() bool {
				now, err := askReplication(t.Context(), server.Client(t))
				return err == nil && now.Role == RoleReplica && now.LinkUp
			})
			if got := mustDo(t, server, "EXISTS", "k"); got != "0" {
				t.Error("the mutant was harmless")
			}
		})
	}
}

func giveOrder(tb testing.TB, s *resptest.Server, o order) error {
	tb.Helper()
	c, err := dial(tb.Context(), Target{Addr: s.Addr})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	return o.run(tb.Context(), c)
}

// TestOrders: each server obeys orders of the highest epoch only, also a full one, and
// one whose key is gone; nothing is sent when leadership can't be confirmed.
func TestOrders(t *testing.T) {
	t.Parallel()
	a, b := startRedis(t), startRedis(t)
	must := func(what string, s *resptest.Server, o order, want error) {
		t.Helper()
		if err := giveOrder(t, s, o); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", what, err, want)
		}
	}
	must("promote a", a, order{epoch: 5}, nil)
	if got := mustDo(t, a, "GET", fence.GroupKey); got != "5" {
		t.Errorf("the key is %q", got)
	}
	must("an earlier turn", a, order{epoch: 4}, errFenced)
	must("an earlier turn to follow", a, order{epoch: 4, follow: &Target{Addr: b.Addr}}, errFenced)
	must("the same once more", a, order{epoch: 5}, nil)
	must("b follows a", b, order{epoch: 5, follow: &Target{Addr: a.Addr}}, nil)
	waitFor(t, "the key at b", func() bool { return mustDo(t, b, "GET", fence.GroupKey) == "5" })
	must("b has it from a", b, order{epoch: 4, follow: &Target{Addr: a.Addr}}, errFenced)
	deposed := errors.New("deposed")
	must("no leader any more", b, order{epoch: 6, confirm: func(context.Context) error { return deposed }}, deposed)
	must("nothing was sent then", b, order{epoch: 6, confirm: func(context.Context) error { return deposed }}, errUnsent)
	mustDo(t, a, "FLUSHALL")
	must("the key is gone, which says nothing", a, order{epoch: 5}, nil)
	must("b is promoted", b, order{epoch: 7}, nil)
	// Full, and without eviction: what its order is to wipe does not stand in its way.
	mustDo(t, a, "CONFIG", "SET", "maxmemory", "1")
	r := &run{c: &Controller{cfg: DefaultConfig(), store: newMemory(t), log: slog.New(slog.DiscardHandler)}}
	c, err := dial(t.Context(), Target{Addr: a.Addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := r.order(t.Context(), c, Target{Addr: b.Addr}, 8); err != nil {
		t.Errorf("a full server: %v", err)
	}
	if got := mustDo(t, a, "CONFIG", "GET", "maxmemory"); got != "" && mustInspect(t, Target{Addr: a.Addr}).Role != RoleReplica {
		t.Error("a full server has not obeyed")
	}
}

// TestEndConnections: those of the silent nodes and no others.
func TestEndConnections(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	dialNamed := func(name string) *resp.Client {
		c, err := connect(t.Context(), resp.ClientOptions{Addr: s.Addr, Name: name, DialTimeout: time.Second, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	silent, token, other, alike := dialNamed("codis:n1"), dialNamed("codis:n1@77"), dialNamed("codis:n2"), dialNamed("codis:n11")
	tool := dialNamed("tool")
	if n, err := endConnections(t.Context(), tool, []string{"n1"}); err != nil || n != 2 {
		t.Errorf("%d ended, %v", n, err)
	}
	for name, c := range map[string]*resp.Client{"n1": silent, "n1@77": token} {
		if _, err := c.Do(t.Context(), "PING"); err == nil {
			t.Errorf("%s lives", name)
		}
	}
	for name, c := range map[string]*resp.Client{"n2": other, "n11": alike, "tool": tool} {
		if _, err := c.Do(t.Context(), "PING"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
