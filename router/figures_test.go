package router

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestLatencySteps checks the steps without a gap, and the bounds of metrics among
// their starts.
func TestLatencySteps(t *testing.T) {
	t.Parallel()
	for step := range latencySteps {
		start := stepStart(step)
		if got := latencyStep(start); got != step {
			t.Errorf("step %d starts at %d, which falls in step %d", step, start, got)
		}
		if step > 0 && latencyStep(start-1) != step-1 {
			t.Errorf("just before step %d is step %d", step, latencyStep(start-1))
		}
	}
	for i := range latencyBounds {
		if got := stepStart((i + 1) * stepsPerBound); got != 1<<(firstBoundBits+i) {
			t.Errorf("bound %d is %d, want 2^%d", i, got, firstBoundBits+i)
		}
	}
	if got := latencyStep(math.MaxUint64); got != latencySteps-1 {
		t.Errorf("the longest time falls in step %d of %d", got, latencySteps)
	}
}

func TestLatencyQuantile(t *testing.T) {
	t.Parallel()
	var h latencies
	if h.quantile(0.99) != 0 {
		t.Error("a quantile of nothing is not 0")
	}
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]float64, 10000)
	for i := range all {
		all[i] = 2e4 * math.Exp(random.NormFloat64()+2)
		h.observe(int64(all[i]))
	}
	slices.Sort(all)
	for _, share := range []float64{0.1, 0.5, 0.9, 0.99} {
		want, got := all[int(share*float64(len(all)))], float64(h.quantile(share))
		if math.Abs(got/want-1) > 0.1 {
			t.Errorf("quantile %v: got %v, want %v", share, time.Duration(got), time.Duration(want))
		}
	}
}

// TestFigures sends requests until the figures show them, and nothing until they
// are forgotten.
func TestFigures(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Loops: 2})
	if got := r.Figures(); got.OpsPerSecond != 0 || got.P99 != 0 || got.Clients != 0 {
		t.Errorf("figures before the first request: %+v", got)
	}
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "a", "x")
	waitUntil(t, "figures of requests and errors", 20*time.Second, func() bool {
		w.do("GET", "a")
		w.do("INCR", "a") // an error
		got := r.Figures()
		return got.OpsPerSecond > 0 && got.ErrorsPerSecond > 0 && got.OpsPerSecond > got.ErrorsPerSecond &&
			got.P50 > 0 && got.P99 >= got.P50
	})
	got := r.Figures()
	if got.Clients != 1 || got.MemoryBytes <= 0 || got.Uptime <= 0 {
		t.Errorf("clients, memory, uptime: %+v", got)
	}
	waitUntil(t, "figures of a quiet node", 20*time.Second, func() bool {
		got := r.Figures()
		return got.OpsPerSecond == 0 && got.ErrorsPerSecond == 0 && got.P99 == 0
	})
}

func TestErrorCode(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"-WRONGTYPE Operation against a key\r\n": "WRONGTYPE", "-ERR x\r\n": "ERR", "-OOM\r\n": "OOM",
		"-MYERR from a script\r\n": "other", "-\r\n": "other", "-": "other", "-wrongtype x\r\n": "other",
	} {
		if got := errorCodes[errorCode([]byte(reply))]; got != want {
			t.Errorf("%q: code %q, want %q", reply, got, want)
		}
	}
}
