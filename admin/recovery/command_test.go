package recovery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// fake is a directory that does what a test says.
type fake struct {
	plan      Plan
	running   []topology.Node
	failure   error
	committed bool
}

func (f *fake) Plan() Plan                              { return f.plan }
func (f *fake) Running(context.Context) []topology.Node { return f.running }
func (f *fake) Close() error                            { return nil }
func (f *fake) Commit() error                           { f.committed = f.failure == nil; return f.failure }

// plan is that of node n2 of three.
func plan(tb testing.TB) Plan {
	tb.Helper()
	s := topology.NewState()
	for i, id := range []string{"n1", "n2", "n3"} {
		node := topology.Node{ID: id, Incarnation: "i-" + id, Addr: "10.0.0." + id[1:] + ":19000", PeerAddr: "10.0.0." + id[1:] + ":29000"}
		if i == 0 {
			s = apply(tb, s, topology.ClusterInit{ClusterID: "c0ffee", Node: node, Format: topology.StateFormat})
			continue
		}
		s = apply(tb, s, topology.NodeJoin{Node: node})
		s = apply(tb, s, topology.NodeSetVoter{ID: id, Voter: true})
	}
	s = apply(tb, s, topology.GroupAdd{ID: 1, Servers: []topology.Server{{Addr: "10.0.1.1:6379"}, {Addr: "10.0.1.2:6379"}}})
	after, err := topology.Recover(s, topology.Recovery{NodeID: "n2", ClusterID: "c0ffee-r1", Epoch: 1000})
	if err != nil {
		tb.Fatal(err)
	}
	return Plan{Dir: "/data/n2", NodeID: "n2", Before: s, After: after, LastIndex: 77, LastTerm: 3, Written: time.Now().Add(-time.Minute)}
}

func apply(tb testing.TB, s *topology.State, body topology.Body) *topology.State {
	tb.Helper()
	next, outcome := topology.Apply(s, s.Epoch+1, topology.Command{Body: body})
	if err := outcome.Err(); err != nil {
		tb.Fatal(err)
	}
	return next
}

func TestRun(t *testing.T) {
	t.Parallel()
	alone := plan(t)
	alone.NodeID, alone.Before = "n2", alone.After
	broken := errors.New("no space left")
	for name, c := range map[string]struct {
		dir   fake
		typed string
		yes   bool
		want  error
	}{
		"confirmed":             {dir: fake{plan: plan(t)}, typed: "c0ffee\n"},
		"confirmed without \\n": {dir: fake{plan: plan(t)}, typed: "c0ffee"},
		"yes":                   {dir: fake{plan: plan(t)}, yes: true},
		"another ID":            {dir: fake{plan: plan(t)}, typed: "c0ffee-r1\n", want: ErrNotConfirmed},
		"yes, typed":            {dir: fake{plan: plan(t)}, typed: "yes\n", want: ErrNotConfirmed},
		"nobody there":          {dir: fake{plan: plan(t)}, want: ErrNotConfirmed},
		"others run":            {dir: fake{plan: plan(t), running: []topology.Node{{ID: "n3", Addr: "10.0.0.3:19000"}}}, yes: true, want: ErrRunning},
		"the only voter":        {dir: fake{plan: alone}, yes: true, want: ErrNotNeeded},
		"it fails":              {dir: fake{plan: plan(t), failure: broken}, yes: true, want: broken},
	} {
		var out strings.Builder
		d := c.dir
		err := run(t.Context(), &d, terms{out: &out, in: strings.NewReader(c.typed), yes: c.yes})
		if !errors.Is(err, c.want) || d.committed != (c.want == nil) {
			t.Errorf("%s: %v, committed %v", name, err, d.committed)
		}
		if done := strings.Contains(out.String(), "Done."); done != (c.want == nil) {
			t.Errorf("%s: it says\n%s", name, &out)
		}
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	p := plan(t)
	var out strings.Builder
	if err := show(&out, p, p.Written.Add(90*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/data/n2 is the directory of node n2", "c0ffee-r1", "n1 (voter), n2 (voter), n3 (voter)", "1 with 2 servers", "0 of 1024",
		"last entry of the log is 77 of term 3, written 1m30s ago", "n1 at 10.0.0.1:19000, n3 at 10.0.0.3:19000", "until its lease ends, 5s at most",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	p.Before = apply(t, p.Before, topology.SettingSet{Name: "on-quorum-loss", Value: "serve"})
	if text := consequences(p); !strings.Contains(text, "Stop them all first") {
		t.Errorf("with on-quorum-loss serve:\n%s", text)
	}
}
