package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

const (
	alertsFile = "admin/alerts/codis.yaml"
	boardFile  = "admin/grafana/codis.json"
)

// TestBoardAndAlertsAskForWhatIsThere holds each expression of the board and of the
// alert rules against the metrics of a cluster that has seen traffic, errors, a
// replica and a move: a name or a label that does not exist would show nothing and
// never alert.
func TestBoardAndAlertsAskForWhatIsThere(t *testing.T) {
	one, replica, two := resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 1, []string{one.Addr, replica.Addr}, []string{two.Addr})
	for i := range 100 {
		do(t, c.addr(0), "SET", fmt.Sprint("k", i), "v")
	}
	if _, err := try(t, c.addr(0), "INCR", "k1"); err == nil {
		t.Fatal("INCR of a text was taken")
	}
	runJob(t, c, topology.SlotMove{Start: 0, End: 99, From: 1, To: 2})
	var there map[string]*dto.MetricFamily
	waitFor(t, "the lag of the replica", func() error {
		if there = families(t, c.nodes[0]); there["codis_server_lag_bytes"] == nil {
			return fmt.Errorf("there is none yet")
		}
		return nil
	})
	if problems, err := promlint.NewWithMetricFamilies(ours(there)).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	alerts, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	exprs := append(boardExpressions(t), string(alerts))
	asked := map[string]bool{}
	for _, expr := range exprs {
		for _, m := range metricUse.FindAllStringSubmatch(expr, -1) {
			checkUse(t, there, m[1], m[2])
			asked[m[1]] = true
		}
	}
	if len(asked) < 60 {
		t.Errorf("only %d metrics were found in board and alerts", len(asked))
	}
}

// metricUse finds a metric's name and its matchers.
var (
	metricUse  = regexp.MustCompile(`\b((?:codis|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcherUse = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
)

// checkUse says what an expression asks for in vain.
func checkUse(t *testing.T, there map[string]*dto.MetricFamily, name, matchers string) {
	t.Helper()
	family := there[name]
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, cut := strings.CutSuffix(name, suffix); cut && family == nil {
			if family = there[base]; family != nil && family.GetType() != dto.MetricType_HISTOGRAM {
				t.Errorf("%s is no histogram", base)
			}
		}
	}
	if family == nil {
		t.Errorf("there is no metric %s", name)
		return
	}
	for _, m := range matcherUse.FindAllStringSubmatch(matchers, -1) {
		label := m[1]
		if label == "job" || label == "instance" { // Prometheus's own
			continue
		}
		has := func(l *dto.LabelPair) bool { return l.GetName() == label }
		if !slices.ContainsFunc(family.Metric[0].Label, has) {
			t.Errorf("%s has no label %s", name, label)
		}
	}
}

// boardExpressions are all that the board asks for, with its variables filled in.
func boardExpressions(t *testing.T) (exprs []string) {
	t.Helper()
	text, err := os.ReadFile(boardFile)
	if err != nil {
		t.Fatal(err)
	}
	var board any
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", boardFile, err)
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$cluster", "codis", "$node", ".*")
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for key, e := range v {
				if expr, is := e.(string); is && key == "expr" {
					exprs = append(exprs, fill.Replace(expr))
				}
				walk(e)
			}
		}
	}
	walk(board)
	if len(exprs) < 70 {
		t.Errorf("only %d expressions are on the board", len(exprs))
	}
	return exprs
}

// families are the metrics that a node shows.
func families(t *testing.T, n *Node) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*dto.MetricFamily{}
	for _, family := range list {
		found[family.GetName()] = family
	}
	if status, _ := get(t, "http://"+n.Config.HTTPAddr+"/metrics"); status != http.StatusOK {
		t.Errorf("/metrics answered %d", status)
	}
	return found
}

func ours(all map[string]*dto.MetricFamily) (list []*dto.MetricFamily) {
	for name, family := range all {
		if strings.HasPrefix(name, "codis_") {
			list = append(list, family)
		}
	}
	return list
}

// TestBoardExpressionsParse has promtool read every expression of the board.
func TestBoardExpressionsParse(t *testing.T) {
	t.Parallel()
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: board\n    rules:\n")
	for i, expr := range boardExpressions(t) {
		quoted, err := json.Marshal(expr) // JSON is YAML
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&rules, "      - {record: board:%d, expr: %s}\n", i, quoted)
	}
	path := filepath.Join(t.TempDir(), "board.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// TestAlertRules checks the rules and runs their tests; every rule has one, and
// says what it means and what to do.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", alertsFile)
	promtool(t, "test", "rules", strings.TrimSuffix(alertsFile, ".yaml")+"_test.yaml")
	rules, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(strings.TrimSuffix(alertsFile, ".yaml") + "_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i, rule := range strings.Split(string(rules), "- alert: ")[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		if !strings.Contains(string(tests), fmt.Sprintf("- name: %s\n", name)) {
			t.Errorf("rule %d, %s, has no test", i, name)
		}
		for _, field := range []string{"labels: {severity: ", "summary: ", "description: ", "runbook: "} {
			if strings.Count(rule, field) != 1 {
				t.Errorf("rule %s has not one %q", name, field)
			}
		}
	}
}

// promtool runs it; it comes with the distribution's package prometheus.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not there: run make deps")
	}
	if out, err := exec.CommandContext(within(t, patience), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
