package resp_test

import (
	"context"
	"strings"
	"testing"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// TestEndNamed: the connections that are named are ended, the others are left alone.
func TestEndNamed(t *testing.T) {
	t.Parallel()
	server := resptest.StartRedis(t)
	dial := func(name string) *resp.Client {
		c, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: server.Addr, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	mine, ends, alsoEnds := dial("tool"), dial("codis:n1@a"), dial("codis:n1@b")
	chosen := func(name string) bool { return strings.HasPrefix(name, "codis:n1@") }
	for _, want := range []int{2, 0} {
		if n, err := mine.EndNamed(t.Context(), chosen); n != want || err != nil {
			t.Errorf("ended %d, want %d: %v", n, want, err)
		}
	}
	for _, c := range []*resp.Client{ends, alsoEnds} {
		if _, err := c.Do(context.Background(), "PING"); err == nil {
			t.Error("a connection that was ended answers")
		}
	}
	if _, err := mine.Do(context.Background(), "PING"); err != nil {
		t.Error(err)
	}
}
