package router

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"codis/raftstore/topology"
	"codis/router/resp"
)

func TestSlowArgs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("v", 200)
	for name, c := range map[string]struct {
		words []string
		want  []string
	}{
		"whole":         {[]string{"GET", "key"}, []string{"GET", "key"}},
		"empty":         {[]string{"SET", "", ""}, []string{"SET", "", ""}},
		"long value":    {[]string{"SET", "key", long}, []string{"SET", "key", long[:headSize-28] + "... (132 more bytes)"}},
		"more behind":   {[]string{"SET", "key", long, "EX", "1"}, []string{"SET", "key", long[:headSize-28] + "... (132 more bytes)", "... (2 more arguments)"}},
		"cut at a size": {[]string{"MSET", strings.Repeat("k", 76), "x", "b", "y"}, []string{"MSET", strings.Repeat("k", 76), "... (3 more arguments)"}},
	} {
		frame := resp.AppendCommandStrings(nil, c.words...)
		if got := slowArgs(frame[:min(len(frame), headSize)]); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func FuzzSlowArgs(f *testing.F) {
	f.Add([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"))
	f.Add([]byte("*-1\r\n$9999999999999999999\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if size := len(strings.Join(slowArgs(head), "")); size > 2*len(head)+64 {
			t.Errorf("%d bytes of arguments from %d", size, len(head))
		}
	})
}

// slowRouter is a router that takes everything over 50 ms for slow, and a client of it.
func slowRouter(t *testing.T) (*Router, *redis.Client) {
	t.Helper()
	r, _ := newCluster(t, 1, Config{})
	setting(t, r, "slowlog-log-slower-than", "50ms", "slowlog-max-len", "3")
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), Protocol: 2, MaxRetries: -1, ReadTimeout: 30 * time.Second, ClientName: "tester"})
	t.Cleanup(func() { _ = client.Close() })
	return r, client
}

// setting gives a router its topology with other settings, names and values in turn.
func setting(t *testing.T, r *Router, pairs ...string) {
	t.Helper()
	r.mu.Lock()
	next := r.state
	r.mu.Unlock()
	for pair := range slices.Chunk(pairs, 2) {
		next = apply(t, next, topology.SettingSet{Name: pair[0], Value: pair[1]})
	}
	r.SetState(next)
}

// TestSlowLog reads the slow log with a client library, whose parser takes no more
// fields than Redis sends.
func TestSlowLog(t *testing.T) {
	t.Parallel()
	_, client := slowRouter(t)
	ctx := context.Background()
	const slowly = "local t = redis.call('TIME') local now = t[1]*1000+t[2]/1000 local till = now + 100 " +
		"while now < till do t = redis.call('TIME') now = t[1]*1000+t[2]/1000 end return 1"
	for range 5 {
		if err := client.Eval(ctx, slowly, []string{"key"}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := client.SlowLogGet(ctx, -1).Result()
	if err != nil || len(entries) != 3 { // slowlog-max-len
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, e := range entries {
		times := e.Args[len(e.Args)-1]
		switch {
		case e.ID != int64(4-i):
			t.Errorf("entry %d has ID %d", i, e.ID)
		case !strings.EqualFold(e.Args[0], "eval") || !strings.HasPrefix(slowly, strings.Split(e.Args[1], "...")[0]):
			t.Errorf("arguments %q", e.Args)
		case e.Duration < 100*time.Millisecond || e.Duration > time.Minute:
			t.Errorf("it took %s", e.Duration)
		case e.ClientName != "tester" || e.ClientAddr == "":
			t.Errorf("client %q %q", e.ClientAddr, e.ClientName)
		case !strings.HasPrefix(times, "(queue=0us server=1") || !strings.Contains(times, "@127.0.0.1:") || !strings.Contains(times, " reply="):
			t.Errorf("times %q", times)
		}
	}
	if n, err := client.Do(ctx, "SLOWLOG", "LEN").Int(); n != 3 || err != nil {
		t.Errorf("LEN %d, %v", n, err)
	}
	if err := client.Do(ctx, "SLOWLOG", "RESET").Err(); err != nil {
		t.Error(err)
	}
	if err := client.Get(ctx, "key").Err(); err != redis.Nil {
		t.Error(err)
	}
	if n, err := client.Do(ctx, "SLOWLOG", "LEN").Int(); n != 0 || err != nil {
		t.Errorf("LEN %d after RESET, %v", n, err)
	}
	if err := client.Do(ctx, "SLOWLOG", "GET", "-2").Err(); err == nil {
		t.Error("GET -2 was taken")
	}
	if got := client.ConfigGet(ctx, "slowlog-*").Val(); got["slowlog-log-slower-than"] != "50000" || got["slowlog-max-len"] != "3" {
		t.Errorf("CONFIG GET slowlog-*: %v", got)
	}
}

// TestSlowLogTellsTimeouts: a request whose server does not answer is slow too.
func TestSlowLogTellsTimeouts(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 1, Config{})
	setting(t, r, "slowlog-log-slower-than", "10ms", "backend-timeout", "200ms")
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "a", "1")
	servers[0].Pause(t)
	if got := w.do("GET", "a"); !strings.Contains(got, "no answer in time") {
		t.Errorf("got %q", got)
	}
	if got := w.do("SLOWLOG", "GET"); !strings.Contains(got, "GET\r\n$1\r\na\r\n") || !strings.Contains(got, "@"+servers[0].Addr) {
		t.Errorf("got %q", got)
	}
}
