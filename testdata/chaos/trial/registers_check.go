package trial

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"codis/raftstore/topology"
)

// checkPatience bounds the check of one history.
const checkPatience = 20 * time.Second

// checkRegisters looks for a history that no single copy could have given, but for
// what failovers may have taken back.
func (t *trial) checkRegisters(dir string) {
	for _, db := range databases {
		for _, g := range t.load.allRegisters(db) {
			t.checkRegister(dir, g)
		}
	}
}

func (t *trial) checkRegister(dir string, g *register) {
	result, info := porcupine.CheckOperationsVerbose(registerModel, g.ops, checkPatience)
	t.rec.count("histories checked")
	switch result {
	case porcupine.Unknown:
		t.rec.count("histories too long to check")
	case porcupine.Illegal:
		if t.explained(g) {
			return
		}
		page := filepath.Join(dir, strings.ReplaceAll(g.key, ":", "-")+"-"+strconv.Itoa(g.db)+".html")
		if err := porcupine.VisualizePath(registerModel, info, page); err != nil {
			page = err.Error()
		}
		t.rec.found(g.judge(info), g.lines(), "the history of %s in database %d is not linearizable, see %s", g.key, g.db, page)
	}
}

// explained says whether failovers can have done it to a register, and counts the
// acknowledged writes that they have lost: the least number that makes a history
// possible. Writes that were not acknowledged may be lost too, once they were read.
func (t *trial) explained(g *register) bool {
	if len(g.ops) == 0 {
		return false
	}
	first, last, acknowledged := g.ops[0].Call, g.ops[0].Call, 0
	for _, op := range g.ops {
		first, last = min(first, op.Call), max(last, op.Call)
		if !op.Output.(output).unknown {
			acknowledged++
			last = max(last, op.Return)
		}
	}
	turns := t.reverts(topology.SlotOf([]byte(g.key)), first, last)
	if len(turns) == 0 {
		return false
	}
	ways := [][]turn{turns}
	if len(turns) > 1 { // first those that one alone can have done
		ways = nil
		for _, one := range turns {
			ways = append(ways, []turn{one})
		}
		ways = append(ways, turns)
	}
	for lost := range acknowledged + 1 {
		for _, some := range ways {
			switch porcupine.CheckOperationsTimeout(lossyModel(lost), withReverts(g.ops, some), checkPatience) {
			case porcupine.Ok:
				t.lose(lost, some)
				return true
			case porcupine.Unknown:
				t.rec.count("histories too long to check")
				return true
			}
		}
	}
	return false
}

// judge names an illegal history: when only reads of nothing or of a value that
// had been deleted are in the way, writes were lost or keys resurrected.
func (g *register) judge(info porcupine.LinearizationInfo) VerdictKind {
	best := 0
	for _, partial := range info.PartialLinearizationsOperations() {
		for _, p := range partial {
			best = max(best, len(p))
		}
	}
	ordered := slices.Clone(g.ops)
	slices.SortFunc(ordered, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	if best < len(ordered) {
		if out := ordered[best].Output.(output); !out.null && !out.unknown && ordered[best].Input.(input).op == "get" && deletedBefore(ordered[:best]) {
			return Resurrected
		}
	}
	return Lost
}

// deletedBefore says whether the last write that was answered is a deletion.
func deletedBefore(ops []porcupine.Operation) bool {
	for i := len(ops) - 1; i >= 0; i-- {
		switch ops[i].Input.(input).op {
		case "get":
		case "del", "drop":
			return true
		default:
			return false
		}
	}
	return false
}

// lines is the history of a register for people.
func (g *register) lines() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	ordered := slices.Clone(g.ops)
	slices.SortFunc(ordered, func(a, b porcupine.Operation) int {
		if a.Call < b.Call {
			return -1
		}
		return 1
	})
	var lines []string
	for _, op := range ordered {
		end := "          ?"
		if op.Return != endOfTime {
			end = stamp(op.Return)
		}
		lines = append(lines, fmt.Sprintf("%s - %s  client %d  %s", stamp(op.Call), end, op.ClientId, describe(op.Input.(input), op.Output.(output))))
	}
	return lines
}
