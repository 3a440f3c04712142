package fence

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

func TestReservedNames(t *testing.T) {
	for _, c := range []struct {
		key  []byte
		want Reserved
	}{
		{AppendFenceKey(nil, 7), Reserved{KindFence, -1, 7}},
		{AppendMovedKey(nil, 1023, 1<<63), Reserved{KindMoved, 1023, 1 << 63}},
		{AppendWaitKey(nil, 9), Reserved{KindWait, -1, 9}},
		{[]byte(ProbeKey), Reserved{KindProbe, -1, 0}},
		{AppendCopyKey(nil, 1023, 77, 1<<63), Reserved{KindCopy, 1023, 77}},
		{[]byte(copiesPrefix + "77"), Reserved{KindCopies, -1, 77}},
		{[]byte(wantedPrefix + "77"), Reserved{KindWanted, -1, 77}},
	} {
		got, ok := ParseKey(c.key)
		if !ok || got != c.want || !IsReserved(c.key) {
			t.Errorf("ParseKey(%q) = %v %v, want %v", c.key, got, ok, c.want)
		}
	}
	if !IsReserved([]byte(marker)) {
		t.Error("the marker may be the name of a key")
	}
	for _, name := range []string{"", "\x00", "\x00codis", "codis:fence:1", "x\x00codis:", "\x00Codis:fence:1"} {
		if IsReserved([]byte(name)) {
			t.Errorf("%q is reserved", name)
		}
	}
	for _, name := range []string{"fence:", "fence:-1", "fence:1:2", "moved:1", "moved::2", "moved:1:x", "marker", "later:1", "copy:1:2", "copy:1:2:x!", "copies:x"} {
		if r, ok := ParseKey([]byte(Prefix + name)); ok {
			t.Errorf("ParseKey(%q) = %v", name, r)
		}
	}
}

// farOff is a deadline that does not pass.
const farOff = 4000000000000

// TestLate: what sets up a move does nothing once its time is over.
func TestLate(t *testing.T) {
	p := newPair(t)
	past := time.Now().Add(-time.Second).UnixMilli()
	for _, c := range []struct {
		to      *resp.Client
		request []byte
	}{
		{p.from, AppendSetFence(nil, 9, past)},
		{p.to, AppendSetMarkers(nil, 9, []int{5}, past)},
		{p.to, NewBatch(9).AppendPurge(nil, []Key{{5, []byte("k")}}, past)},
	} {
		if got := raw(t, c.to, c.request); string(got) != "+LATE\r\n" {
			t.Errorf("%q: %q", c.request[:20], got)
		}
	}
	p.do(p.to, "SET k v")
	if got := raw(t, p.to, NewBatch(9).AppendPurge(nil, []Key{{5, []byte("k")}}, farOff)); string(got) != "+FENCED\r\n" {
		t.Errorf("purge without a moved set: %q", got)
	}
	p.set(5, 9)
	if got := raw(t, p.to, NewBatch(9).AppendPurge(nil, []Key{{5, []byte("k")}}, farOff)); string(got) != ":1\r\n" {
		t.Errorf("purge: %q", got)
	}
	if n := p.do(p.from, "DBSIZE").Int + p.do(p.to, "DBSIZE").Int; n != 2 {
		t.Errorf("%d keys are left, want the fence and the moved set", n)
	}
}

// pair is a slot's two servers.
type pair struct {
	tb       testing.TB
	from, to *resp.Client
}

func newPair(tb testing.TB) pair {
	tb.Helper()
	return pair{tb, resptest.StartRedis(tb).Client(tb), resptest.StartRedis(tb).Client(tb)}
}

// raw sends what a builder appended and gives the reply as bytes.
func raw(tb testing.TB, c *resp.Client, request []byte) []byte {
	tb.Helper()
	var s resp.Scanner
	n, err := s.Next(request)
	if err != nil || n != len(request) {
		tb.Fatalf("the request %q is malformed: %d %v", request, n, err)
	}
	reply, err := c.DoBytes(tb.Context(), s.Args()...)
	if se := (*resp.ServerError)(nil); err != nil && !errors.As(err, &se) {
		tb.Fatal(err)
	}
	return encode(nil, reply)
}

func encode(dst []byte, r resp.Reply) []byte {
	switch r.Kind {
	case resp.KindSimple:
		return resp.AppendSimple(dst, string(r.Str))
	case resp.KindError:
		return resp.AppendError(dst, string(r.Str))
	case resp.KindInteger:
		return resp.AppendInt(dst, r.Int)
	case resp.KindBulk:
		return resp.AppendBulk(dst, r.Str)
	case resp.KindArray:
		dst = resp.AppendArray(dst, len(r.Array))
		for _, e := range r.Array {
			dst = encode(dst, e)
		}
		return dst
	}
	return resp.AppendNil(dst)
}

func (p pair) do(c *resp.Client, line string) resp.Reply {
	p.tb.Helper()
	reply, err := c.Do(p.tb.Context(), strings.Fields(line)...)
	if err != nil {
		p.tb.Fatalf("%s: %v", line, err)
	}
	return reply
}

func (p pair) gate(epoch uint64, key string) GateReply {
	p.tb.Helper()
	reply, err := ParseGate(raw(p.tb, p.from, AppendGate(nil, epoch, []byte(key), noneBig)))
	if err != nil {
		p.tb.Fatalf("gate %s: %v", key, err)
	}
	return reply
}

func (p pair) restore(slot int, epoch uint64, key string, v GateReply) RestoreResult {
	p.tb.Helper()
	result, err := ParseRestore(raw(p.tb, p.to, AppendRestore(nil, slot, epoch, []byte(key), v.TTL, v.Dump)))
	if err != nil {
		p.tb.Fatalf("restore %s: %v", key, err)
	}
	return result
}

func (p pair) set(slot int, epoch uint64) {
	p.tb.Helper()
	if got := raw(p.tb, p.from, AppendSetFence(nil, epoch, farOff)); string(got) != "+OK\r\n" {
		p.tb.Fatalf("set fence: %q", got)
	}
	if got := raw(p.tb, p.to, AppendSetMarkers(nil, epoch, []int{slot}, farOff)); string(got) != "+OK\r\n" {
		p.tb.Fatalf("set marker: %q", got)
	}
}

// TestAccess is one key's way, with everybody late who can be.
func TestAccess(t *testing.T) {
	p := newPair(t)
	p.do(p.from, "SET k v")
	if got := p.gate(9, "k"); got.Kind != GateFenced {
		t.Fatalf("gate without a fence: %v", got.Kind)
	}
	p.set(5, 9)
	if got := p.gate(8, "k"); got.Kind != GateFenced {
		t.Fatalf("gate of an older move: %v", got.Kind)
	}
	if got := p.gate(9, "none"); got.Kind != GateAbsent {
		t.Fatalf("gate of no key: %v", got.Kind)
	}
	v := p.gate(9, "k")
	if v.Kind != GateValue || v.TTL != -1 {
		t.Fatalf("gate: %v, expires %d", v.Kind, v.TTL)
	}
	member := func(epoch uint64) bool {
		moved, err := ParseMember(raw(t, p.to, AppendMember(nil, 5, epoch, []byte("k"))))
		if err != nil {
			t.Fatal(err)
		}
		return moved
	}
	if member(9) {
		t.Fatal("moved before it was")
	}
	if got := p.restore(5, 8, "k", v); got != RestoreFenced {
		t.Fatalf("restore of an older move: %v", got)
	}
	if got := p.restore(5, 9, "k", v); got != RestoreOK || !member(9) {
		t.Fatalf("restore: %v", got)
	}
	p.do(p.to, "DEL k")
	if got := p.restore(5, 9, "k", v); got != RestoreDone || p.do(p.to, "EXISTS k").Int != 0 {
		t.Fatalf("a late restore: %v, it brings a deleted key back", got)
	}
	// What is there without the set's knowledge counts, and is known from then on.
	p.do(p.to, "SET other new")
	if got := p.restore(5, 9, "other", v); got != RestoreBusy || p.do(p.to, "GET other").Text() != "new" {
		t.Fatalf("restore over a key: %v", got)
	}
	p.do(p.to, "DEL other")
	if got := p.restore(5, 9, "other", v); got != RestoreDone {
		t.Fatalf("restore after BUSY: %v", got)
	}
	// A dump that the server refuses is no success, and is not remembered as one.
	v.Dump = []byte("junk")
	reply := raw(t, p.to, AppendRestore(nil, 5, 9, []byte("bad"), -1, v.Dump))
	if _, err := ParseRestore(reply); err == nil || errors.Is(err, ErrReply) {
		t.Fatalf("restore of junk: %v", err)
	}
	if p.do(p.to, "SISMEMBER "+string(AppendMovedKey(nil, 5, 9))+" bad").Int != 0 {
		t.Fatal("what failed counts as moved")
	}
	raw(t, p.to, AppendDropMoved(nil, 9, []int{5}))
	if got := p.restore(5, 9, "k", v); got != RestoreFenced {
		t.Fatalf("restore after the end: %v", got)
	}
	raw(t, p.from, AppendDropFence(nil, 9))
	if got := p.gate(9, "k"); got.Kind != GateFenced {
		t.Fatalf("gate after the end: %v", got.Kind)
	}
}

// TestExpiry takes the expiry along as an absolute time, whatever way the server
// gives it.
func TestExpiry(t *testing.T) {
	resptest.Needs(t, 7, 0) // the moves themselves are tested with older ones
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("old=%v", old), func(t *testing.T) {
			args := []string{}
			if old { // a server before 7.0 does not know the command
				args = []string{"--rename-command", "PEXPIRETIME", ""}
			}
			p := pair{t, resptest.StartRedis(t, args...).Client(t), resptest.StartRedis(t).Client(t)}
			p.set(5, 9)
			at := time.Now().Add(time.Hour).UnixMilli()
			p.do(p.from, fmt.Sprintf("SET k v PXAT %d", at))
			p.do(p.from, "SET soon v PX 30")
			v, soon := p.gate(9, "k"), p.gate(9, "soon")
			if p.restore(5, 9, "k", v) != RestoreOK || p.restore(5, 9, "soon", soon) != RestoreOK {
				t.Fatal("not restored")
			}
			if got := p.do(p.to, "PEXPIRETIME k").Int; got < at-1 || got > at+1 {
				t.Errorf("expires at %d, want %d", got, at)
			}
			time.Sleep(60 * time.Millisecond) // until the server's clock is past it
			if p.do(p.to, "EXISTS soon").Int != 0 || p.gate(9, "soon").Kind != GateAbsent {
				t.Error("an expired key lives")
			}
			// One that expires on the way is gone, and has moved.
			p.do(p.from, "SET late v PX 30")
			late := p.gate(9, "late")
			time.Sleep(60 * time.Millisecond)
			if got := p.restore(5, 9, "late", late); got != RestoreOK || p.do(p.to, "EXISTS late").Int != 0 {
				t.Errorf("an expired value was restored: %v", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"+FENCED\r\n", "$-1\r\n", "*2\r\n:-1\r\n$3\r\nabc\r\n", "*2\r\n$2\r\nOK\r\n$4\r\nBUSY\r\n", "-ERR x\r\n", ":12\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, reply []byte) {
		if v, err := ParseGate(reply); err == nil && v.Kind == GateValue && len(v.Dump) > len(reply) {
			t.Error("more than there is")
		}
		keys := make([]Key, 3)
		if items, asked, _, err := ParseGateBatch(nil, reply, keys); err == nil && (len(items) > asked || asked > len(keys)) {
			t.Error("more than was asked")
		}
		ParseDump(Key{}, reply, reply)
		ParseScan(reply, func([]byte) {})
		NewBatch(9).ParseFence(reply)
		ParseMember(reply)
		ParseRestore(reply)
		ParseRestoreBatch(reply, 2)
		ParseUnlink(reply)
		ParseKey(reply)
	})
}

func BenchmarkAccess(b *testing.B) {
	buf, key := make([]byte, 0, 8<<10), []byte("user:1000")
	reply := []byte("*2\r\n:-1\r\n$5\r\nabcde\r\n")
	step := func() {
		v, _ := ParseGate(reply)
		buf = AppendMember(buf[:0], 5, 77, key)
		buf = AppendGate(buf, 77, key, noneBig)
		buf = AppendRestore(buf, 5, 77, key, v.TTL, v.Dump)
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		b.Fatalf("%v allocations", n)
	}
	for b.Loop() {
		step()
	}
}
