package admin

import (
	"errors"
	"strings"
	"testing"
)

// TestNewGroupsGetFunctions: a group that joins, or serves its first slots, is given
// the function libraries of the others, and a failure is told and does not undo it.
func TestNewGroupsGetFunctions(t *testing.T) {
	servers := newFakeServers()
	servers.functions = map[int]string{1: "one", 2: "two"}
	c := newFakeCluster(t, servers)
	notes := func(words string) string {
		t.Helper()
		r := ask(t, c.nodes["n1"], words)
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		text := r.Text()
		for _, line := range r.Array {
			text += "\n" + line.Text()
		}
		return text
	}
	for _, step := range []struct {
		words      string
		want, none string
		err        error
	}{
		{words: "CODIS.GROUP ADD 1 127.0.0.1:7000", none: "group 1: one"}, // there is no other
		{words: "CODIS.GROUP ADD 2 127.0.0.1:7001", want: "group 2: two"},
		{words: "CODIS.ASSIGN 0 9 1", want: "group 1: one", none: "group 2"},
		{words: "CODIS.ASSIGN 10 19 1", none: "one"},
		{words: "CODIS.ASSIGN AUTO", want: "group 2: two", none: "group 1: one"},
		{words: "CODIS.GROUP ADD 3 127.0.0.1:7002", want: "warning: group 3: function libraries of other groups could not be loaded: no answer", err: errors.New("no answer")},
	} {
		servers.functionsErr = step.err
		got := notes(step.words)
		if !strings.Contains(got, step.want) || step.none != "" && strings.Contains(got, step.none) {
			t.Errorf("%s: got %q, want %q and not %q", step.words, got, step.want, step.none)
		}
	}
}
