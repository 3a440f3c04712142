package topology

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the recorded output of testdata/*.txt")

// TestScenarios runs the scripts of testdata. A script is a list of steps, each a
// line of input, a line of dashes, and the recorded output up to an empty line.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := runScenario(t, string(want))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s: output differs from the record (-update rewrites it); got:\n%s", path, got)
			}
		})
	}
}

func runScenario(t *testing.T, script string) string {
	w := &world{tb: t, state: NewState()}
	var out strings.Builder
	skipping := false
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "----":
			skipping = true
		case line == "":
			skipping = false
			out.WriteString("\n")
		case skipping:
		case strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n----\n" + cmp.Or(strings.TrimRight(w.step(line), "\n"), "nothing") + "\n")
		}
	}
	return out.String()
}

// world is the state that a script drives.
type world struct {
	tb    testing.TB
	state *State
	index uint64
}

func (w *world) step(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "slots":
		return w.slots()
	case "groups":
		return w.groups()
	case "held":
		return w.held()
	case "nodes":
		return w.nodes()
	case "history":
		return w.history()
	case "settings":
		return w.settings()
	case "jobs":
		return w.jobs()
	case "plan-migrate-count":
		return w.planMigrateCount(rest)
	case "plan-migrate":
		return w.planMigrate(rest)
	case "rebalance":
		return w.planRebalance(rest)
	case "plan", "assign-auto":
		return w.plan(verb == "assign-auto")
	}
	return w.apply(verb, rest)
}

// apply runs a command: its type word, options such as id=r1 and group-epoch=5,
// and its body in JSON.
func (w *world) apply(word, rest string) string {
	w.index++
	wire := wireCommand{Format: CommandFormat, Type: word, RequestID: fmt.Sprintf("r%d", w.index), Who: "test", At: int64(w.index) * 1000}
	for !strings.HasPrefix(rest, "{") {
		option, tail, ok := strings.Cut(rest, " ")
		name, value, _ := strings.Cut(option, "=")
		number, _ := strconv.ParseUint(value, 10, 64)
		switch {
		case !ok:
			w.tb.Fatalf("no body in %q", rest)
		case name == "id":
			wire.RequestID = value
		case name == "index":
			w.index = number
		case name == "epoch":
			wire.ExpectEpoch = number
		case name == "group-epoch":
			wire.ExpectGroupEpoch = number
		default:
			w.tb.Fatalf("unknown option %q", option)
		}
		rest = tail
	}
	wire.Body = json.RawMessage(rest)
	data, err := json.Marshal(wire)
	if err != nil {
		return "error: " + err.Error()
	}
	c, err := DecodeCommand(data)
	if err != nil {
		return "error: " + err.Error()
	}
	return w.run(c)
}

func (w *world) run(c Command) string {
	before := mustEncode(w.tb, w.state)
	next, outcome := Apply(w.state, w.index, c)
	if after := mustEncode(w.tb, w.state); after != before {
		w.tb.Errorf("%s changed the state that it was given", c.Body.word())
	}
	again, repeated := Apply(next, w.index+1, c)
	if c.RequestID != "" && (again != next || repeated != outcome) {
		w.tb.Errorf("%s applied twice: outcome %+v, first %+v", c.Body.word(), repeated, outcome)
	}
	if err := next.CheckInvariants(); err != nil {
		w.tb.Errorf("after %s: %v", c.Body.word(), err)
	}
	w.state = next
	if err := outcome.Err(); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("ok epoch=%d", outcome.Epoch)
}

func (w *world) slots() string {
	var out strings.Builder
	for _, row := range w.state.Ranges() {
		fmt.Fprintf(&out, "%d-%d %s group=%d master=%s", row.Start, row.End, row.Phase, row.Group, row.Master)
		if row.Target != 0 {
			fmt.Fprintf(&out, " target=%d epoch=%d job=%d", row.Target, w.state.Slots[row.Start].Epoch, row.Job)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (w *world) groups() string {
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.state.Groups)) {
		group := w.state.Groups[id]
		fmt.Fprintf(&out, "group %d epoch=%d master=%s auth=%v\n", id, group.Epoch, group.Master, group.Auth != nil)
		for _, server := range group.Servers {
			fmt.Fprintf(&out, "  %s zone=%s version=%s run=%s\n", server.Addr, server.Zone, server.Version, server.RunID)
		}
		if t := group.Turn; t != nil {
			fmt.Fprintf(&out, "  turn %d %s %s -> %s by %s at %d force=%v joined=%v: %s\n", t.Epoch, t.Kind, t.From, t.To, t.Who, t.At, t.Force, t.Joined, t.Reason)
		}
		if group.Turned != 0 {
			fmt.Fprintf(&out, "  turned at %d, failover at %d\n", group.Turned, group.FailoverAt)
		}
		for _, f := range group.Forks {
			fmt.Fprintf(&out, "  fork %+v\n", f)
		}
	}
	return out.String()
}

// held lists the slots for which requests wait.
func (w *world) held() string {
	var held []string
	for slot := range w.state.Slots {
		if w.state.OnHold(slot) {
			held = append(held, strconv.Itoa(slot))
		}
	}
	return strings.Join(held, " ")
}

func (w *world) nodes() string {
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.state.Nodes)) {
		node := w.state.Nodes[id]
		fmt.Fprintf(&out, "%s %s addr=%s peer=%s http=%s voter=%v joined=%d\n", id, node.Incarnation, node.Addr, node.PeerAddr, node.HTTPAddr, node.Voter, node.JoinedAt)
	}
	return out.String()
}

func (w *world) history() string {
	var out strings.Builder
	for _, change := range w.state.History {
		fmt.Fprintf(&out, "%d %d %s %s\n", change.Epoch, change.At, change.Who, change.What)
	}
	return out.String()
}

func (w *world) settings() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.state.Settings)) {
		fmt.Fprintf(&out, "%s=%q\n", name, w.state.Settings[name])
	}
	return out.String()
}

func (w *world) plan(apply bool) string {
	ranges, err := PlanAssignAuto(w.state)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, r := range ranges {
		fmt.Fprintf(&out, "%d-%d group=%d\n", r.Start, r.End, r.Group)
	}
	if apply {
		w.index++
		out.WriteString(w.run(Command{RequestID: fmt.Sprintf("r%d", w.index), Who: "test", Body: SlotsAssign{Ranges: ranges}}))
	}
	return out.String()
}

func mustEncode(tb testing.TB, s *State) string {
	tb.Helper()
	data, err := s.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func (w *world) jobs() string {
	var out strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.state.Jobs)) {
		j := w.state.Jobs[id]
		fmt.Fprintf(&out, "job %d %s %s %d/%d slots by %s options=%+v created=%d ended=%d reason=%q\n", id, j.Kind, j.State,
			j.Progress.SlotsDone, j.Progress.SlotsTotal, j.Who, j.Options, j.CreatedAt, j.EndedAt, j.Reason)
		for _, row := range []struct {
			what  string
			moves []SlotMove
		}{{"moves", j.Moves}, {"pending", w.state.Pending(j)}, {"back", j.Back}} {
			if len(row.moves) > 0 {
				fmt.Fprintf(&out, "  %s: %s\n", row.what, describeMoves(row.moves))
			}
		}
		for _, b := range j.Batches {
			forced := ""
			if b.Forced != 0 {
				forced = fmt.Sprintf(" forced by %d", b.Forced)
			}
			fmt.Fprintf(&out, "  batch %d %s%s: %s\n", b.Epoch, b.Phase, forced, describeMoves(b.Ranges))
		}
	}
	return out.String()
}

func (w *world) planMigrate(rest string) string {
	var start, end, to int
	if _, err := fmt.Sscan(rest, &start, &end, &to); err != nil {
		w.tb.Fatal(err)
	}
	return showPlan(PlanMigrate(w.state, start, end, to))
}

func (w *world) planMigrateCount(rest string) string {
	var m MigrateCount
	if _, err := fmt.Sscan(rest, &m.Count, &m.From, &m.To); err != nil {
		w.tb.Fatal(err)
	}
	return showPlan(PlanMigrateCount(w.state, m))
}

func (w *world) planRebalance(rest string) string {
	in := RebalanceInput{By: BySlots}
	if err := json.Unmarshal([]byte(rest), &in); err != nil {
		w.tb.Fatal(err)
	}
	return showPlan(PlanRebalance(w.state, in))
}

func showPlan(moves []SlotMove, err error) string {
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, m := range moves {
		fmt.Fprintln(&out, m)
	}
	return out.String()
}
