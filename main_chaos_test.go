package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"codis/router/resp/resptest"
	"codis/testdata/chaos/trial"
)

// TestChaos is the short form of `make chaos`: real processes, slots that move all
// the time, everything killed, stopped and cut off in turn, and no promise broken.
// Its plan is always the same one; `make chaos ARGS="-seed 7"` tries others.
func TestChaos(t *testing.T) {
	resptest.Needs(t, 7, 0)
	if testing.Short() {
		t.Skip("takes a minute")
	}
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("it tells links apart by way of /proc")
	}
	o := trial.DefaultOptions()
	o.Codis, o.Out = binary(t), testWriter{t}
	o.Duration, o.Keys = 40*time.Second, 10_000
	report, err := trial.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("chaos seed=%d duration=%v %s", o.Seed, o.Duration, report.Line)
	for _, f := range report.Findings {
		t.Errorf("%s: %s", f.Kind, f.Text)
	}
	if report.Moves == 0 || report.Faults == 0 {
		t.Errorf("%d moves and %d faults prove nothing", report.Moves, report.Faults)
	}
}

// testWriter is the log of a test as a Writer.
type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
