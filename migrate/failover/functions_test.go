package failover

import (
	"fmt"
	"slices"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// library is the code of a function library with one function of the same name.
func library(name, result string) string {
	return fmt.Sprintf("#!lua name=%s\nredis.register_function('%s', function() return '%s' end)", name, name, result)
}

// TestGiveFunctions: a new master gets the libraries that it lacks, and what it has is
// left as it is and told.
func TestGiveFunctions(t *testing.T) {
	t.Parallel()
	resptest.Needs(t, 7, 0)
	old, fresh := startRedis(t), startRedis(t)
	for _, code := range []string{library("a", "1"), library("b", "1"), library("c", "1")} {
		mustDo(t, old, "FUNCTION", "LOAD", code)
	}
	mustDo(t, fresh, "FUNCTION", "LOAD", library("b", "2"))
	mustDo(t, fresh, "FUNCTION", "LOAD", library("mine", "1"))
	dead := startRedis(t)
	s := topology.NewState()
	for id, server := range map[int]*resptest.Server{1: dead, 2: old, 3: fresh} {
		s.Groups[id] = topology.Group{ID: id, Master: server.Addr}
	}
	dead.Kill()
	for _, wantLoaded := range [][]string{{"a", "c"}, nil} { // the second time there is nothing to do
		got, err := GiveFunctions(t.Context(), s, 3)
		if err != nil || got.From != 2 || !slices.Equal(got.Loaded, wantLoaded) ||
			!slices.Equal(got.Different, []string{"b"}) || !slices.Equal(got.Extra, []string{"mine"}) {
			t.Errorf("got %+v, %v; want %q loaded", got, err, wantLoaded)
		}
	}
	for name, want := range map[string]string{"a": "1", "b": "2", "c": "1", "mine": "1"} {
		if got := mustDo(t, fresh, "FCALL", name, "0"); got != want {
			t.Errorf("function %s: got %q, want %q", name, got, want)
		}
	}
	t.Run("nobody to ask", func(t *testing.T) {
		delete(s.Groups, 2)
		if got, err := GiveFunctions(t.Context(), s, 3); err == nil {
			t.Errorf("got %+v, want the error of the only other group's master", got)
		}
		delete(s.Groups, 1)
		if got, err := GiveFunctions(t.Context(), s, 3); err != nil || got.String() != "" {
			t.Errorf("the only group: got %q, %v", got, err)
		}
	})
}

// TestFunctionSources: those that serve slots are asked first.
func TestFunctionSources(t *testing.T) {
	s := topology.NewState()
	for id := 1; id <= 4; id++ {
		s.Groups[id] = topology.Group{ID: id, Master: fmt.Sprint(id)}
	}
	s.Slots[7].Group = 3
	var got []int
	for _, source := range functionSources(s, 2) {
		got = append(got, source.group)
	}
	if want := []int{3, 1, 4}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
