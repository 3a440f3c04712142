package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

func must(tb testing.TB, c *resp.Client, args ...string) resp.Reply {
	tb.Helper()
	r, err := c.Do(tb.Context(), args...)
	if err != nil {
		tb.Fatalf("%q: %v", args, err)
	}
	return r
}

// contents is what a server has: digest and expiry by database and key.
func contents(tb testing.TB, s *resptest.Server) map[string]string {
	tb.Helper()
	all, c := map[string]string{}, s.Client(tb)
	info := resp.ParseInfo(must(tb, c, "INFO", "keyspace").Text())
	for name := range info {
		db, ok := strings.CutPrefix(name, "db")
		if !ok {
			continue
		}
		must(tb, c, "SELECT", db)
		for cursor := "0"; ; {
			r := must(tb, c, "SCAN", cursor, "COUNT", "1000")
			for _, key := range r.Array[1].Strings() {
				replies, err := c.Pipeline(tb.Context(), []string{"DEBUG", "DIGEST-VALUE", key}, []string{"PEXPIRETIME", key})
				if err != nil {
					tb.Fatal(err)
				}
				value := replies[0].Array[0].Text() + " expires " + replies[1].Text()
				if strings.HasPrefix(key, "stream:") { // the digest leaves the groups out
					value += fmt.Sprint(must(tb, c, "XINFO", "STREAM", key, "FULL"))
				}
				if replies[1].Int != -2 {
					all[db+"/"+key] = value
				}
			}
			if cursor = r.Array[0].Text(); cursor == "0" {
				break
			}
		}
	}
	return all
}

// checkSame says what one side has and the other lacks.
func checkSame(tb testing.TB, what string, got, want map[string]string) {
	tb.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			tb.Errorf("%s: %q is %q, want %q", what, key, got[key], want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			tb.Errorf("%s: %q is too much (reserved: %v)", what, key, fence.IsReserved([]byte(key[strings.Index(key, "/")+1:])))
		}
	}
}

// fillTypes writes every type that Redis 7 has, in several databases.
func fillTypes(tb testing.TB, s *resptest.Server) {
	tb.Helper()
	c := s.Client(tb)
	for _, db := range []int{0, 3, 15} {
		must(tb, c, "SELECT", strconv.Itoa(db))
		for i := range 40 {
			k := func(kind string) string { return fmt.Sprintf("%s:%d:%d", kind, db, i) }
			must(tb, c, "SET", k("string"), strings.Repeat("v", i*50))
			must(tb, c, "EVAL", setUntil, "1", k("ttl"), "v", strconv.Itoa(4_000_000_000_000+i))
			must(tb, c, "RPUSH", k("list"), "a", "b", k("c"))
			must(tb, c, "SADD", k("set"), "a", "b", k("c"))
			must(tb, c, "SADD", k("intset"), "1", "2", strconv.Itoa(i))
			must(tb, c, "ZADD", k("zset"), "1.5", "a", "-inf", k("b"))
			must(tb, c, "HSET", k("hash"), "f", "v", "g", k("h"))
			must(tb, c, "PFADD", k("hll"), "a", "b", k("c"))
			must(tb, c, "GEOADD", k("geo"), "13.3", "38.1", "Palermo")
			must(tb, c, "SETBIT", k("bits"), strconv.Itoa(i*100), "1")
			must(tb, c, "EXPIREAT", k("hash"), "4000000000")
			must(tb, c, "XADD", k("stream"), "1-1", "f", "v")
			must(tb, c, "XADD", k("stream"), "2-1", "f", "w")
			must(tb, c, "XADD", k("stream"), "2-2", "f", "x")
			must(tb, c, "XGROUP", "CREATE", k("stream"), "g", "0")
			must(tb, c, "XREADGROUP", "GROUP", "g", "me", "COUNT", "2", "STREAMS", k("stream"), ">")
			must(tb, c, "XACK", k("stream"), "g", "1-1")
			must(tb, c, "XDEL", k("stream"), "2-2")
		}
	}
	must(tb, c, "SELECT", "0")
	must(tb, c, "SET", "\x00odd\r\n{}", "binary \x00\xff")
	must(tb, c, "SET", "large", strings.Repeat("large value ", 400_000))
	// Large values of tables, beyond every compact encoding.
	must(tb, c, "EVAL", "for i=1,20000 do redis.call('HSET','bighash','f'..i,'v'..i) redis.call('ZADD','bigzset',i,'m'..i) redis.call('RPUSH','biglist','e'..i) end return 1", "0")
}

// TestM_AllTypesMove moves everything there and back again, replicas included.
func TestM_AllTypesMove(t *testing.T) {
	resptest.CheckLeaks(t)
	c := newCluster(t, layout{groups: 2, replicas: 1})
	c.assign(1)
	c.lead()
	fillTypes(t, c.master(1))
	want := contents(t, c.master(1))
	first := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 0, End: 1023, From: 1, To: 2})
	c.waitDone(first, 60*time.Second)
	checkSame(t, "source", contents(t, c.master(1)), nil)
	checkSame(t, "target", contents(t, c.master(2)), want)
	if p := c.job(first).Progress; p.SlotsDone != 1024 || p.Keys != int64(len(want)) || c.job(first).Reason != "" {
		t.Errorf("progress %+v", p)
	}
	back := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 0, End: 1023, From: 2, To: 1})
	c.waitDone(back, 60*time.Second)
	checkSame(t, "target", contents(t, c.master(2)), nil)
	checkSame(t, "source", contents(t, c.master(1)), want)
	for group, rest := range map[int]map[string]string{1: want, 2: nil} {
		waitFor(t, "replica in step", func() bool {
			r, err := c.master(group).Client(t).Do(t.Context(), "INFO", "replication")
			return err == nil && strings.Contains(r.Text(), "offset="+resp.ParseInfo(r.Text())["master_repl_offset"])
		})
		checkSame(t, "replica", contents(t, c.servers[group][1]), rest)
	}
}

// TestM_OnlyTheSlots moves some slots of several pairs of groups.
func TestM_OnlyTheSlots(t *testing.T) {
	c := newCluster(t, layout{groups: 3})
	c.store.must(topology.SettingSet{Name: "migrate-parallel", Value: "2"})
	c.store.must(topology.SettingSet{Name: "migrate-batch-slots", Value: "3"})
	c.assign(1)
	client := c.master(1).Client(t)
	slots := map[string]int{}
	for i := range 3000 {
		key := fmt.Sprintf("key:%d", i)
		slots["0/"+key] = topology.SlotOf([]byte(key))
		must(t, client, "SET", key, key)
	}
	all := contents(t, c.master(1))
	c.lead()
	job := c.migrate(topology.JobOptions{},
		topology.SlotMove{Start: 10, End: 30, From: 1, To: 2}, topology.SlotMove{Start: 200, End: 215, From: 1, To: 3}, topology.SlotMove{Start: 40, End: 40, From: 1, To: 2})
	c.waitDone(job, 60*time.Second)
	want := map[int]map[string]string{1: {}, 2: {}, 3: {}}
	for key, slot := range slots {
		group := 1
		if slot >= 10 && slot <= 30 || slot == 40 {
			group = 2
		} else if slot >= 200 && slot <= 215 {
			group = 3
		}
		want[group][key] = all[key]
	}
	for group := range want {
		checkSame(t, fmt.Sprintf("group %d", group), contents(t, c.master(group)), want[group])
	}
}
