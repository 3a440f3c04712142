package router

import (
	"fmt"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// TestScriptsSurviveAFailover: what was loaded once is known to a promoted replica, to
// a server that has restarted and to a group that is new.
func TestScriptsSurviveAFailover(t *testing.T) {
	t.Parallel()
	n := newTurner(t, Config{Loops: 2}, "hold-deadline", "1m")
	mine, theirs := keysOf(n.r, 1, 1, "a")[0], keysOf(n.r, 2, 1, "b")[0]
	w := dialWire(t, n.r)
	reply := w.do("SCRIPT", "LOAD", "return ARGV[1]")
	sha := strings.Fields(reply)[1]
	run := func(key string) {
		t.Helper()
		waitUntil(t, "an answer", patience, func() bool {
			got := w.do("EVALSHA", sha, "1", key, "x")
			if strings.HasPrefix(got, "-NOSCRIPT") {
				t.Fatalf("got %q", got)
			}
			return got == bulk("x")
		})
	}
	run(mine)
	waitUntil(t, "the replica knows it too", patience, func() bool {
		c := n.replica.Client(t)
		defer c.Close()
		r, err := c.Do(t.Context(), "SCRIPT", "EXISTS", sha)
		return err == nil && r.Array[0].Int == 1
	})
	n.master.Kill()
	n.begin(topology.TurnFailover)
	n.waitAcked()
	n.ask(n.replica, "SCRIPT", "FLUSH") // as if it had been attached later
	n.done()
	n.ask(n.replica, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	n.r.scripts.mu.Lock()
	clear(n.r.scripts.loaded)
	n.r.scripts.mu.Unlock()
	run(mine)
	n.other.Kill()
	n.other.Restart(t)
	run(theirs)
	w.wantReply("+OK\r\n", "SCRIPT", "FLUSH")
	if got := w.do("EVALSHA", sha, "1", theirs, "x"); !strings.HasPrefix(got, "-NOSCRIPT") {
		t.Errorf("after SCRIPT FLUSH: got %q", got)
	}
}

// TestScriptsAreBounded: a node remembers the last ones.
func TestScriptsAreBounded(t *testing.T) {
	t.Parallel()
	var s scripts
	for i := range maxScripts + 10 {
		s.learn([]byte(fmt.Sprint("return ", i)))
		s.learn([]byte(fmt.Sprint("return ", i)))
	}
	if len(s.texts) != maxScripts || string(s.texts[0]) != "return 10" {
		t.Errorf("%d scripts, the first is %s", len(s.texts), s.texts[0])
	}
	s.learn(make([]byte, maxScriptBytes-1))
	if s.bytes > maxScriptBytes {
		t.Errorf("%d bytes", s.bytes)
	}
	s.learn(make([]byte, maxScriptBytes+1))
	s.forget()
	if s.bytes != 0 || len(s.texts) != 0 {
		t.Errorf("%d bytes, %d scripts", s.bytes, len(s.texts))
	}
}
