package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"codis/testdata/lab"
)

// report collects the medians and prints them.
type report struct {
	machine   []string
	rows      []row
	idleTitle string
	idle      []idleResult
}

type row struct {
	workload workload
	medians  map[string]sample
}

type idleResult struct {
	name  string
	bytes float64
}

// add takes the rounds of a workload, by target, and keeps their medians.
func (r *report) add(w workload, samples map[string][]sample) {
	medians := map[string]sample{}
	for name, list := range samples {
		of := func(field func(sample) float64) float64 {
			values := make([]float64, len(list))
			for i, s := range list {
				values[i] = field(s)
			}
			return lab.Median(values)
		}
		medians[name] = sample{
			ops: of(func(s sample) float64 { return s.ops }),
			cpu: of(func(s sample) float64 { return s.cpu }),
			p50: of(func(s sample) float64 { return s.p50 }),
			p99: of(func(s sample) float64 { return s.p99 }),
			rss: of(func(s sample) float64 { return s.rss }),
		}
	}
	r.rows = append(r.rows, row{workload: w, medians: medians})
}

// write prints the report: the machine, a table of the medians, one of the
// ratios of codis to twemproxy, one of the idle connections.
func (r *report) write(out io.Writer, markdown bool) error {
	for _, line := range r.machine {
		fmt.Fprintln(out, line)
	}
	fmt.Fprintln(out)
	for _, t := range []lab.Table{r.medianTable(), r.ratioTable(), r.idleTable()} {
		if len(t) < 2 {
			continue
		}
		if err := t.Write(out, markdown); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return nil
}

func (r *report) medianTable() lab.Table {
	t := lab.Table{{"workload", "through", "ops/s", "CPU us/op", "p50 ms", "p99 ms", "RSS MB"}}
	for _, row := range r.rows {
		for _, name := range []string{direct, twemproxy, codis} {
			s, ok := row.medians[name]
			if !ok {
				continue
			}
			t = append(t, []string{row.workload.title, name, fmt.Sprintf("%.0f", s.ops), fmt.Sprintf("%.2f", s.cpu),
				fmt.Sprintf("%.3f", s.p50), fmt.Sprintf("%.3f", s.p99), fmt.Sprintf("%.1f", s.rss/(1<<20))})
		}
	}
	return t
}

// ratioTable compares codis to twemproxy and to what it must reach.
func (r *report) ratioTable() lab.Table {
	t := lab.Table{{"codis / twemproxy", "ops/s", "CPU/op", "p50", "p99", "goal"}}
	for _, row := range r.rows {
		a, okA := row.medians[codis]
		b, okB := row.medians[twemproxy]
		if !okA || !okB {
			continue
		}
		t = append(t, []string{row.workload.title, ratio(a.ops, b.ops), ratio(a.cpu, b.cpu), ratio(a.p50, b.p50),
			ratio(a.p99, b.p99), row.workload.goal.verdict(a, b)})
	}
	return t
}

func ratio(a, b float64) string { return fmt.Sprintf("%.2f", a/b) }

// verdict names each goal and says whether it is reached.
func (g goal) verdict(codis, twemproxy sample) string {
	var parts []string
	check := func(name string, limit, got float64, least bool) {
		if limit == 0 {
			return
		}
		sign, ok := "<=", got <= limit
		if least {
			sign, ok = ">=", got >= limit
		}
		word := "ok"
		if !ok {
			word = "MISSED"
		}
		parts = append(parts, fmt.Sprintf("%s %s %.2f %s", name, sign, limit, word))
	}
	check("CPU", g.maxCPU, codis.cpu/twemproxy.cpu, false)
	check("ops/s", g.minOps, codis.ops/twemproxy.ops, true)
	check("p99", g.maxP99, codis.p99/twemproxy.p99, false)
	return strings.Join(parts, ", ")
}

func (r *report) idleTable() lab.Table {
	t := lab.Table{{r.idleTitle, "bytes"}}
	for _, i := range r.idle {
		t = append(t, []string{i.name, fmt.Sprintf("%.0f", i.bytes)})
	}
	return t
}

// describeMachine names what the numbers were measured on and with.
func describeMachine(ctx context.Context, b bench) []string {
	lines := []string{lab.DescribeMachine(ctx), lab.Version(ctx, b.redisServer, "--version")}
	if slices.Contains(b.proxyList(), twemproxy) {
		lines = append(lines, lab.Version(ctx, b.nutcracker, "--version"))
	}
	if slices.Contains(b.proxyList(), codis) {
		lines = append(lines, lab.Version(ctx, b.codis, "version"))
	}
	return append(lines, fmt.Sprintf("%d connections, %d rounds, medians; codis with %d event loop(s)", b.clients, b.rounds, b.loops))
}
