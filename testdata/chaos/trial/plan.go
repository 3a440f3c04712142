package trial

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The faults. A role such as the leader or the source of a move is looked up when
// the fault begins; all else follows from the seed.
var allFaults = []string{
	"kill-leader", "kill-node", "term-node", "stop-leader", "stop-node",
	"kill-source", "kill-target", "stop-source", "stop-target", "kill-replica", "stop-replica",
	"cut-peers", "delay-peers",
	"cut-servers", "cut-replies", "reset-servers", "delay-servers", "cut-replication",
	"lag-kill", "lag-stop", "lag-cut",
	"pause-job", "cancel-job",
}

// planned is one fault of the plan.
type planned struct {
	lane  int
	after time.Duration // since the end of the one before in its lane
	kind  string
	last  time.Duration
	pick  uint64 // chooses among what the fault may hit
	delay time.Duration
}

func (p planned) String() string {
	return fmt.Sprintf("lane %d: after %v %s for %v", p.lane, p.after.Round(time.Millisecond), p.kind, p.last.Round(time.Millisecond))
}

// lanes is how many faults may be there at a time: one of the nodes, so that
// there is a majority, and one of the servers and the links to them.
const lanes = 2

func laneOf(fault string) int {
	for _, word := range []string{"leader", "node", "peers", "job"} {
		if strings.HasSuffix(fault, word) {
			return 0
		}
	}
	return 1
}

// newPlan derives the faults of one lane from the seed.
func newPlan(o Options, lane int) []planned {
	r := rand.New(rand.NewPCG(o.Seed, uint64(1000+lane)))
	var plan []planned
	faults := slices.DeleteFunc(o.faults(), func(f string) bool { return laneOf(f) != lane })
	for total := time.Duration(0); total < o.Duration && len(faults) > 0; {
		p := planned{lane: lane, after: between(r, 300*time.Millisecond, 2500*time.Millisecond), kind: faults[r.IntN(len(faults))],
			pick: r.Uint64(), delay: between(r, 5*time.Millisecond, 120*time.Millisecond)}
		switch {
		case strings.HasPrefix(p.kind, "lag"): // until another master is there, most times
			p.last = between(r, o.downAfter()/2, o.downAfter()+4*time.Second)
		case p.kind == "kill-source" || p.kind == "kill-target":
			p.last = between(r, 50*time.Millisecond, o.downAfter()+3*time.Second)
		case strings.HasPrefix(p.kind, "kill"), strings.HasPrefix(p.kind, "term"):
			p.last = between(r, 50*time.Millisecond, 1500*time.Millisecond)
		case p.kind == "stop-leader" || p.kind == "stop-node" || p.kind == "cut-peers":
			p.last = between(r, o.Lease/10, 3*o.Lease)
		default:
			p.last = between(r, 200*time.Millisecond, 5*time.Second)
		}
		plan = append(plan, p)
		total += p.after + p.last
	}
	return plan
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// checkFaults says which word of a list is none of the faults.
func checkFaults(words []string) error {
	for _, w := range words {
		if !slices.ContainsFunc(allFaults, func(f string) bool { return strings.HasPrefix(f, w) }) {
			return fmt.Errorf("there is no fault %q, there are %s", w, strings.Join(allFaults, ", "))
		}
	}
	return nil
}

// Faults are the names of all faults.
func Faults() []string { return slices.Clone(allFaults) }

// Plan is the plan of faults that the options give, for people.
func (o Options) Plan() []string {
	var lines []string
	for lane := range lanes {
		for _, p := range newPlan(o, lane) {
			lines = append(lines, p.String())
		}
	}
	return lines
}
