package bigkey

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"codis/migrate/fence"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// wire is a Server.
type wire struct{ conn net.Conn }

func dial(tb testing.TB, s *resptest.Server) *wire {
	tb.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &wire{conn}
}

func (w *wire) Do(ctx context.Context, requests []byte, n int) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := w.conn.Write(requests); err != nil {
		return nil, err
	}
	var frames [][]byte
	var scan resp.ReplyScanner
	var in []byte
	for len(frames) < n {
		if m, err := scan.Next(in); err != nil {
			return nil, err
		} else if m > 0 {
			frames, in = append(frames, in[:m:m]), in[m:]
			continue
		}
		buf := make([]byte, 64<<10)
		m, err := w.conn.Read(buf)
		if err != nil {
			return nil, err
		}
		in = append(in, buf[:m]...)
	}
	return frames, nil
}

// bench is two servers with a slot on its way between them.
type bench struct {
	tb               testing.TB
	source, target   *resp.Client
	copier           *Copier
	from             *resptest.Server
	parts, syncs     int
	between          func(parts int) // called behind each part
	longest, written int64
}

const slot, epoch = 5, 9

func newBench(tb testing.TB) *bench {
	tb.Helper()
	from, to := resptest.StartRedis(tb, "--enable-debug-command", "yes"), resptest.StartRedis(tb, "--enable-debug-command", "yes")
	b := &bench{tb: tb, source: from.Client(tb), target: to.Client(tb), from: from, between: func(int) {}}
	deadline := time.Now().Add(time.Hour).UnixMilli()
	for s, request := range map[*resptest.Server][]byte{
		from: fence.AppendSetFence(nil, epoch, deadline), to: fence.AppendSetMarkers(nil, epoch, []int{slot}, deadline),
	} {
		if _, err := dial(tb, s).Do(tb.Context(), request, 1); err != nil {
			tb.Fatal(err)
		}
	}
	b.copier = &Copier{
		From: dial(tb, from), To: dial(tb, to), Epoch: epoch,
		Pace: func(_ context.Context, bytes int64) error {
			b.parts++
			b.longest, b.written = max(b.longest, bytes), b.written+bytes
			b.between(b.parts)
			return nil
		},
		Sync:     func(context.Context) error { b.syncs++; return nil },
		Progress: func(Progress) {},
	}
	return b
}

func (b *bench) copy(key string) (Result, error) {
	b.parts, b.syncs, b.longest, b.written = 0, 0, 0, 0
	return b.copier.Copy(b.tb.Context(), fence.Key{Slot: slot, Name: []byte(key)})
}

func do(tb testing.TB, c *resp.Client, words ...string) resp.Reply {
	tb.Helper()
	r, err := c.Do(tb.Context(), words...)
	if err != nil {
		tb.Fatalf("%.80q: %v", words, err)
	}
	return r
}

// sketch is all that a server tells of a key, but for times since something happened.
func sketch(tb testing.TB, c *resp.Client, key string) []string {
	tb.Helper()
	kind := do(tb, c, "TYPE", key).Text()
	all := []string{kind, do(tb, c, "DEBUG", "DIGEST-VALUE", key).Array[0].Text(), do(tb, c, "PEXPIRETIME", key).Text()}
	switch kind {
	case "list": // in its order
		all = append(all, do(tb, c, "LRANGE", key, "0", "-1").Strings()...)
	case "stream":
		all = show(all, do(tb, c, "XINFO", "STREAM", key, "FULL", "COUNT", "0"), "")
	}
	return all
}

// show appends XINFO STREAM FULL: without how the entries are stored and when consumers
// were seen.
func show(all []string, r resp.Reply, name string) []string {
	switch name {
	case "radix-tree-keys", "radix-tree-nodes", "seen-time", "active-time":
		return all
	}
	for i, e := range r.Array {
		next := ""
		if i%2 == 1 && r.Array[i-1].Kind == resp.KindBulk {
			next = r.Array[i-1].Text()
		}
		all = show(all, e, next)
	}
	return append(all, fmt.Sprint(r.Kind, r.Text()))
}

// compareSketches shows the first difference. Times of delivery in ms may differ a little.
func compareSketches(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			return fmt.Sprintf("%d parts, want %d", len(got), len(want))
		}
		if got[i] == want[i] {
			continue
		}
		var a, b int64
		fmt.Sscanf(got[i], "integer%d", &a)
		fmt.Sscanf(want[i], "integer%d", &b)
		if a < 1e12 || b < 1e12 || max(a, b)-min(a, b) > 500 {
			return fmt.Sprintf("part %d: got %.200q, want %.200q; before them %q", i, got[i], want[i], want[max(0, i-5):i])
		}
	}
	return ""
}

// fill makes keys of every type, some with little in each element, some with much.
func fill(tb testing.TB, c *resp.Client) []string {
	tb.Helper()
	do(tb, c, "EVAL", `local big=string.rep('x',3000)
for i=1,5000 do
redis.call('RPUSH','list',i,'e'..i) redis.call('SADD','set','m'..i,'\0\r\n'..i) redis.call('ZADD','zset',i/7,'m'..i)
redis.call('HSET','hash','f'..i,i) end
for i=1,200 do redis.call('RPUSH','list:large',big..i) redis.call('SADD','intset',i*1000) end
for i=1,2000 do redis.call('HSET','hash:large',i,big) end
redis.call('ZADD','zset','inf','top','-inf','bottom',0.1,'tenth','1e300','huge')
redis.call('SET','string',string.rep('0123456789',200000)) redis.call('SETBIT','bits',8000000,1) redis.call('SET','short','x') redis.call('SET','number',12)
redis.call('PFADD','hll','a','b','c') redis.call('RPUSH','one','e')
return 1`, "0")
	do(tb, c, "PEXPIREAT", "hash", "4000000000001")
	return []string{"list", "list:large", "set", "intset", "zset", "hash", "hash:large", "string", "bits", "short", "number", "hll", "one"}
}

// fillStreams makes streams with all that they can have.
func fillStreams(tb testing.TB, c *resp.Client) []string {
	tb.Helper()
	do(tb, c, "EVAL", `for _,k in ipairs({'stream','trimmed','deleted','alone'}) do
for i=1,3000 do redis.call('XADD',k,i..'-'..(i%3+1),'f',i,'g','v'..i) end end return 1`, "0")
	for _, key := range []string{"stream", "trimmed", "deleted"} {
		do(tb, c, "XGROUP", "CREATE", key, "g", "0")
		do(tb, c, "XGROUP", "CREATE", key, "idle", "$")
		do(tb, c, "XGROUP", "CREATE", key, "fresh", "0")
		do(tb, c, "XGROUP", "CREATECONSUMER", key, "idle", "nobody")
		do(tb, c, "XREADGROUP", "GROUP", "g", "me", "COUNT", "1500", "STREAMS", key, ">")
		do(tb, c, "XREADGROUP", "GROUP", "g", "you", "COUNT", "700", "STREAMS", key, ">")
		do(tb, c, "XREADGROUP", "GROUP", "fresh", "you", "COUNT", "3", "STREAMS", key, ">")
		do(tb, c, "XACK", key, "g", "5-3", "1600-2")
		do(tb, c, "XCLAIM", key, "g", "third", "0", "7-2", "RETRYCOUNT", "9", "TIME", "1500000000000", "JUSTID")
	}
	do(tb, c, "XTRIM", "trimmed", "MAXLEN", "1000")
	do(tb, c, "XDEL", "deleted", "1-2", "2-3", "900-1", "901-2", "3000-1")
	do(tb, c, "XTRIM", "deleted", "MAXLEN", "2500")
	// Nothing in it but what is pending, and nothing at all.
	do(tb, c, "XGROUP", "CREATE", "hollow", "g", "0", "MKSTREAM")
	do(tb, c, "XADD", "hollow", "1-1", "f", "v")
	do(tb, c, "XADD", "hollow", "2-1", "f", "v")
	do(tb, c, "XREADGROUP", "GROUP", "g", "me", "STREAMS", "hollow", ">")
	do(tb, c, "XTRIM", "hollow", "MAXLEN", "0")
	do(tb, c, "XADD", "empty", "7-7", "f", "v")
	do(tb, c, "XDEL", "empty", "7-7")
	return []string{"stream", "trimmed", "deleted", "alone", "hollow", "empty"}
}

// TestK_EveryTypeIsCopiedExactly, and in parts.
func TestK_EveryTypeIsCopiedExactly(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, key := range slices.Concat(fill(t, b.source), fillStreams(t, b.source)) {
		want := sketch(t, b.source, key)
		r, err := b.copy(key)
		if err != nil || r.Gone || r.Bytes == 0 {
			t.Errorf("%s: %+v %v", key, r, err)
			continue
		}
		if diff := compareSketches(sketch(t, b.target, key), want); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
		if b.longest > 2*partBytes && key != "string" && key != "bits" || b.longest > 2*stringBytes {
			t.Errorf("%s: a part of %d bytes", key, b.longest)
		}
		if want := b.written / (4 * partBytes); int64(b.parts) < want {
			t.Errorf("%s: only %d parts for %d bytes", key, b.parts, b.written)
		}
		if want := map[bool]int64{true: b.written / syncBytes}[key != "string"]; b.syncs != int(want) {
			t.Errorf("%s: replicas were waited for %d times, want %d", key, b.syncs, want)
		}
		if again, err := b.copy(key); err != nil || again.Bytes != 0 {
			t.Errorf("%s again: %+v %v", key, again, err)
		}
	}
	for cursor := "0"; ; {
		r := do(t, b.target, "SCAN", cursor, "MATCH", fence.Prefix+"cop*")
		for _, key := range r.Array[1].Strings() {
			t.Errorf("%q is left, with %s members", key, do(t, b.target, "SCARD", key).Text())
		}
		if cursor = r.Array[0].Text(); cursor == "0" {
			break
		}
	}
}

// TestK_ExpiryUnderWay: what expires in the middle is gone, and nothing of it is left.
func TestK_ExpiryUnderWay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fill(t, b.source)
	for _, key := range []string{"hash", "string"} {
		b.between = func(parts int) {
			if parts == 2 { // as if its time had come
				do(t, b.source, "PEXPIREAT", key, "1")
			}
		}
		for range 2 {
			if r, err := b.copy(key); !r.Gone || err != nil {
				t.Errorf("%s: %+v %v", key, r, err)
			}
			if n := do(t, b.target, "EXISTS", key).Int; n != 0 {
				t.Errorf("%s is at the target", key)
			}
		}
	}
}

// TestK_WhatChangesIsNotCommitted: whoever writes at the source in spite of everything.
func TestK_WhatChangesIsNotCommitted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fill(t, b.source)
	for _, change := range [][]string{
		{"RPUSH", "list", "more"}, {"LPOP", "list"}, {"PEXPIREAT", "list", "4000000000000"}, {"PERSIST", "list"},
		{"SET", fence.Prefix + "fence:9", "10"},
	} {
		if change[0] == "PERSIST" {
			do(t, b.source, "PEXPIREAT", "list", "4000000000000")
		}
		b.between = func(parts int) {
			if parts == 3 {
				do(t, b.source, change...)
			}
		}
		_, err := b.copy("list")
		if want := map[bool]error{true: ErrFenced, false: ErrChanged}[change[0] == "SET"]; !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", change, err, want)
		}
		if n := do(t, b.target, "EXISTS", "list").Int; n != 0 {
			t.Fatalf("%v: it is at the target", change)
		}
	}
}

// TestK_LostCopies: the copy is taken away, and the moved set.
func TestK_LostCopies(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	fill(t, b.source)
	for _, c := range []struct {
		loss []string
		want error
	}{{[]string{"EVAL", "return redis.call('DEL',unpack(redis.call('SMEMBERS','" + fence.Prefix + "copies:9')))", "0"}, ErrLost}, {[]string{"FLUSHALL"}, ErrFenced}} {
		b.between = func(parts int) {
			if parts == 3 {
				do(t, b.target, c.loss...)
			}
		}
		if _, err := b.copy("list"); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.loss, err)
		}
		if n := do(t, b.target, "EXISTS", "list").Int; n != 0 {
			t.Errorf("%v: it is at the target", c.loss)
		}
	}
}

// TestK_CopyEndsWithItsContext, and leaves no goroutine.
func TestK_CopyEndsWithItsContext(t *testing.T) {
	resptest.CheckLeaks(t)
	b := newBench(t)
	fill(t, b.source)
	ctx, cancel := context.WithCancel(t.Context())
	b.between = func(parts int) {
		if parts == 2 {
			cancel()
		}
	}
	if _, err := b.copier.Copy(ctx, fence.Key{Slot: slot, Name: []byte("set")}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestStreamIDs(t *testing.T) {
	for _, c := range []struct{ at, next id }{{id{0, 0}, id{0, 1}}, {id{1, 1<<64 - 1}, id{2, 0}}, {maxID, maxID}} {
		if got := c.at.next(); got != c.next {
			t.Errorf("%v: next is %v", c.at, got)
		}
		if got, err := parseID(c.at.text()); got != c.at || err != nil {
			t.Errorf("%s: %v %v", c.at.text(), got, err)
		}
	}
	for _, text := range []string{"", "1", "-", "1-x", "1-2-3", "-1-1"} {
		if _, err := parseID([]byte(text)); !errors.Is(err, resp.ErrProtocol) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
