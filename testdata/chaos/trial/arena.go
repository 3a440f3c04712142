package trial

import (
	"strconv"

	"codis/raftstore/topology"
)

// Most keys are in a few slots, and most moves move these: a fault is to meet a
// key that is on its way, and there is only one pair of hands for 1024 slots.
const arena = 64

// inArena says whether a slot is one of those. Each mover has as many.
func inArena(slot int) bool { return slot%(topology.SlotCount/movers) < arena }

// freshName returns a name that was never used: of the arena in three of four cases.
func (l *load) freshName(prefix string) string {
	n := l.seq.Add(1)
	name := prefix + strconv.FormatInt(n, 10)
	for i := 0; n%4 != 0 && !inArena(topology.SlotOf([]byte(name))); i++ {
		name = prefix + strconv.FormatInt(n, 10) + "." + strconv.Itoa(i)
	}
	return name
}
