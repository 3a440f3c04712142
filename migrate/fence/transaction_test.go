package fence

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// txn is one connection that gives items to the new group.
type txn struct {
	pair
	batch *Batch
	conn  *resp.Client
}

func newTxn(p pair, epoch uint64) txn {
	return txn{pair: p, batch: NewBatch(epoch), conn: clientOf(p.tb, p.to)}
}

// clientOf returns a connection of its own to a client's server.
func clientOf(tb testing.TB, c *resp.Client) *resp.Client {
	tb.Helper()
	own, err := resp.Dial(tb.Context(), resp.ClientOptions{Addr: c.Addr()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { own.Close() })
	return own
}

// frames sends requests one by one, as a late network would, and returns the
// replies.
func (x txn) frames(request []byte, n int) (frames [][]byte) {
	x.tb.Helper()
	var s resp.Scanner
	for range n {
		end, err := s.Next(request)
		if err != nil || end == 0 {
			x.tb.Fatalf("%q: %v", request, err)
		}
		reply, err := x.conn.DoBytes(x.tb.Context(), s.Args()...)
		if se := (*resp.ServerError)(nil); err != nil && !errors.As(err, &se) {
			x.tb.Fatal(err)
		}
		frame := encode(nil, reply)
		if string(s.Args()[0]) == "EXEC" && isNull(frame) {
			frame = []byte("*-1\r\n") // as servers write it
		}
		frames, request = append(frames, frame), request[end:]
	}
	if len(request) > 0 {
		x.tb.Fatalf("more requests than replies: %q", request)
	}
	return frames
}

func (x txn) watch(items []Item) (moved []bool, fenced bool, err error) {
	x.tb.Helper()
	request, n := x.batch.AppendWatch(nil, items)
	return x.batch.ParseWatch(x.frames(request, n), items)
}

func (x txn) restores(items []Item) ([]RestoreResult, []string, error) {
	x.tb.Helper()
	request, n := AppendRestores(nil, items)
	return ParseRestores(x.frames(request, n)[n-1], len(items))
}

func (x txn) rewatch(items []Item) bool {
	x.tb.Helper()
	fenced, err := x.batch.ParseRewatch(x.frames(x.batch.AppendRewatch(nil, items), 3), items)
	if err != nil {
		x.tb.Fatal(err)
	}
	return fenced
}

func (x txn) mark(items []Item) error {
	x.tb.Helper()
	request, n := x.batch.AppendMark(nil, items)
	return x.batch.ParseMark(x.frames(request, n)[n-1], items)
}

// items makes keys of slots 5 and 6 and gives their values.
func (p pair) items(names ...string) []Item {
	p.tb.Helper()
	var all []Item
	for i, name := range names {
		p.do(p.from, "SET "+name+" v")
		slot := 5
		if i >= len(names)/2 {
			slot = 6
		}
		v := p.gate(9, name)
		all = append(all, Item{Key: Key{slot, []byte(name)}, TTL: v.TTL, Dump: v.Dump})
	}
	return all
}

func (p pair) setBoth(epoch uint64) {
	p.set(5, epoch)
	p.set(6, epoch)
}

// TestTransaction is the way of a batch that nobody disturbs.
func TestTransaction(t *testing.T) {
	p := newPair(t)
	p.setBoth(9)
	items := p.items("a", "b", "c", "d")
	items[1].TTL = farOff
	x := newTxn(p, 9)
	moved, fenced, err := x.watch(items)
	if err != nil || fenced || slices.Contains(moved, true) || len(moved) != 4 {
		t.Fatalf("watch: %v %v %v", moved, fenced, err)
	}
	p.do(p.to, "SET c newer") // not by a client's way: as a script leaves it that ended half-way
	items[3].Dump = []byte("no value")
	results, texts, err := x.restores(items)
	want := []RestoreResult{RestoreOK, RestoreOK, RestoreBusy, 0}
	if err != nil || !slices.Equal(results, want) || !strings.Contains(texts[3], "DUMP") {
		t.Fatalf("restores: %v %q %v", results, texts, err)
	}
	if got := p.do(p.to, "PEXPIRETIME b").Int; got != farOff {
		t.Errorf("b expires at %d", got)
	}
	if x.rewatch(items[:3]) {
		t.Fatal("fenced")
	}
	if err := x.mark(items[:3]); err != nil {
		t.Fatal(err)
	}
	moved, fenced, err = x.watch(items)
	if err != nil || fenced || !slices.Equal(moved, []bool{true, true, true, false}) {
		t.Fatalf("then: %v %v %v", moved, fenced, err)
	}
	if got := x.frames(AppendDiscard(nil), 1); string(got[0]) != "+OK\r\n" {
		t.Errorf("discard: %q", got[0])
	}
}

// TestLateTransaction: whatever has happened to a moved set since the question,
// an EXEC that lands later does nothing.
func TestLateTransaction(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p pair, items []Item)
	}{
		{"a client has brought a key and deleted it", func(p pair, items []Item) {
			p.restore(5, 9, "a", GateReply{TTL: -1, Dump: items[0].Dump})
			p.do(p.to, "DEL a")
		}},
		{"another mover has", func(p pair, items []Item) {
			raw(p.tb, p.to, NewBatch(9).AppendRestore(nil, items))
			p.do(p.to, "DEL a b c d")
		}},
		{"the move is over", func(p pair, _ []Item) { raw(p.tb, p.to, AppendDropMoved(nil, 9, []int{5, 6})) }},
		{"the server was emptied", func(p pair, _ []Item) { p.do(p.to, "FLUSHALL") }},
		{"the move is over and there is another", func(p pair, _ []Item) {
			raw(p.tb, p.to, AppendDropMoved(nil, 9, []int{5, 6}))
			p.setBoth(10)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			p.setBoth(9)
			items := p.items("a", "b", "c", "d")
			x := newTxn(p, 9)
			if _, fenced, err := x.watch(items); fenced || err != nil {
				t.Fatal(fenced, err)
			}
			c.change(p, items)
			if _, _, err := x.restores(items); !errors.Is(err, ErrTouched) {
				t.Errorf("restores: %v", err)
			}
			if n := p.do(p.to, "EXISTS a b c d").Int; n != 0 {
				t.Errorf("%d keys were brought back", n)
			}

			p = newPair(t)
			p.setBoth(9)
			items = p.items("a", "b", "c", "d")
			x = newTxn(p, 9)
			if x.rewatch(items) {
				t.Fatal("fenced")
			}
			c.change(p, items)
			sets := p.do(p.to, "KEYS *moved:*:9").Strings()
			if err := x.mark(items); !errors.Is(err, ErrTouched) {
				t.Errorf("mark: %v", err)
			}
			if now := p.do(p.to, "KEYS *moved:*:9").Strings(); len(now) != len(sets) {
				t.Errorf("moved sets %q, before %q: one that knows nothing was made", now, sets)
			}
			lost := len(sets) == 0
			if _, fenced, err := x.watch(items); fenced != lost || err != nil {
				t.Errorf("the next question: fenced %v, %v", fenced, err)
			}
		})
	}
}

// TestLateUnlinks: keys are deleted only while the fence is there, however late.
func TestLateUnlinks(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p pair)
		want   int64 // keys that are left of two
	}{
		{"nothing has changed", func(pair) {}, 0},
		{"the move is over", func(p pair) { raw(p.tb, p.from, AppendDropFence(nil, 9)) }, 2},
		{"it is over, and another has begun", func(p pair) {
			raw(p.tb, p.from, AppendDropFence(nil, 9))
			raw(p.tb, p.from, AppendSetFence(nil, 10, farOff))
		}, 2},
		{"the server was emptied and has new keys", func(p pair) { p.do(p.from, "FLUSHALL"); p.do(p.from, "MSET a x b y") }, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			p.setBoth(9)
			items := p.items("a", "b")
			x := txn{pair: p, batch: NewBatch(9), conn: clientOf(t, p.from)}
			request, n := x.batch.AppendArm(nil)
			if fenced, err := x.batch.ParseArm(x.frames(request, n)); fenced || err != nil {
				t.Fatal(fenced, err)
			}
			c.change(p)
			request, n = AppendUnlinks(nil, items)
			deleted, err := ParseUnlinks(x.frames(request, n)[n-1])
			if left := p.do(p.from, "EXISTS a b").Int; left != c.want || left+deleted != 2 || errors.Is(err, ErrTouched) != (c.want == 2) {
				t.Errorf("deleted %d, left %d, %v", deleted, left, err)
			}
		})
	}
	p := newPair(t)
	x := txn{pair: p, batch: NewBatch(9), conn: clientOf(t, p.from)}
	request, n := x.batch.AppendArm(nil)
	if fenced, err := x.batch.ParseArm(x.frames(request, n)); !fenced || err != nil {
		t.Errorf("without a fence: %v %v", fenced, err)
	}
}

// TestRefusedTransaction: what a server refuses as a whole leaves nothing behind,
// and no part of it runs without the guard.
func TestRefusedTransaction(t *testing.T) {
	p := newPair(t)
	p.setBoth(9)
	items := p.items("a", "b")
	x := newTxn(p, 9)
	var refusal *resp.ServerError
	if _, _, err := x.watch(items); err != nil {
		t.Fatal(err)
	}
	p.do(p.to, "CONFIG SET maxmemory 1")
	if _, _, err := x.restores(items); !errors.As(err, &refusal) || refusal.Code != "EXECABORT" {
		t.Errorf("out of memory: %v", err)
	}
	p.do(p.to, "CONFIG SET maxmemory 0")
	for _, command := range []string{"multi", "watch"} {
		p.do(p.to, "ACL SETUSER limited reset on nopass +@all ~* -"+command)
		x = newTxn(p, 9)
		p.do(x.conn, "AUTH limited any")
		if _, _, err := x.watch(items); !errors.As(err, &refusal) || refusal.Code != "NOPERM" {
			t.Errorf("no %s: %v", command, err)
		}
	}
	if n := p.do(p.to, "EXISTS a b").Int; n != 0 {
		t.Errorf("%d keys", n)
	}
}

// FuzzParseTransaction: no reply does harm.
func FuzzParseTransaction(f *testing.F) {
	f.Add([]byte("*2\r\n+OK\r\n-BUSYKEY x\r\n"))
	f.Add([]byte("*3\r\n:1\r\n:0\r\n:1\r\n"))
	f.Add([]byte("*-1\r\n"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		b, items := NewBatch(9), []Item{{Key: Key{5, []byte("a")}}, {Key: Key{5, []byte("b")}}}
		ok := []byte("+OK\r\n")
		if moved, fenced, err := b.ParseWatch([][]byte{ok, reply, ok}, items); err == nil && !fenced && len(moved) != 2 {
			t.Errorf("%q: %v", reply, moved)
		}
		if results, _, err := ParseRestores(reply, 2); err == nil && len(results) != 2 {
			t.Errorf("%q: %v", reply, results)
		}
		_ = b.ParseMark(reply, items)
		_, _ = b.ParseArm([][]byte{ok, reply, ok})
		_, _ = ParseUnlinks(reply)
		_, _ = b.ParseRewatch([][]byte{ok, reply, ok}, items)
	})
}

// BenchmarkRestore compares what a batch costs the new group's server.
func BenchmarkRestore(b *testing.B) {
	server := resptest.StartRedis(b)
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	const keys = 200
	for _, c := range []struct {
		name  string
		build func(batch *Batch, items []Item) [][]byte
	}{
		{"script", func(batch *Batch, items []Item) (all [][]byte) {
			for part := range slices.Chunk(items, 64) {
				all = append(all, batch.AppendRestore(nil, part))
			}
			return all
		}},
		{"transaction", func(batch *Batch, items []Item) [][]byte {
			watch, _ := batch.AppendWatch(nil, items)
			restores, _ := AppendRestores(nil, items)
			mark, _ := batch.AppendMark(nil, items)
			return [][]byte{watch, restores, batch.AppendRewatch(nil, items), mark}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := server.Client(b)
			if _, err := client.Do(b.Context(), "FLUSHALL"); err != nil {
				b.Fatal(err)
			}
			slots := make([]int, slotCount)
			for i := range slots {
				slots[i] = i
			}
			raw(b, client, AppendSetMarkers(nil, 9, slots, farOff))
			value, err := client.Do(b.Context(), "EVAL", "redis.call('SET',KEYS[1],ARGV[1]) return redis.call('DUMP',KEYS[1])", "1", "k", strings.Repeat("0123456789", 10))
			if err != nil {
				b.Fatal(err)
			}
			batch, items, n := NewBatch(9), make([]Item, keys), 0
			before := serverCPU(b, client)
			for b.Loop() {
				for i := range items {
					n++
					items[i] = Item{Key: Key{(n / 16) % slotCount, fmt.Appendf(nil, "key:%d", n)}, TTL: -1, Dump: value.Str}
				}
				for _, part := range c.build(batch, items) {
					if err := exchange(conn, part); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric((serverCPU(b, client)-before)*1e6/float64(n), "server-us/key")
		})
	}
}

// exchange sends requests and reads a reply to each.
func exchange(conn net.Conn, requests []byte) error {
	var requested resp.Scanner
	want := 0
	for rest := requests; len(rest) > 0; want++ {
		n, err := requested.Next(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	if _, err := conn.Write(requests); err != nil {
		return err
	}
	var replies resp.ReplyScanner
	buf, start := make([]byte, 0, 64<<10), 0
	for want > 0 {
		n, err := replies.Next(buf[start:])
		if err != nil {
			return err
		}
		if n > 0 {
			if buf[start] == '-' {
				return fmt.Errorf("%q", buf[start:start+n])
			}
			start, want = start+n, want-1
			continue
		}
		read, err := conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		buf = buf[:len(buf)+read]
	}
	return nil
}

func serverCPU(tb testing.TB, c *resp.Client) (seconds float64) {
	tb.Helper()
	r, err := c.Do(tb.Context(), "INFO", "cpu")
	if err != nil {
		tb.Fatal(err)
	}
	info := resp.ParseInfo(r.Text())
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		var n float64
		fmt.Sscan(info[name], &n)
		seconds += n
	}
	return seconds
}
