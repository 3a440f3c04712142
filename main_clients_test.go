package main

import (
	"context"
	"fmt"
	"testing"

	redigo "github.com/gomodule/redigo/redis"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"codis/router/resp/resptest"
)

// driver is one client library, as its users would use it: a pipeline of SETs
// and one of GETs.
type driver interface {
	set(ctx context.Context, pairs []pair) error
	get(ctx context.Context, keys []pair) ([]string, error)
	close()
}

type pair struct{ key, value string }

// TestClients runs the client libraries through every node.
func TestClients(t *testing.T) {
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 3, []string{one.Addr}, []string{two.Addr})
	drivers := map[string]func(addr string) (driver, error){
		"go-redis": newGoRedis, "rueidis": newRueidis, "redigo": newRedigo,
	}
	for name, open := range drivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, patience)
			const n = 1000
			for i, addr := range c.addrs() {
				d, err := open(addr)
				if err != nil {
					t.Fatal(err)
				}
				defer d.close()
				pairs := make([]pair, n)
				for j := range pairs {
					pairs[j].key = fmt.Sprintf("%s:%d:%d", name, i, j)
					pairs[j].value = "value of " + pairs[j].key
				}
				if err := d.set(ctx, pairs); err != nil {
					t.Fatalf("node %d: %v", i+1, err)
				}
				got, err := d.get(ctx, pairs)
				if err != nil {
					t.Fatalf("node %d: %v", i+1, err)
				}
				for j := range pairs {
					if got[j] != pairs[j].value {
						t.Fatalf("node %d: key %s: got %q", i+1, pairs[j].key, got[j])
					}
				}
			}
		})
	}
}

type goRedis struct{ *goredis.Client }

func newGoRedis(addr string) (driver, error) {
	return goRedis{goredis.NewClient(&goredis.Options{Addr: addr, Protocol: 2})}, nil
}

func (d goRedis) set(ctx context.Context, pairs []pair) error {
	_, err := d.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, kv := range pairs {
			p.Set(ctx, kv.key, kv.value, 0)
		}
		return nil
	})
	return err
}

func (d goRedis) get(ctx context.Context, keys []pair) ([]string, error) {
	cmds, err := d.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for _, kv := range keys {
			p.Get(ctx, kv.key)
		}
		return nil
	})
	values := make([]string, len(cmds))
	for i, cmd := range cmds {
		values[i] = cmd.(*goredis.StringCmd).Val()
	}
	return values, err
}

func (d goRedis) close() { d.Client.Close() }

type rueidisDriver struct{ rueidis.Client }

func newRueidis(addr string) (driver, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, AlwaysRESP2: true, DisableCache: true, ForceSingleClient: true,
	})
	return rueidisDriver{client}, err
}

func (d rueidisDriver) set(ctx context.Context, pairs []pair) error {
	cmds := make(rueidis.Commands, len(pairs))
	for i, kv := range pairs {
		cmds[i] = d.B().Set().Key(kv.key).Value(kv.value).Build()
	}
	for _, r := range d.DoMulti(ctx, cmds...) {
		if err := r.Error(); err != nil {
			return err
		}
	}
	return nil
}

func (d rueidisDriver) get(ctx context.Context, keys []pair) ([]string, error) {
	cmds := make(rueidis.Commands, len(keys))
	for i, kv := range keys {
		cmds[i] = d.B().Get().Key(kv.key).Build()
	}
	values := make([]string, len(keys))
	for i, r := range d.DoMulti(ctx, cmds...) {
		var err error
		if values[i], err = r.ToString(); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (d rueidisDriver) close() { d.Close() }

type redigoDriver struct{ redigo.Conn }

func newRedigo(addr string) (driver, error) {
	conn, err := redigo.Dial("tcp", addr)
	return redigoDriver{conn}, err
}

func (d redigoDriver) set(_ context.Context, pairs []pair) error {
	for _, kv := range pairs {
		if err := d.Send("SET", kv.key, kv.value); err != nil {
			return err
		}
	}
	_, err := d.Do("")
	return err
}

func (d redigoDriver) get(_ context.Context, keys []pair) ([]string, error) {
	for _, kv := range keys {
		if err := d.Send("GET", kv.key); err != nil {
			return nil, err
		}
	}
	return redigo.Strings(d.Do(""))
}

func (d redigoDriver) close() { d.Conn.Close() }
