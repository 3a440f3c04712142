package fence

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"codis/router/resp/resptest"
)

func TestBatch(t *testing.T) {
	resptest.Needs(t, 7, 0)
	p := newPair(t)
	slots := []int{3, 900}
	raw(t, p.from, AppendSetFence(nil, 9, farOff))
	raw(t, p.to, AppendSetMarkers(nil, 9, slots, farOff))
	var keys []Key
	for i := range 20 {
		name := fmt.Sprintf("k%d", i)
		keys = append(keys, Key{slots[i%2], []byte(name)})
		if i != 4 {
			p.do(p.from, "SET "+name+" "+strings.Repeat("x", 100+i))
		}
	}
	p.do(p.from, "PEXPIREAT k7 4000000000000")
	b := NewBatch(9)
	items, asked, fenced, err := ParseGateBatch(nil, raw(t, p.from, b.AppendGate(nil, keys, Ask{Budget: 1 << 20})), keys)
	if err != nil || fenced || asked != 20 || len(items) != 19 || items[6].TTL != 4000000000000 || items[0].TTL != -1 {
		t.Fatalf("gate: %d asked, %d items, fenced %v, %v", asked, len(items), fenced, err)
	}
	if _, asked, _, err = ParseGateBatch(nil, raw(t, p.from, b.AppendGate(nil, keys, Ask{Budget: 150})), keys); asked < 2 || asked > 15 || err != nil {
		t.Fatalf("gate with a budget: %d asked, %v", asked, err)
	}
	p.do(p.to, "SET k2 new")
	p.do(p.to, "SET k0 new")
	slices.SortStableFunc(items, func(a, b Item) int { return a.Slot - b.Slot }) // k0 k2 k6 k8 ... k1 k3 ...
	items[3].Dump = []byte("junk")
	results, texts, err := ParseRestoreBatch(raw(t, p.to, b.AppendRestore(nil, items)), len(items))
	if err != nil || results[0] != RestoreBusy || results[1] != RestoreBusy || results[2] != RestoreOK || results[3] != 0 || !strings.Contains(texts[3], "ERR") {
		t.Fatalf("restore: %v %q %v", results, texts, err)
	}
	if got := p.do(p.to, "SCARD "+string(AppendMovedKey(nil, 3, 9))).Int; got != 9 { // of ten, k4 is not there, k8 was refused; the marker
		t.Fatalf("%d members, want 9", got)
	}
	if got := p.do(p.to, "PEXPIRETIME k7").Int; got != 4000000000000 {
		t.Fatalf("k7 expires at %d", got)
	}
	p.do(p.to, "DEL k6")
	if results, _, err = ParseRestoreBatch(raw(t, p.to, b.AppendRestore(nil, items[:3])), 3); err != nil || results[2] != RestoreDone || p.do(p.to, "EXISTS k6").Int != 0 {
		t.Fatalf("restore again: %v %v", results, err)
	}
	if n, fenced, err := ParseUnlink(raw(t, p.from, b.AppendUnlink(nil, keys[:10]))); n != 9 || fenced || err != nil {
		t.Fatalf("unlink: %d %v %v", n, fenced, err)
	}
	late := NewBatch(8)
	if _, fenced, err := ParseUnlink(raw(t, p.from, late.AppendUnlink(nil, keys))); !fenced || err != nil {
		t.Fatalf("unlink of an older move: fenced %v, %v", fenced, err)
	}
	if _, _, fenced, err := ParseGateBatch(nil, raw(t, p.from, late.AppendGate(nil, keys, Ask{Budget: 1})), keys); !fenced || err != nil {
		t.Fatalf("gate of an older move: fenced %v, %v", fenced, err)
	}
	if results, _, err := ParseRestoreBatch(raw(t, p.to, late.AppendRestore(nil, items[:1])), 1); err != nil || results[0] != RestoreFenced {
		t.Fatalf("restore of an older move: %v %v", results, err)
	}
	if got := raw(t, p.to, AppendCountMoved(nil, 9, slots)); string(got) != ":2\r\n" {
		t.Fatalf("moved sets: %q", got)
	}
}

// TestBatchRestoreAll: there is nothing to say about keys that are all there, and
// a server before 6.2 does without SMISMEMBER.
func TestBatchRestoreAll(t *testing.T) {
	resptest.Needs(t, 6, 2)
	for _, old := range []bool{false, true} {
		args := []string{}
		if old {
			args = []string{"--rename-command", "SMISMEMBER", ""}
		}
		p := pair{t, resptest.StartRedis(t).Client(t), resptest.StartRedis(t, args...).Client(t)}
		p.set(5, 9)
		p.do(p.from, "SET a x")
		dump := p.gate(9, "a").Dump
		b, items := NewBatch(9), []Item{{Key{5, []byte("a")}, -1, dump}, {Key{5, []byte("b")}, -1, dump}, {Key{5, []byte("c")}, -1, dump}}
		if results, _, err := ParseRestoreBatch(raw(t, p.to, b.AppendRestore(nil, items[:2])), 2); results != nil || err != nil {
			t.Fatalf("old=%v: %v %v", old, results, err)
		}
		p.do(p.to, "DEL b")
		results, _, err := ParseRestoreBatch(raw(t, p.to, b.AppendRestore(nil, items)), 3)
		if err != nil || !slices.Equal(results, []RestoreResult{RestoreDone, RestoreDone, RestoreOK}) || p.do(p.to, "EXISTS b").Int != 0 {
			t.Fatalf("old=%v: %v %v", old, results, err)
		}
	}
}

// TestDropFence removes only what that move has set.
func TestDropFence(t *testing.T) {
	p := newPair(t)
	raw(t, p.from, AppendSetFence(nil, 9, farOff))
	raw(t, p.from, AppendSetFence(nil, 10, farOff))
	if got := raw(t, p.from, AppendDropFence(nil, 9)); string(got) != ":1\r\n" {
		t.Fatalf("%q", got)
	}
	if n, left := p.do(p.from, "DBSIZE").Int, p.do(p.from, "GET "+string(AppendFenceKey(nil, 10))).Text(); n != 1 || left != "10" {
		t.Errorf("%d keys are left, and the later fence is %q", n, left)
	}
}

// TestDump is the gate without a script.
func TestDump(t *testing.T) {
	resptest.Needs(t, 7, 0) // PEXPIRETIME
	p := newPair(t)
	raw(t, p.from, AppendSetFence(nil, 9, farOff))
	p.do(p.from, "SET a x")
	p.do(p.from, "SET b y PXAT 4000000000000")
	keys := []Key{{3, []byte("a")}, {900, []byte("b")}, {3, []byte("none")}}
	for i, want := range []struct {
		found bool
		ttl   int64
	}{{true, -1}, {true, 4000000000000}, {false, 0}} {
		dump, expiry := raw(t, p.from, AppendDump(nil, keys[i:i+1], false)), raw(t, p.from, AppendDump(nil, keys[i:i+1], true)[len(AppendDump(nil, keys[i:i+1], false)):])
		item, found, err := ParseDump(keys[i], dump, expiry)
		if err != nil || found != want.found || found && item.TTL != want.ttl {
			t.Errorf("%s: %v %v %v", keys[i].Name, item, found, err)
		}
		if item, found, err = ParseDump(keys[i], dump, nil); err != nil || found != want.found || item.TTL != -1 {
			t.Errorf("%s without expiry: %v %v %v", keys[i].Name, item, found, err)
		}
	}
	if _, _, err := ParseDump(keys[0], []byte("$-1\r\n"), []byte("-ERR unknown command 'PEXPIRETIME'\r\n")); err != ErrNoExpireTime {
		t.Errorf("an old server: %v", err)
	}
	if _, _, err := ParseDump(keys[0], []byte("-LOADING\r\n"), nil); err == nil {
		t.Error("an error counts as no key")
	}
	for _, c := range []struct {
		epoch uint64
		set   bool
	}{{9, true}, {8, false}, {10, false}, {99, false}} {
		b := NewBatch(c.epoch)
		if set, err := b.ParseFence(raw(t, p.from, b.AppendFence(nil))); err != nil || set != c.set {
			t.Errorf("fence of %d: %v %v", c.epoch, set, err)
		}
	}
	raw(t, p.from, AppendDropFence(nil, 9))
	b := NewBatch(9)
	if set, err := b.ParseFence(raw(t, p.from, b.AppendFence(nil))); err != nil || set {
		t.Errorf("with the fence gone: %v %v", set, err)
	}
}

func TestParseScan(t *testing.T) {
	var names []string
	keep := func(name []byte) { names = append(names, string(name)) }
	cursor, err := ParseScan([]byte("*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n"), keep)
	if cursor != "17" || err != nil || !slices.Equal(names, []string{"a", ""}) {
		t.Errorf("%q %q %v", cursor, names, err)
	}
	for _, bad := range []string{"", "-ERR x\r\n", "*2\r\n$2\r\n17\r\n", "*2\r\n$2\r\n17\r\n*1\r\n$9\r\na\r\n", "*2\r\n*0\r\n*0\r\n"} {
		if _, err := ParseScan([]byte(bad), keep); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
