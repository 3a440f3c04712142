package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// workers is how many goroutines share a client, rounds what each does.
const (
	workers = 8
	rounds  = 30
)

// inWorkers runs f on goroutines and reports their errors.
func inWorkers(t *testing.T, f func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for i := range workers {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("worker %d: %v", i, err)
		}
	}
}

// tag is the value that only this worker's round gives this key.
func tag(key string, worker, round int) string { return fmt.Sprintf("%s=%d.%d", key, worker, round) }

func newGoRedis(t *testing.T, r *Router) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: r.Addr(), PoolSize: workers, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestGoRedis(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	c := newGoRedis(t, r)
	ctx := t.Context()
	one, two := keysOf(r, 1, workers, "a"), keysOf(r, 2, workers, "b")
	inWorkers(t, func(w int) error {
		for round := range rounds {
			keys := []string{one[w], two[w], one[w] + "x", two[w] + "y"}
			pipe := c.Pipeline()
			for _, key := range keys {
				pipe.Set(ctx, key, tag(key, w, round), time.Minute)
			}
			gets := make([]*goredis.StringCmd, len(keys))
			for i, key := range keys {
				gets[i] = pipe.Get(ctx, key)
			}
			all := pipe.MGet(ctx, keys...)
			missing := pipe.Get(ctx, "missing")
			if _, err := pipe.Exec(ctx); !errors.Is(err, goredis.Nil) {
				return fmt.Errorf("pipeline: %w", err)
			}
			for i, key := range keys {
				want := tag(key, w, round)
				if gets[i].Val() != want || all.Val()[i] != want {
					return fmt.Errorf("%s: got %q and %q, want %q", key, gets[i].Val(), all.Val()[i], want)
				}
			}
			if !errors.Is(missing.Err(), goredis.Nil) {
				return fmt.Errorf("missing: %v", missing.Err())
			}
			if n, err := c.Del(ctx, keys[2:]...).Result(); err != nil || n != 2 {
				return fmt.Errorf("DEL: %d, %w", n, err)
			}
		}
		return nil
	})
	script := goredis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
	for i := range 20 { // EVALSHA, and EVAL where the script is not there yet
		if n, err := script.Run(ctx, c, []string{fmt.Sprintf("counter%d", i)}, 5).Int(); err != nil || n != 5 {
			t.Errorf("script: %d, %v", n, err)
		}
	}
}

// TestGoRedisHugePipeline writes 30 MB of requests before it reads the first of
// 30 MB of replies, as most clients do with a pipeline: being made to wait for its
// reads would be waiting for ever.
func TestGoRedisHugePipeline(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	c := newGoRedis(t, r)
	ctx := t.Context()
	value := strings.Repeat("v", 1000)
	pipe := c.Pipeline()
	const n = 30_000
	var gets []*goredis.StringCmd
	for i := range n {
		key := strconv.Itoa(i)
		pipe.Set(ctx, key, key+value, 0)
		gets = append(gets, pipe.Get(ctx, key))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	for i, get := range gets {
		if want := strconv.Itoa(i) + value; get.Val() != want {
			t.Fatalf("GET %d: %.20q", i, get.Val())
		}
	}
}

// TestGoRedisTransaction gets a clear error for MULTI, and the client goes on.
func TestGoRedisTransaction(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	c := newGoRedis(t, r)
	ctx := t.Context()
	for i := range 20 {
		key := fmt.Sprintf("k%d", i)
		_, err := c.TxPipelined(ctx, func(p goredis.Pipeliner) error {
			p.Set(ctx, key, "tx", 0)
			p.Incr(ctx, "n")
			return nil
		})
		if err == nil || !strings.HasPrefix(err.Error(), "ERR MULTI is not supported yet by this proxy: ") {
			t.Fatalf("TxPipelined: %v", err)
		}
		if err := c.Set(ctx, key, tag(key, 0, i), 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(ctx, key).Result(); err != nil || got != tag(key, 0, i) {
			t.Fatalf("after a transaction: got %q, %v", got, err)
		}
	}
	err := c.Watch(ctx, func(*goredis.Tx) error { return nil }, "k1")
	if err == nil || !strings.HasPrefix(err.Error(), "ERR WATCH is not supported yet") {
		t.Errorf("Watch: %v", err)
	}
}

func TestRueidis(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.Addr()}, AlwaysRESP2: true, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	one, two := keysOf(r, 1, workers, "a"), keysOf(r, 2, workers, "b")
	inWorkers(t, func(w int) error { // all share connections: rueidis pipelines them by itself
		for round := range rounds {
			keys := []string{one[w], two[w]}
			var cmds rueidis.Commands
			for _, key := range keys {
				cmds = append(cmds, c.B().Set().Key(key).Value(tag(key, w, round)).Build(), c.B().Get().Key(key).Build())
			}
			cmds = append(cmds, c.B().Arbitrary("MGET").Keys(keys...).Build())
			results := c.DoMulti(ctx, cmds...)
			all, err := results[4].AsStrSlice()
			if err != nil {
				return err
			}
			for i, key := range keys {
				got, err := results[2*i+1].ToString()
				if want := tag(key, w, round); err != nil || got != want || all[i] != want {
					return fmt.Errorf("%s: got %q and %q, want %q, %w", key, got, all[i], want, err)
				}
			}
		}
		return nil
	})
}

// TestRueidisDefault documents that rueidis needs AlwaysRESP2 and DisableCache: it
// asks for RESP3 and goes back to RESP2 only for servers that do not know HELLO.
// Without them it can't connect, and says why.
func TestRueidisDefault(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	for name, c := range map[string]struct {
		option rueidis.ClientOption
		want   string // of the error; empty: it works
	}{
		"default":           {rueidis.ClientOption{}, "NOPROTO unsupported protocol version"},
		"no cache":          {rueidis.ClientOption{DisableCache: true}, "NOPROTO unsupported protocol version"},
		"RESP2 with cache":  {rueidis.ClientOption{AlwaysRESP2: true}, "DisableCache must be true"},
		"RESP2 and nothing": {rueidis.ClientOption{AlwaysRESP2: true, DisableCache: true}, ""},
	} {
		c.option.InitAddress = []string{r.Addr()}
		client, err := rueidis.NewClient(c.option)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v", name, err)
			}
		} else if err != nil {
			t.Errorf("%s: got %v", name, err)
		} else if got, err := client.Do(t.Context(), client.B().Ping().Build()).ToString(); err != nil || got != "PONG" {
			t.Errorf("%s: PING: %q, %v", name, got, err)
		}
		if err == nil {
			client.Close()
		}
	}
}

func TestRedigo(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	pool := &redis.Pool{MaxIdle: workers, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", r.Addr(), redis.DialDatabase(2)) }}
	defer pool.Close()
	one, two := keysOf(r, 1, workers, "a"), keysOf(r, 2, workers, "b")
	inWorkers(t, func(w int) error {
		for round := range rounds {
			conn := pool.Get()
			keys := []string{one[w], two[w]}
			for _, key := range keys {
				if err := errors.Join(conn.Send("SET", key, tag(key, w, round)), conn.Send("GET", key)); err != nil {
					return err
				}
			}
			if err := conn.Flush(); err != nil {
				return err
			}
			for _, key := range keys {
				if ok, err := redis.String(conn.Receive()); ok != "OK" {
					return fmt.Errorf("SET %s: %q, %w", key, ok, err)
				}
				if got, err := redis.String(conn.Receive()); got != tag(key, w, round) {
					return fmt.Errorf("GET %s: %q, %w", key, got, err)
				}
			}
			if all, err := redis.Strings(conn.Do("MGET", keys[0], keys[1])); err != nil || all[1] != tag(keys[1], w, round) {
				return fmt.Errorf("MGET: %q, %w", all, err)
			}
			_ = conn.Close()
		}
		return nil
	})
	conn := pool.Get()
	defer conn.Close()
	if _, err := conn.Do("MULTI"); err == nil || !strings.Contains(err.Error(), "MULTI is not supported yet") {
		t.Errorf("MULTI: %v", err)
	}
	if n, err := redis.Int(conn.Do("DBSIZE")); err != nil || n != 2*workers {
		t.Errorf("DBSIZE of database 2: %d, %v", n, err)
	}
}

// pattern is a value of n bytes that depends on its seed and on the place: its
// period is no multiple of any buffer's size.
func pattern(n, seed int) []byte {
	var block []byte
	for i := 0; len(block) < min(n, 10_007); i++ {
		block = append(strconv.AppendInt(block, int64(i*31+seed), 36), "\r\n$"...)
	}
	return bytes.Repeat(block, 1+n/max(len(block), 1))[:n]
}

// TestLargeValue writes and reads 64 MB.
func TestLargeValue(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	c := newGoRedis(t, r)
	value := pattern(64<<20, 1)
	ctx := t.Context()
	for _, key := range []string{keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]} {
		if err := c.Set(ctx, key, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		got, err := c.Get(ctx, key).Bytes()
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%s: %d bytes, %v", key, len(got), err)
		}
		if err := c.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestValueSizes goes over the borders of buffer classes, of direct writes and of
// the read buffer, through every way that a value takes.
func TestValueSizes(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	c := newGoRedis(t, r)
	ctx := t.Context()
	one, two := keysOf(r, 1, 1, "a")[0], keysOf(r, 2, 1, "b")[0]
	sizes := []int{0, 1, 15 << 10, 10 << 20}
	for bits := 9; bits <= 20; bits++ {
		for around := -40; around <= 1; around++ { // with a request's or reply's header before it
			if around >= -1 || around%13 == 0 {
				sizes = append(sizes, 1<<bits+around)
			}
		}
	}
	for i, n := range sizes {
		x, y := pattern(n, i), pattern(n, i+1)
		check := func(what string, err error, got, want []byte) {
			t.Helper()
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s of %d bytes: got %d bytes, %v", what, n, len(got), err)
			}
		}
		pipe := c.Pipeline()
		pipe.Set(ctx, one, x, 0)
		a, b := pipe.Get(ctx, one), pipe.Get(ctx, two)
		pipe.MSet(ctx, one, y, two, x)
		pipe.Del(ctx, "{"+one+"}list")
		pipe.RPush(ctx, "{"+one+"}list", x, y)
		list := pipe.LRange(ctx, "{"+one+"}list", 0, -1)
		all := pipe.MGet(ctx, two, one, "missing", two)
		_, err := pipe.Exec(ctx)
		if i == 0 && errors.Is(err, goredis.Nil) { // two is not there yet
			err = nil
		}
		got, _ := a.Bytes()
		check("SET, GET", err, got, x)
		if i > 0 {
			got, err = b.Bytes()
			check("GET", err, got, pattern(sizes[i-1], i-1))
		}
		check("LRANGE", list.Err(), []byte(strings.Join(list.Val(), "")), append(bytes.Clone(x), y...))
		check("MGET", all.Err(), []byte(all.Val()[1].(string)), y)
		check("MGET", all.Err(), []byte(all.Val()[3].(string)), x)
	}
	if _, err := c.Echo(context.WithoutCancel(ctx), string(pattern(1<<20, 3))).Result(); err != nil {
		t.Error(err)
	}
}
