package fence

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"codis/router/resp"
)

// noneBig are limits that no key of a test exceeds.
var noneBig = Limits{Bytes: 1 << 40, Elements: 1 << 40}

// fillSizes makes keys of every type with n elements each, strings of n bytes.
func (p pair) fillSizes(n int) []string {
	p.tb.Helper()
	script := `for i=1,ARGV[1] do
redis.call('RPUSH','list',i) redis.call('SADD','intset',i) redis.call('SADD','set','m'..i) redis.call('ZADD','zset',i,'m'..i)
redis.call('HSET','hash','f'..i,i) redis.call('XADD','stream',i..'-1','f',i) end
redis.call('SET','string',string.rep('x',ARGV[1])) return 1`
	if _, err := p.from.Do(p.tb.Context(), "EVAL", script, "0", fmt.Sprint(n)); err != nil {
		p.tb.Fatal(err)
	}
	return []string{"list", "intset", "set", "zset", "hash", "stream", "string"}
}

// TestK_GateSaysBig: by elements and by memory, for every type, and never for keys of the
// limits' size or below.
func TestK_GateSaysBig(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.set(5, 9)
	gate := func(key string, limits Limits) GateReply {
		v, err := ParseGate(raw(t, p.from, AppendGate(nil, 9, []byte(key), limits)))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const n = 3000
	for _, key := range p.fillSizes(n) {
		memory := p.do(p.from, "MEMORY USAGE "+key).Int
		for _, c := range []struct {
			limits Limits
			want   GateKind
		}{
			{noneBig, GateValue},
			{Limits{Bytes: memory, Elements: n}, GateValue},
			{Limits{Bytes: memory - 1, Elements: n}, GateBig},
			{Limits{Bytes: memory, Elements: n - 1}, map[bool]GateKind{true: GateValue, false: GateBig}[key == "string"]},
			{Limits{Bytes: 1 << 30, Elements: 1}, map[bool]GateKind{true: GateValue, false: GateBig}[key == "string"]},
		} {
			got := gate(key, c.limits)
			if got.Kind != c.want || got.Kind == GateBig && got.Size != n {
				t.Errorf("%s of %d bytes, limits %v: %v of %d, want %v", key, memory, c.limits, got.Kind, got.Size, c.want)
			}
			places, err := ParseBig(raw(t, p.from, AppendBig(nil, []Key{{5, []byte("nothing")}, {5, []byte(key)}}, c.limits)), 2)
			if want := c.want == GateBig; err != nil || slices.Contains(places, 1) != want || slices.Contains(places, 0) {
				t.Errorf("%s, limits %v: places %v %v", key, c.limits, places, err)
			}
			if c.want == GateBig && !c.limits.MaybeBig(raw(t, p.from, AppendSize(nil, []byte(key)))) {
				t.Errorf("%s, limits %v: said to be small for sure", key, c.limits)
			}
		}
	}
	if got := gate("nothing", Limits{1, 1}); got.Kind != GateAbsent {
		t.Errorf("no key: %v", got.Kind)
	}
	if noneBig.MaybeBig(raw(t, p.from, AppendSize(nil, []byte("nothing")))) {
		t.Error("no key may be big")
	}
	p.do(p.from, "ACL SETUSER default -memory")
	if got := gate("set", Limits{1 << 30, n - 1}); got.Kind != GateBig {
		t.Errorf("without MEMORY: %v", got.Kind)
	}
	if !noneBig.MaybeBig(raw(t, p.from, AppendSize(nil, []byte("set")))) {
		t.Error("without MEMORY a key is said to be small")
	}
}

func (p pair) copyStep(request []byte) CopyResult {
	p.tb.Helper()
	result, err := ParseCopy(raw(p.tb, p.to, request))
	if err != nil {
		p.tb.Fatal(err)
	}
	return result
}

func push(c *Copy, first bool, words ...string) []byte {
	command := [][]byte{[]byte("RPUSH"), c.Name()}
	for _, word := range words {
		command = append(command, []byte(word))
	}
	return c.AppendChunk(nil, Chunk{First: first, Commands: [][][]byte{command}})
}

// TestK_CopyProtocol walks through the answers of every step.
func TestK_CopyProtocol(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	c := &Copy{Key: Key{5, []byte("k")}, Epoch: 9, Attempt: 1}
	whole := Whole{Length: "LLEN", Min: 3, Max: 3, TTL: farOff}
	for name, request := range map[string][]byte{"begin": c.AppendBegin(nil), "chunk": push(c, true, "a"), "commit": c.AppendCommit(nil, whole)} {
		if got := p.copyStep(request); got != CopyFenced {
			t.Errorf("%s without a marker: %v", name, got)
		}
	}
	if n := p.do(p.to, "DBSIZE").Int; n != 0 {
		t.Fatalf("%d keys without a marker", n)
	}
	p.set(5, 9)
	want := func(what string, request []byte, want CopyResult) {
		t.Helper()
		if got := p.copyStep(request); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	want("chunk before the first", push(c, false, "a"), CopyLost)
	want("begin", c.AppendBegin(nil), CopyOK)
	want("first chunk", push(c, true, "a"), CopyOK)
	want("first chunk twice", push(c, true, "a"), CopyLost)
	if ttl := p.do(p.to, "PTTL "+string(c.Name())).Int; ttl <= 0 {
		t.Errorf("the copy's PTTL is %d", ttl)
	}
	want("commit of a part", c.AppendCommit(nil, whole), CopyLost)
	want("second chunk", push(c, false, "b", "c"), CopyOK)
	if where, err := ParseWhere(raw(t, p.to, AppendReadCheck(nil, 5, 9, [][]byte{[]byte("other"), c.Key.Name}))); where != WhereSource || err != nil {
		t.Errorf("before the commit: %v %v", where, err)
	}
	want("commit", c.AppendCommit(nil, whole), CopyOK)
	want("commit twice", c.AppendCommit(nil, whole), CopyDone)
	want("begin of a key that has moved", (&Copy{Key: c.Key, Epoch: 9, Attempt: 2}).AppendBegin(nil), CopyDone)
	if got := fmt.Sprint(p.do(p.to, "LRANGE k 0 -1").Strings(), p.do(p.to, "PEXPIRETIME k").Int); got != fmt.Sprint("[a b c] ", farOff) {
		t.Errorf("the key is %s", got)
	}
	if where, err := ParseWhere(raw(t, p.to, AppendReadCheck(nil, 5, 9, [][]byte{[]byte("other"), c.Key.Name}))); where != WhereMoved || err != nil {
		t.Errorf("after the commit: %v %v", where, err)
	}
	if where, err := ParseWhere(raw(t, p.to, AppendReadCheck(nil, 5, 8, [][]byte{[]byte("other"), c.Key.Name}))); where != WhereFenced || err != nil {
		t.Errorf("of another move: %v %v", where, err)
	}
	if n := p.do(p.to, "DBSIZE").Int; n != 2 {
		t.Errorf("%d keys, want the key and the moved set", n)
	}
}

// TestK_NextAttemptTakesOver: what an earlier one sends later gets nowhere.
func TestK_NextAttemptTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.set(5, 9)
	first, second := &Copy{Key{5, []byte("k")}, 9, 1}, &Copy{Key{5, []byte("k")}, 9, 2}
	whole := Whole{Length: "LLEN", Min: 1, Max: 1, TTL: -1}
	p.copyStep(first.AppendBegin(nil))
	p.copyStep(push(first, true, "old"))
	if got := p.copyStep(second.AppendBegin(nil)); got != CopyOK {
		t.Fatal(got)
	}
	if n := p.do(p.to, "EXISTS "+string(first.Name())).Int; n != 0 {
		t.Error("the first attempt's copy is there")
	}
	for what, request := range map[string][]byte{"chunk": push(first, false, "old"), "commit": first.AppendCommit(nil, whole)} {
		if got := p.copyStep(request); got != CopyLost {
			t.Errorf("%s of the first attempt: %v", what, got)
		}
	}
	p.copyStep(push(second, true, "new"))
	if got := p.copyStep(second.AppendCommit(nil, whole)); got != CopyOK {
		t.Errorf("the second attempt: %v", got)
	}
	if got := p.do(p.to, "LRANGE k 0 -1").Strings(); fmt.Sprint(got) != "[new]" {
		t.Errorf("the key is %v", got)
	}
	// A key that was there before counts, and the copy goes.
	third := &Copy{Key{5, []byte("other")}, 9, 3}
	p.copyStep(third.AppendBegin(nil))
	p.copyStep(push(third, true, "x"))
	p.do(p.to, "SET other made")
	if got := p.copyStep(third.AppendCommit(nil, whole)); got != CopyBusy || p.do(p.to, "GET other").Text() != "made" {
		t.Errorf("a key that was there: %v", got)
	}
	if n := p.do(p.to, "EXISTS "+string(third.Name())).Int; n != 0 {
		t.Error("its copy is there")
	}
}

// TestK_FailedChunkLeavesNothing: a command that the target refuses takes the copy with it.
func TestK_FailedChunkLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.set(5, 9)
	c := &Copy{Key{5, []byte("k")}, 9, 1}
	p.copyStep(c.AppendBegin(nil))
	bad := Chunk{First: true, Commands: [][][]byte{{[]byte("RPUSH"), c.Name(), []byte("a")}, {[]byte("SADD"), c.Name(), []byte("b")}}}
	if _, err := ParseCopy(raw(t, p.to, c.AppendChunk(nil, bad))); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("got %v", err)
	}
	if n := p.do(p.to, "EXISTS "+string(c.Name())).Int; n != 0 {
		t.Error("a part is there, for ever")
	}
}

// TestK_WishesAndSweep: wishes are kept by key, expire, and go with the move.
func TestK_WishesAndSweep(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	wish := func(epoch uint64, key string) Where {
		w, err := ParseWhere(raw(t, p.to, AppendWish(nil, 5, epoch, []byte(key))))
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	if got := wish(9, "k"); got != WhereFenced || p.do(p.to, "DBSIZE").Int != 0 {
		t.Errorf("without a marker: %v", got)
	}
	p.set(5, 9)
	for _, key := range []string{"k", "l", "k"} {
		if got := wish(9, key); got != WhereSource {
			t.Errorf("%s: %v", key, got)
		}
	}
	r, _, err := resp.ParseReply(raw(t, p.to, AppendWanted(nil, 9)))
	wanted := r.Strings()
	slices.Sort(wanted)
	if err != nil || fmt.Sprint(wanted) != "[k l]" {
		t.Errorf("wanted %v %v", wanted, err)
	}
	if ttl := p.do(p.to, "PTTL "+wantedPrefix+"9").Int; ttl <= 0 {
		t.Errorf("PTTL of the wishes is %d", ttl)
	}
	raw(t, p.to, AppendUnwant(nil, 9, []byte("l")))
	c := &Copy{Key{5, []byte("k")}, 9, 1}
	p.copyStep(c.AppendBegin(nil))
	p.copyStep(push(c, true, "a"))
	if got := raw(t, p.to, AppendSweepCopies(nil, 9)); string(got) != "+OK\r\n" || p.do(p.to, "DBSIZE").Int != 2 {
		t.Errorf("sweep: %q, %d keys", got, p.do(p.to, "DBSIZE").Int)
	}
	p.copyStep(c.AppendBegin(nil))
	p.copyStep(push(c, true, "a"))
	raw(t, p.to, AppendDropMoved(nil, 9, []int{5}))
	if got := raw(t, p.to, AppendDropBig(nil, 9)); string(got) != "+OK\r\n" || p.do(p.to, "DBSIZE").Int != 0 {
		t.Errorf("drop: %q, %d keys are left", got, p.do(p.to, "DBSIZE").Int)
	}
}
