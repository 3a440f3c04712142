package trial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codis/raftstore/topology"
	"codis/testdata/lab"
)

// Report is what a trial has found.
type Report struct {
	Findings []Finding
	// Moves are the jobs that ended, Faults what was done to the cluster, Switchovers
	// and Failovers the changes of masters that are done.
	Moves, Faults, Switchovers, Failovers int
	// Line is the figures on one line.
	Line string
	// Counts are further figures, by name.
	Counts map[string]int
	// Dir has the logs, if something was found.
	Dir string
}

func (t *trial) report(dir string) *Report {
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	r := &Report{Findings: t.rec.findings, Counts: t.rec.counts, Dir: dir}
	kinds := map[VerdictKind]int{}
	for _, f := range r.Findings {
		kinds[f.Kind]++
	}
	for name, n := range t.rec.counts {
		switch {
		case name == "job done" || name == "job cancelled":
			r.Moves += n
		case strings.HasPrefix(name, "fault "):
			r.Faults += n
		}
	}
	for _, turn := range t.turns {
		switch {
		case turn.abandoned || turn.end == 0:
		case turn.kind == topology.TurnSwitchover:
			r.Switchovers++
		default:
			r.Failovers++
			t.load.waits.during("failover", turn.begin, turn.end)
		}
	}
	bytes, unknown := t.reported()
	r.Line = fmt.Sprintf("operations=%d moves=%d switchovers=%d failovers=%d faults=%d; acknowledged writes lost=%d, of which failovers explain %d (%d bytes in CODIS.HISTORY, unknown of %d failovers) resurrected=%d violations=%d",
		t.load.ops.Load(), r.Moves, r.Switchovers, r.Failovers, r.Faults, kinds[Lost]+t.losses.all, t.losses.all, bytes, unknown, kinds[Resurrected], kinds[Wrong])
	for _, what := range []string{"move", "switchover", "failover"} {
		s := t.load.waits.stall(what, 0.5, 0.99, 1)
		r.Line += fmt.Sprintf("; %s stall p50=%v p99=%v max=%v", what, s[0], s[1], s[2])
	}
	if len(t.pauses) > 0 {
		r.Line += fmt.Sprintf("; switchover pause p50=%v p99=%v max=%v",
			time.Duration(lab.Percentile(t.pauses, 0.5)), time.Duration(lab.Percentile(t.pauses, 0.99)), time.Duration(lab.Percentile(t.pauses, 1)))
	}
	_ = os.WriteFile(filepath.Join(dir, "events.log"), []byte(strings.Join(t.rec.events, "\n")+"\n"), 0o600) // for people only
	return r
}
