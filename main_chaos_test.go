package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"codis/router/resp/resptest"
	"codis/testdata/chaos/trial"
)

// TestChaos is the short form of `make chaos`: real processes, slots that move and
// masters that change all the time, everything killed, stopped and cut off in turn, and
// no promise broken. Its plan is always the same one; `make chaos ARGS="-seed 7"` tries
// others.
func TestChaos(t *testing.T) {
	resptest.Needs(t, 7, 0)
	if testing.Short() {
		t.Skip("takes a minute")
	}
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("it tells links apart by way of /proc")
	}
	for name, change := range map[string]func(*trial.Options){
		"writes at the master":  func(o *trial.Options) { o.Duration = 40 * time.Second },
		"writes at two servers": func(o *trial.Options) { o.Duration, o.Durability, o.Seed = 25*time.Second, 1, 6 },
	} {
		t.Run(name, func(t *testing.T) {
			o := trial.DefaultOptions()
			o.Codis, o.Out, o.Keys = binary(t), testWriter{t}, 10_000
			change(&o)
			chaos(t, o)
		})
	}
}

func chaos(t *testing.T, o trial.Options) {
	report, err := trial.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("chaos seed=%d duration=%v %s", o.Seed, o.Duration, report.Line)
	for _, f := range report.Findings {
		t.Errorf("%s: %s", f.Kind, f.Text)
	}
	if report.Moves == 0 || report.Faults == 0 || report.Switchovers == 0 || report.Failovers == 0 {
		t.Errorf("%d moves, %d faults, %d switchovers and %d failovers prove nothing", report.Moves, report.Faults, report.Switchovers, report.Failovers)
	}
}

// testWriter is the log of a test as a Writer.
type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
