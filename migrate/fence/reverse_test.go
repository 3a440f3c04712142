package fence

import (
	"errors"
	"testing"
)

// TestReverse has everybody late who can be when a batch is turned round.
func TestReverse(t *testing.T) {
	p := newPair(t)
	p.setBoth(9)
	items := p.items("changed", "deleted", "untouched", "both")
	for i := range 2 {
		p.restore(5, 9, string(items[i].Name), GateReply{TTL: -1, Dump: items[i].Dump})
	}
	p.do(p.to, "APPEND changed +")
	p.do(p.to, "DEL deleted")
	p.do(p.to, "SET both v")
	mover := newTxn(p, 9)
	if _, fenced, err := mover.watch(items[2:]); fenced || err != nil {
		t.Fatal(fenced, err)
	}
	unlinker := txn{pair: p, batch: NewBatch(9), conn: clientOf(t, p.from)}
	request, n := unlinker.batch.AppendArm(nil)
	unlinker.frames(request, n)

	slots := []int{5, 6}
	for range 2 { // a second leader does it again
		if got := raw(t, p.to, AppendSeal(nil, 9, 12, slots, farOff)); string(got) != "+OK\r\n" {
			t.Fatalf("seal: %q", got)
		}
		raw(t, p.to, AppendSetFence(nil, 12, farOff))
		raw(t, p.from, AppendDropFence(nil, 9))
		raw(t, p.from, AppendSetMarkers(nil, 12, slots, farOff))
	}
	if got := raw(t, p.to, AppendSeal(nil, 9, 12, slots, 1)); string(got) != "+LATE\r\n" {
		t.Errorf("a late seal: %q", got)
	}
	// What was on its way.
	if _, _, err := mover.restores(items[2:]); !errors.Is(err, ErrTouched) {
		t.Errorf("a late transaction: %v", err)
	}
	request, n = AppendUnlinks(nil, items)
	if _, err := ParseUnlinks(unlinker.frames(request, n)[n-1]); !errors.Is(err, ErrTouched) {
		t.Errorf("a late deletion: %v", err)
	}
	if got := p.restore(6, 9, "untouched", GateReply{TTL: -1, Dump: items[2].Dump}); got != RestoreFenced {
		t.Errorf("a late restore: %v", got)
	}
	if got := p.gate(9, "untouched"); got.Kind != GateFenced {
		t.Errorf("a late gate: %v", got.Kind)
	}
	// The way back.
	back := func(slot int, key string) GateReply {
		v, err := ParseGate(raw(t, p.to, AppendGateBack(nil, slot, 12, []byte(key))))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	changed, deleted := back(5, "changed"), back(5, "deleted")
	if changed.Kind != GateValue || !changed.Replaces || deleted.Kind != GateGone {
		t.Fatalf("changed %+v, deleted %+v", changed, deleted)
	}
	if v := back(6, "untouched"); v.Kind != GateAbsent {
		t.Errorf("untouched: %+v", v)
	}
	if v := back(6, "both"); v.Kind != GateValue || v.Replaces {
		t.Errorf("both: %+v", v)
	}
	replace := AppendReplace(nil, 5, 12, []byte("changed"), changed.TTL, changed.Dump)
	remove := AppendRemove(nil, 5, 12, []byte("deleted"))
	for _, want := range []RestoreResult{RestoreOK, RestoreDone} {
		for _, request := range [][]byte{replace, remove} {
			if got, err := ParseRestore(raw(t, p.from, request)); got != want || err != nil {
				t.Errorf("%q: %v %v, want %v", request[len(request)-20:], got, err, want)
			}
		}
		if want == RestoreOK {
			if got := p.do(p.from, "MGET changed deleted").Strings(); got[0] != "v+" || got[1] != "" {
				t.Errorf("then: %q", got)
			}
			p.do(p.from, "DEL changed")
			p.do(p.from, "SET deleted again")
		}
	}
	if n := p.do(p.from, "EXISTS changed deleted").Int; n != 1 {
		t.Errorf("%d keys: late requests did something", n)
	}
	if n, fenced, err := ParseUnlink(raw(t, p.to, NewBatch(12).AppendForget(nil, 5, [][]byte{[]byte("changed"), []byte("deleted")}))); n != 2 || fenced || err != nil {
		t.Errorf("forget: %d %v %v", n, fenced, err)
	}
	if v := back(5, "deleted"); v.Kind != GateAbsent {
		t.Errorf("forgotten: %+v", v)
	}
	raw(t, p.from, AppendDropMoved(nil, 12, slots))
	if got, err := ParseRestore(raw(t, p.from, remove)); got != RestoreFenced || err != nil {
		t.Errorf("after the end: %v %v", got, err)
	}
	if v, err := ParseGate(raw(t, p.to, AppendGateBack(nil, 5, 11, []byte("both")))); v.Kind != GateFenced || err != nil {
		t.Errorf("another epoch: %+v %v", v, err)
	}
}
