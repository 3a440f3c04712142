package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"codis/testdata/lab"
)

// shape is a big key: a script that writes the elements from ARGV[1] to ARGV[2].
type shape struct {
	name     string
	elements int
	script   string
}

// shapes are what DUMP and RESTORE would take a second or more for.
var shapes = []shape{
	{"hash of 1,000,000 fields", 1_000_000, `for i=ARGV[1],ARGV[2] do redis.call('HSET',KEYS[1],'field:'..i,'value:'..i) end`},
	{"set of 5,000,000 members", 5_000_000, `for i=ARGV[1],ARGV[2] do redis.call('SADD',KEYS[1],'member:'..i) end`},
	{"list of 1,000,000 elements", 1_000_000, `for i=ARGV[1],ARGV[2] do redis.call('RPUSH',KEYS[1],'element:'..i) end`},
	{"sorted set of 1,000,000 members", 1_000_000, `for i=ARGV[1],ARGV[2] do redis.call('ZADD',KEYS[1],i/3,'member:'..i) end`},
	{"stream of 1,000,000 entries, 300,000 pending", 1_000_000, `for i=ARGV[1],ARGV[2] do redis.call('XADD',KEYS[1],i..'-1','f',i) end
if ARGV[1]=='1' then redis.call('XGROUP','CREATE',KEYS[1],'g','0') end
if tonumber(ARGV[2])<=300000 then redis.call('XREADGROUP','GROUP','g','c'..ARGV[1]%7,'COUNT',10000,'STREAMS',KEYS[1],'>') end`},
	{"string of 512 MB", 512, `redis.call('APPEND',KEYS[1],string.rep('x',1048576*(ARGV[2]-ARGV[1]+1)))`},
}

const bigName = "bigkey"

// measureBig moves one big key after the other, with all others and live traffic.
func (b *bench) measureBig(ctx context.Context) (lab.Table, error) {
	t := lab.Table{{"a big key among the others", "job", "p99 idle", "p99", "ratio, goal 3", "longest", "longest command at a server"}}
	for _, s := range shapes {
		if !strings.HasPrefix(s.name, b.only) {
			continue
		}
		if err := b.fillBig(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		was, err := ask(ctx, b.masters[b.at].Addr, "DEBUG", "DIGEST-VALUE", bigName)
		if err != nil {
			return nil, err
		}
		pause(ctx, time.Second) // what filling has left to do
		for _, master := range b.masters {
			for _, cmd := range [][]string{{"CONFIG", "SET", "slowlog-log-slower-than", "200"}, {"CONFIG", "SET", "slowlog-max-len", "100000"}, {"SLOWLOG", "RESET"}} {
				if _, err := ask(ctx, master.Addr, cmd...); err != nil {
					return nil, err
				}
			}
		}
		idle := b.during(ctx, func(ctx context.Context) { pause(ctx, b.idle) })
		var took time.Duration
		busy := b.during(ctx, func(ctx context.Context) { took, err = b.move(ctx, 1-b.at) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		slowest, err := b.slowest(ctx)
		if err != nil {
			return nil, err
		}
		is, err := ask(ctx, b.masters[b.at].Addr, "DEBUG", "DIGEST-VALUE", bigName)
		if err != nil {
			return nil, err
		}
		if was.Array[0].Text() != is.Array[0].Text() || busy.errors > 0 {
			return nil, fmt.Errorf("%s: digest %s, before %s; %d errors %s", s.name, is.Array[0].Text(), was.Array[0].Text(), busy.errors, busy.lastError)
		}
		before, p99 := lab.Percentile(idle.latencies, 0.99), lab.Percentile(busy.latencies, 0.99)
		t = append(t, []string{s.name, took.Round(time.Millisecond).String(), fmt.Sprintf("%.2f ms", before), fmt.Sprintf("%.2f ms", p99),
			lab.Verdict(p99/before, "<=", 3), fmt.Sprintf("%.1f ms", lab.Percentile(busy.latencies, 1)), slowest})
		fmt.Fprintln(os.Stderr, t[len(t)-1])
		if _, err := ask(ctx, b.masters[b.at].Addr, "UNLINK", bigName); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// slowest is the command that took longest at a master, of those that log.
func (b *bench) slowest(ctx context.Context) (string, error) {
	longest, name := int64(0), ""
	for i, master := range b.masters {
		log, err := ask(ctx, master.Addr, "SLOWLOG", "GET", "100000")
		if err != nil {
			return "", err
		}
		for _, e := range log.Array {
			if e.Array[2].Int > longest {
				longest, name = e.Array[2].Int, fmt.Sprintf("%.1f ms, %s at group %d", float64(e.Array[2].Int)/1000, e.Array[3].Array[0].Text(), i+1)
			}
		}
	}
	return name, nil
}

// fillBig writes a key at its master, a part at a time.
func (b *bench) fillBig(ctx context.Context, s shape) error {
	part := min(s.elements, 10_000)
	if s.elements < 10_000 {
		part = 16
	}
	for first := 1; first <= s.elements; first += part {
		last := min(first+part-1, s.elements)
		if _, err := ask(ctx, b.masters[b.at].Addr, "EVAL", s.script+" return 1", "1", bigName, strconv.Itoa(first), strconv.Itoa(last)); err != nil {
			return err
		}
	}
	return nil
}
