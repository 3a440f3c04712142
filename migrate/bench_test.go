package migrate

import (
	"strconv"
	"strings"
	"syscall"
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

// meter measures what moving takes. On a busy machine only CPU times compare.
type meter struct {
	b     *testing.B
	c     *cluster
	began time.Time
	cpu   [3]time.Duration
}

func newMeter(b *testing.B, c *cluster) *meter {
	m := &meter{b: b, c: c, cpu: usedCPU(b, c)}
	b.StartTimer()
	m.began = time.Now()
	return m
}

func (m *meter) stop() {
	took := time.Since(m.began)
	m.b.StopTimer()
	used := usedCPU(m.b, m.c)
	m.b.ReportMetric(benchKeys/took.Seconds(), "keys/s")
	for i, name := range []string{"source-us/key", "target-us/key", "own-us/key"} {
		m.b.ReportMetric(float64((used[i]-m.cpu[i]).Microseconds())/benchKeys, name)
	}
	for _, servers := range m.c.servers {
		servers[0].Kill()
	}
}

// usedCPU is the time of both masters and of this process.
func usedCPU(tb testing.TB, c *cluster) (used [3]time.Duration) {
	for id := 1; id <= 2; id++ {
		info := resp.ParseInfo(must(tb, c.master(id).Client(tb), "INFO", "cpu").Text())
		for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
			seconds, _ := strconv.ParseFloat(info[name], 64)
			used[id-1] += time.Duration(seconds * float64(time.Second))
		}
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		tb.Fatal(err)
	}
	used[2] = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	return used
}

// BenchmarkMove moves 200,000 keys of 100 bytes between two groups.
func BenchmarkMove(b *testing.B) {
	for range b.N {
		b.StopTimer()
		c := newCluster(b, layout{groups: 2})
		c.assign(1)
		fillBench(b, c)
		leader := c.lead()
		m := newMeter(b, c)
		job := c.migrate(topology.JobOptions{}, topology.SlotMove{Start: 0, End: 511, From: 1, To: 2}, topology.SlotMove{Start: 512, End: 1023, From: 1, To: 2})
		c.waitDone(job, time.Minute)
		m.stop()
		leader.stop()
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
		m := newMeter(b, c)
		for cursor := "0"; ; {
			page := must(b, client, "SCAN", cursor, "COUNT", "200")
			if keys := page.Array[1].Strings(); len(keys) > 0 {
				must(b, client, append([]string{"MIGRATE", host, port, "", "0", "5000", "COPY", "REPLACE", "KEYS"}, keys...)...)
			}
			if cursor = page.Array[0].Text(); cursor == "0" {
				break
			}
		}
		m.stop()
	}
}
