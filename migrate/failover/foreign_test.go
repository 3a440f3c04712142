package failover

import (
	"context"
	"fmt"
	"testing"
	"time"

	"codis/raftstore/topology"
)

func TestCountForeign(t *testing.T) {
	t.Parallel()
	s := startRedis(t)
	c := s.Client(t)
	var cmds [][]string
	var want int64
	owns := func(slot int) bool { return slot < topology.SlotCount/2 }
	for _, db := range []string{"0", "5"} {
		cmds = append(cmds, []string{"SELECT", db})
		for i := range 1500 {
			key := fmt.Sprintf("key:%d\x00%s", i, db)
			if !owns(topology.SlotOf([]byte(key))) {
				want++
			}
			cmds = append(cmds, []string{"SET", key, "v"})
		}
	}
	if _, err := c.Pipeline(t.Context(), cmds...); err != nil {
		t.Fatal(err)
	}

	t.Run("all", func(t *testing.T) {
		got, err := CountForeign(t.Context(), target(s), ForeignScan{Owns: owns})
		if err != nil || got.Count != want || got.Scanned != 3000 || got.Partial || got.Example == "" {
			t.Errorf("got %+v, %v, want %d of 3000", got, err, want)
		}
	})
	t.Run("none", func(t *testing.T) {
		got, err := CountForeign(t.Context(), target(s), ForeignScan{Owns: func(int) bool { return true }})
		if err != nil || got.Count != 0 || got.Example != "" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("capped", func(t *testing.T) {
		got, err := CountForeign(t.Context(), target(s), ForeignScan{Owns: owns, MaxKeys: 100})
		if err != nil || !got.Partial || got.Scanned < 100 || got.Scanned >= 1500 {
			t.Errorf("got %+v, %v, want it to stop early", got, err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		stall := func(int) bool { <-ctx.Done(); return false }
		got, err := CountForeign(ctx, target(s), ForeignScan{Owns: stall})
		if err != nil || !got.Partial || got.Count == 0 {
			t.Errorf("got %+v, %v, want what was counted until then", got, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := CountForeign(ctx, target(s), ForeignScan{Owns: func(int) bool { cancel(); return false }})
		wantError(t, err, ErrUnreachable, "cancelled")
	})
	t.Run("denied", func(t *testing.T) {
		mustDo(t, s, "ACL", "SETUSER", "noscan", "on", ">pw", "~*", "+@all", "-scan")
		_, err := CountForeign(t.Context(), withPassword(s, "noscan", "pw"), ForeignScan{Owns: owns})
		wantError(t, err, ErrPermission, "scan")
	})
}
