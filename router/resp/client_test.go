package resp_test

import (
	"context"
	"testing"

	"codis/router/resp/resptest"
)

func TestClientAgainstRedis(t *testing.T) {
	resptest.CheckLeaks(t)
	c := resptest.StartRedis(t).Client(t)
	ctx := context.Background()
	if r, err := c.Do(ctx, "PING"); err != nil || r.Text() != "PONG" {
		t.Fatalf("PING: %v %v", r, err)
	}
	r, err := c.Pipeline(ctx, []string{"SET", "a", "1"}, []string{"INCR", "a"}, []string{"LPUSH", "a", "x"})
	if err != nil || r[1].Int != 2 || r[2].Err() == nil {
		t.Fatalf("pipeline: %v %v", r, err)
	}
}
