package main

import (
	"fmt"
	"strings"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// TestFunctionsAreEverywhere: functions that clients have loaded are at every master,
// also at those that come later, take over or are put in another's place.
func TestFunctionsAreEverywhere(t *testing.T) {
	t.Parallel()
	resptest.Needs(t, 7, 0)
	first, second := replicated(t, 1), resptest.StartRedis(t)
	c := newCluster(t, 3, addrsOf(first), []string{second.Addr})
	calls := func(where string, keys ...string) {
		t.Helper()
		for _, key := range keys {
			waitFor(t, "an answer "+where, func() error {
				reply, err := try(t, c.addr(1), "FCALL", "where", "1", key)
				if err != nil && strings.Contains(err.Error(), "Function not found") {
					t.Fatalf("%s, key %s: %v", where, key, err)
				}
				if err == nil && reply.Text() != key {
					t.Fatalf("%s: got %q", where, reply.Text())
				}
				return err
			})
		}
	}
	do(t, c.addr(0), "FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('where', function(keys) return keys[1] end)")
	one, two := keyOf(t, c, 1), keyOf(t, c, 2)
	calls("at once", one, two)

	third := resptest.StartRedis(t)
	do(t, c.addr(2), "CODIS.GROUP", "ADD", "3", third.Addr)
	if got := do(t, third.Addr, "FCALL", "where", "1", "x").Text(); got != "x" {
		t.Errorf("a new group's master answers %q", got)
	}

	// What is not replicated yet a crash may take away.
	master := first[0].Client(t)
	for _, words := range [][]string{{"SET", one, "1"}, {"WAIT", "1", "20000"}} {
		if reply, err := master.Do(t.Context(), words...); err != nil || words[0] == "WAIT" && reply.Int != 1 {
			t.Fatalf("%v: %v, %v", words, reply, err)
		}
	}
	first[0].Kill()
	waitGroup(t, c, 0, "the failover", func(g topology.Group) bool { return g.Master == first[1].Addr && g.Turn == nil })
	calls("behind a failover", one, two)

	second.Kill()
	restored := resptest.StartRedis(t)
	reply := do(t, c.addr(1), "CODIS.GROUP", "REPLACE", "2", restored.Addr, "FORCE")
	var text []string
	for _, line := range reply.Array {
		text = append(text, line.Text())
	}
	if !strings.Contains(strings.Join(text, "\n"), "lib loaded as group 1 has them") {
		t.Errorf("REPLACE says %q", text)
	}
	calls("behind a replacement", one, two)
}

// keyOf finds a key of a group.
func keyOf(tb testing.TB, c *cluster, group int64) string {
	tb.Helper()
	for i := range 10_000 {
		key := fmt.Sprint("key", i)
		if do(tb, c.addr(0), "CODIS.SLOT", key).Array[0].Array[1].Int == group {
			return key
		}
	}
	tb.Fatalf("no key is in group %d", group)
	return ""
}
