package migrate

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

const benchKeys = 200_000

func fillBench(tb testing.TB, c *cluster) {
	client := c.master(1).Client(tb)
	value := "0123456789abcdefghijklmnopqrstuvwxyz!@#$%&*()" // little of it compresses
	script := `for i=tonumber(ARGV[1]),tonumber(ARGV[2]) do redis.call('SET','key:'..i,redis.sha1hex(i)..redis.sha1hex(-i)..string.sub(ARGV[3],1,20)) end`
	for i := 0; i < benchKeys; i += 10_000 {
		must(tb, client, "EVAL", script, "0", strconv.Itoa(i), strconv.Itoa(i+9999), value)
	}
}

// BenchmarkMove moves 200,000 keys of 100 bytes between two groups.
func BenchmarkMove(b *testing.B) {
	for range b.N {
		b.StopTimer()
		c := newCluster(b, layout{groups: 2})
		c.assign(1)
		fillBench(b, c)
		leader := c.lead()
		b.StartTimer()
		began := time.Now()
		job := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 0, End: 511, From: 1, To: 2}, topology.SlotMove{Start: 512, End: 1023, From: 1, To: 2})
		c.waitDone(job, time.Minute)
		b.ReportMetric(benchKeys/time.Since(began).Seconds(), "keys/s")
		b.StopTimer()
		leader.stop()
		logCPU(b, c)
		for _, servers := range c.servers {
			servers[0].Kill()
		}
	}
}

func logCPU(b *testing.B, c *cluster) {
	for id := range c.servers {
		info := resp.ParseInfo(must(b, c.master(id).Client(b), "INFO", "cpu").Text())
		b.Logf("group %d: CPU %s + %s", id, info["used_cpu_user"], info["used_cpu_sys"])
	}
}

// BenchmarkMigrate is what the move is compared with: a plain loop of MIGRATE COPY,
// 200 keys a call, which neither deletes nor fences anything.
func BenchmarkMigrate(b *testing.B) {
	for range b.N {
		b.StopTimer()
		c := newCluster(b, layout{groups: 2})
		fillBench(b, c)
		client := c.master(1).Client(b)
		host, port, _ := strings.Cut(c.master(2).Addr, ":")
		b.StartTimer()
		began := time.Now()
		args := []string{"MIGRATE", host, port, "", "0", "5000", "COPY", "KEYS"}
		for i := range benchKeys {
			if args = append(args, "key:"+strconv.Itoa(i)); len(args) == 208 {
				must(b, client, args...)
				args = args[:8]
			}
		}
		b.ReportMetric(benchKeys/time.Since(began).Seconds(), "keys/s")
		b.StopTimer()
		logCPU(b, c)
		for _, servers := range c.servers {
			servers[0].Kill()
		}
	}
}
