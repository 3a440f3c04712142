package router

import (
	"fmt"
	"log/slog"
	"math"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// sink is a connection that takes all bytes at once and counts them: what is
// measured here is the router's own work between two system calls.
type sink struct {
	socket
	bytes int
}

func (c *sink) WriteBoth(a, b []byte) { c.bytes += len(a) + len(b) }
func (c *sink) Unsent() int           { return 0 }

// newSinkLoop returns a loop over two groups whose backends are sinks, and a
// session on it.
func newSinkLoop(tb testing.TB) (*loop, *session) {
	tb.Helper()
	r := &Router{cfg: Config{NodeID: "bench", Acked: func(uint64) {}}, drainedEpochs: make([]uint64, 1), log: slog.Default(), state: topology.NewState()}
	state := newState(tb, "127.0.0.1:1", "127.0.0.1:2")
	r.table.Store(newTable(state, nil, place{}))
	l := &loop{
		lease: math.MaxInt64, leaving: make(map[int]uint64), keyAccess: make(map[accessKey]*access),
		r: r, log: r.log, table: &table{epoch: 1}, scan: new(resp.Scanner),
		byTarget: make(map[target]*server), sessions: make(map[int64]*session), picked: make(map[int]picked),
	}
	l.adopt(r.table.Load())
	for _, srv := range l.servers {
		srv.conns = []*backend{{l: l, srv: srv, state: backendReady, conn: &sink{}}}
	}
	s := &session{l: l, id: 1, authed: true, conn: &sink{}}
	l.sessions[1] = s
	return l, s
}

// round is what one poll brings: requests of a client, then the servers' replies.
func round(l *loop, s *session, requests []byte, replies [][]byte) {
	s.Readable(requests)
	l.flush()
	for i, srv := range l.servers {
		if len(replies[i]) > 0 {
			srv.conns[0].Readable(replies[i])
		}
	}
	l.flush()
}

// benchCases are the workloads of the performance table, as one round each.
func benchCases(tb testing.TB) map[string]struct {
	requests []byte
	replies  [][]byte
	n        int
} {
	tb.Helper()
	_, s := newSinkLoop(tb)
	owner := func(key string) int {
		return s.l.table.slots[topology.SlotOf([]byte(key))].master
	}
	type workload = struct {
		requests []byte
		replies  [][]byte
		n        int
	}
	value := make([]byte, 64)
	cases := map[string]workload{}
	for _, pipeline := range []int{1, 16} {
		get, set := workload{replies: make([][]byte, 2), n: pipeline}, workload{replies: make([][]byte, 2), n: pipeline}
		for i := range pipeline {
			key := fmt.Sprintf("key:%012d", i*7919)
			get.requests = resp.AppendCommandStrings(get.requests, "GET", key)
			get.replies[owner(key)] = resp.AppendBulk(get.replies[owner(key)], value)
			set.requests = resp.AppendCommand(set.requests, []byte("SET"), []byte(key), value)
			set.replies[owner(key)] = resp.AppendSimple(set.replies[owner(key)], "OK")
		}
		cases[fmt.Sprintf("GET/pipeline=%d", pipeline)] = get
		cases[fmt.Sprintf("SET/pipeline=%d", pipeline)] = set
	}
	mget, mset := workload{replies: make([][]byte, 2), n: 1}, workload{replies: make([][]byte, 2), n: 1}
	getArgs, setArgs := [][]byte{[]byte("MGET")}, [][]byte{[]byte("MSET")}
	var counts [2]int
	for i := range 10 {
		key := fmt.Sprintf("key:%012d", i*7919)
		getArgs = append(getArgs, []byte(key))
		setArgs = append(setArgs, []byte(key), value)
		counts[owner(key)]++
	}
	for i, n := range counts {
		if n == 0 {
			tb.Fatal("all keys are in one group")
		}
		mget.replies[i] = resp.AppendArray(nil, n)
		for range n {
			mget.replies[i] = resp.AppendBulk(mget.replies[i], value)
		}
		mset.replies[i] = resp.AppendSimple(nil, "OK")
	}
	mget.requests, mset.requests = resp.AppendCommand(nil, getArgs...), resp.AppendCommand(nil, setArgs...)
	cases["MGET/keys=10"], cases["MSET/keys=10"] = mget, mset
	return cases
}

func BenchmarkFastPath(b *testing.B) {
	for name, c := range benchCases(b) {
		b.Run(name, func(b *testing.B) {
			l, s := newSinkLoop(b)
			round(l, s, c.requests, c.replies)
			b.ReportAllocs()
			for b.Loop() {
				round(l, s, c.requests, c.replies)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.n), "ns/request")
		})
	}
}

// TestFastPathAllocations holds the promise of the performance table: a request
// allocates nothing, split or not, on its way there and back.
func TestFastPathAllocations(t *testing.T) {
	for name, c := range benchCases(t) {
		l, s := newSinkLoop(t)
		round(l, s, c.requests, c.replies) // the first one fills pools and rings
		if got := testing.AllocsPerRun(100, func() { round(l, s, c.requests, c.replies) }); got != 0 {
			t.Errorf("%s: %v allocations a round, want 0", name, got)
		}
		if s.head != nil || s.pending != 0 {
			t.Errorf("%s: requests are left", name)
		}
		if out := s.conn.(*sink).bytes; out == 0 {
			t.Errorf("%s: nothing was answered", name)
		}
	}
}
