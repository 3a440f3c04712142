package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"
)

// sample is one round of one workload against one target.
type sample struct {
	ops      float64 // a second
	cpu      float64 // microseconds of the target's process an operation
	p50, p99 float64 // milliseconds
	rss      float64 // bytes, at the end of the round
}

// measure runs all rounds of a workload. Rounds of the targets alternate, and
// each begins with another target, so that what disturbs the machine for some
// seconds does not hit one of them only.
func (b *bench) measure(ctx context.Context, w workload, r *report) error {
	for _, t := range b.targets {
		if out, err := b.redisBenchmark(ctx, t, w.fill()...).CombinedOutput(); err != nil {
			return fmt.Errorf("fill through %s: %w: %s", t.name, err, out)
		}
	}
	samples := map[string][]sample{}
	for round := range b.rounds {
		for i := range b.targets {
			t := b.targets[(i+round)%len(b.targets)]
			s, err := b.round(ctx, w, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			samples[t.name] = append(samples[t.name], s)
			fmt.Fprintf(os.Stderr, "%-8s round %d  %-9s  %8.0f ops/s  %6.2f us CPU/op  p99 %.3f ms\n",
				w.name, round+1, t.name, s.ops, s.cpu, s.p99)
		}
	}
	r.add(w, samples)
	return b.profile(ctx, w)
}

func (b *bench) round(ctx context.Context, w workload, t target) (sample, error) {
	before, err := cpuTime(t.pid())
	if err != nil {
		return sample{}, err
	}
	cmd := b.redisBenchmark(ctx, t, w.load(b.clients)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("redis-benchmark: %w: %s", err, stderr.Bytes())
	}
	after, err := cpuTime(t.pid())
	if err != nil {
		return sample{}, err
	}
	s, err := parseCSV(out)
	if err != nil {
		return sample{}, fmt.Errorf("redis-benchmark printed %q: %w", out, err)
	}
	s.cpu = float64((after - before).Nanoseconds()) / 1e3 / float64(w.requests)
	s.rss, err = residentBytes(t.pid())
	return s, err
}

// parseCSV reads what redis-benchmark prints: a header and one row.
func parseCSV(out []byte) (sample, error) {
	reader := csv.NewReader(bytes.NewReader(out))
	reader.LazyQuotes = true
	rows, err := reader.ReadAll()
	if err != nil {
		return sample{}, err
	}
	if len(rows) != 2 || len(rows[0]) != len(rows[1]) {
		return sample{}, fmt.Errorf("%d rows", len(rows))
	}
	var s sample
	for column, to := range map[string]*float64{"rps": &s.ops, "p50_latency_ms": &s.p50, "p99_latency_ms": &s.p99} {
		i := slices.Index(rows[0], column)
		if i < 0 {
			return sample{}, fmt.Errorf("no column %s", column)
		}
		if *to, err = strconv.ParseFloat(rows[1][i], 64); err != nil {
			return sample{}, err
		}
	}
	return s, nil
}

// profile runs one more round against codis, not counted, and saves a CPU
// profile of it.
func (b *bench) profile(ctx context.Context, w workload) error {
	i := slices.IndexFunc(b.targets, func(t target) bool { return t.name == codis })
	if b.pprofOut == "" || i < 0 {
		return nil
	}
	if err := os.MkdirAll(b.pprofOut, 0o755); err != nil {
		return err
	}
	t := b.targets[i]
	const seconds = 5
	ctx, cancel := context.WithTimeout(ctx, (seconds+10)*time.Second)
	defer cancel()
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	cmd := b.redisBenchmark(loading, t, append([]string{"-l"}, w.load(b.clients)...)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	err := download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", t.http, seconds), b.profilePath(w.name))
	stopLoad()
	_ = cmd.Wait() // its error is that it was stopped
	return err
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, resp.Body); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
