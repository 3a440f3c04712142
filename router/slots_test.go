package router

import (
	"fmt"
	"strconv"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// fillDatabases writes n keys to databases 0 and 1 and returns how many are in
// each slot.
func fillDatabases(tb testing.TB, w *wire, n int) map[int]int64 {
	tb.Helper()
	counts := make(map[int]int64)
	for i := range n {
		counts[topology.SlotOf([]byte("key"+strconv.Itoa(i)))]++
	}
	for _, db := range []string{"1", "0"} {
		w.wantReply("+OK\r\n", "SELECT", db)
		var request []byte
		for i := range n {
			request = resp.AppendCommandStrings(request, "SET", "key"+strconv.Itoa(i), db)
		}
		w.send(string(request))
		for range n {
			if got := w.read(); got != "+OK\r\n" {
				tb.Fatalf("SET: %q", got)
			}
		}
	}
	return counts
}

func parseReply(tb testing.TB, text string) resp.Reply {
	tb.Helper()
	r, n, err := resp.ParseReply([]byte(text))
	if err != nil || n != len(text) {
		tb.Fatalf("%.200q: %v", text, err)
	}
	return r
}

func TestSlotsHashKey(t *testing.T) {
	t.Parallel()
	w := dialWire(t, newRouter(t, Config{}, nil)) // needs no table
	for _, key := range []string{"", "a", "{a}b", "x{a}y", "{}a", "{", "\x00"} {
		w.wantReply(fmt.Sprintf("*2\r\n:%d\r\n:%d\r\n", topology.SlotOf([]byte(key)), topology.SlotOf([]byte("a"))), "SLOTSHASHKEY", key, "a")
	}
	w.wantReply("-ERR wrong number of arguments for 'slotshashkey' command\r\n", "SLOTSHASHKEY")
}

func TestSlotsInfo(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	w.wantReply("*0\r\n", "SLOTSINFO")
	counts := fillDatabases(t, w, 3000)
	for _, c := range []struct {
		words      []string
		start, end int
	}{
		{nil, 0, 1024},
		{[]string{"500"}, 500, 1024},
		{[]string{"100", "10"}, 100, 110},
		{[]string{"1000", "500"}, 1000, 1024},
		{[]string{"1000", "9223372036854775807"}, 1000, 1024},
		{[]string{"0", "0"}, 0, 0},
		{[]string{"511", "2"}, 511, 513},
	} {
		reply := parseReply(t, w.do(append([]string{"SLOTSINFO"}, c.words...)...))
		if reply.Err() != nil {
			t.Errorf("SLOTSINFO %q: %v", c.words, reply.Err())
			continue
		}
		want := 0
		for slot := range counts {
			if slot >= c.start && slot < c.end {
				want++
			}
		}
		if len(reply.Array) != want {
			t.Errorf("SLOTSINFO %q: %d rows, want %d", c.words, len(reply.Array), want)
		}
		last := int64(-1)
		for _, row := range reply.Array {
			slot, n := row.Array[0].Int, row.Array[1].Int
			if slot <= last || slot < int64(c.start) || slot >= int64(c.end) || counts[int(slot)] != n {
				t.Errorf("SLOTSINFO %q: slot %d has %d keys, want %d", c.words, slot, n, counts[int(slot)])
			}
			last = slot
		}
	}
	for _, bad := range [][]string{{"-1"}, {"1024"}, {"x"}, {"0", "-1"}, {"0", "x"}, {"0", "1", "2"}} {
		if got := w.do(append([]string{"SLOTSINFO"}, bad...)...); got[0] != '-' {
			t.Errorf("SLOTSINFO %q: got %.100q", bad, got)
		}
	}
}

func TestSlotsScan(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{})
	w := dialWire(t, r)
	counts := fillDatabases(t, w, 3000)
	for _, slot := range []int{0, 7, 511, 512, 1023} {
		for _, more := range [][]string{nil, {"COUNT", "500"}, {"count", "1000000"}} {
			seen := make(map[string]bool)
			calls := 0
			for cursor := "0"; ; calls++ {
				reply := parseReply(t, w.do(append([]string{"SLOTSSCAN", strconv.Itoa(slot), cursor}, more...)...))
				if reply.Err() != nil {
					t.Fatal(reply.Err())
				}
				for _, key := range reply.Array[1].Strings() {
					if topology.SlotOf([]byte(key)) != slot {
						t.Errorf("slot %d: got %q", slot, key)
					}
					seen[key] = true
				}
				if cursor = reply.Array[0].Text(); cursor == "0" {
					break
				}
			}
			if int64(len(seen)) != counts[slot] {
				t.Errorf("slot %d %q: %d keys in %d calls, want %d", slot, more, len(seen), calls, counts[slot])
			}
		}
	}
	for _, bad := range [][]string{{"-1", "0"}, {"1024", "0"}, {"x", "0"}, {"0", "x"}, {"0", "-1"}, {"0", "0", "COUNT"},
		{"0", "0", "COUNT", "0"}, {"0", "0", "COUNT", "x"}, {"0", "0", "MATCH", "x"}, {"0"}} {
		if got := w.do(append([]string{"SLOTSSCAN"}, bad...)...); got[0] != '-' {
			t.Errorf("SLOTSSCAN %q: got %.100q", bad, got)
		}
	}
	servers[0].Kill()
	for _, words := range [][]string{{"SLOTSSCAN", "0", "0"}, {"SLOTSINFO"}} {
		reply := parseReply(t, w.do(words...))
		if reply.Err() == nil || !containsAll(reply.Err().Error(), "ERR "+words[0]+": ", servers[0].Addr) {
			t.Errorf("%q with the server away: got %v", words, reply.Err())
		}
	}
	if reply := parseReply(t, w.do("SLOTSSCAN", "1023", "0")); reply.Err() != nil {
		t.Errorf("the other group: %v", reply.Err())
	}
}
