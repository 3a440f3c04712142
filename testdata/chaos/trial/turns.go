package trial

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"codis/raftstore/topology"
)

// turn is a change of a group's master, as CODIS.HISTORY tells it.
type turn struct {
	group    int
	epoch    uint64
	kind     topology.TurnKind
	from, to *member
	// begin is before the slots were held for it, end behind their release; 0 while it
	// is not over.
	begin, end int64
	abandoned  bool
	// measured: the history tells what it lost, which is lost bytes, -1 when that can't
	// be told.
	measured bool
	lost     int64
	// since is from when on acknowledged writes may be missing at the new master.
	since int64
}

// lossy says whether it may have lost what was acknowledged. A switchover may not,
// nor a failover of which the history says so.
func (t turn) lossy() bool {
	return t.kind != topology.TurnSwitchover && t.end != 0 && !t.abandoned && !(t.measured && t.lost == 0)
}

func (t turn) String() string {
	text := fmt.Sprintf("%s of group %d, epoch %d, from %s to %s, %s - %s", t.kind, t.group, t.epoch, t.from.name, t.to.name, stamp(t.begin), stamp(t.end))
	switch {
	case t.abandoned:
		return text + ": given up"
	case t.measured && t.lost >= 0:
		text += fmt.Sprintf(": %d bytes lost", t.lost)
	case t.measured:
		text += ": lost bytes not known"
	}
	if t.lossy() {
		text += ", writes since " + stamp(t.since) + " may be missing"
	}
	return text
}

var (
	turnBegins    = regexp.MustCompile(`^group (\d+): (failover|switchover|replace) from (\S+) to (\S+) begins`)
	turnEnds      = regexp.MustCompile(`^group (\d+): turn (\d+) is (done|given up)`)
	turnLost      = regexp.MustCompile(`^group (\d+): turn (\d+) lost (\d+) bytes`)
	turnLostWhat  = regexp.MustCompile(`^group (\d+): what turn (\d+) lost can't be told`)
	clockFuzz     = int64(2e6) // the history's times are in ms
	unknownWindow = int64(60e9)
)

// turns reads the history, oldest turn first.
func (w *watch) turns(s *site) []turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[uint64]*turn{}
	for _, epoch := range slices.Sorted(maps.Keys(w.changes)) {
		c := w.changes[epoch]
		if m := turnBegins.FindStringSubmatch(c.what); m != nil {
			group, _ := strconv.Atoi(m[1])
			g := s.groups[group-1]
			all[epoch] = &turn{group: group, epoch: epoch, kind: topology.TurnKind(m[2]), from: g.at(m[3]), to: g.at(m[4]), begin: c.at - clockFuzz}
		}
		if m := turnEnds.FindStringSubmatch(c.what); m != nil && all[number64(m[2])] != nil {
			t := all[number64(m[2])]
			t.end, t.abandoned = c.at+clockFuzz, m[3] == "given up"
		}
		if m := turnLost.FindStringSubmatch(c.what); m != nil && all[number64(m[2])] != nil {
			t := all[number64(m[2])]
			t.measured, t.lost = true, int64(number64(m[3]))
		}
		if m := turnLostWhat.FindStringSubmatch(c.what); m != nil && all[number64(m[2])] != nil {
			t := all[number64(m[2])]
			t.measured, t.lost = true, -1
		}
	}
	list := make([]turn, 0, len(all))
	for _, epoch := range slices.Sorted(maps.Keys(all)) {
		t := all[epoch]
		t.since = w.missingSinceLocked(*t)
		list = append(list, *t)
	}
	return list
}

func number64(text string) uint64 {
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

// missingSinceLocked is the last time at which the old master had no more than what the
// new one went on with: what was acknowledged before is there. The new master tells in
// which history that is, and how far it has it.
func (w *watch) missingSinceLocked(t turn) int64 {
	since := t.begin - unknownWindow
	if t.end == 0 || t.abandoned {
		return since
	}
	history, fork := "", int64(0)
	for _, s := range w.samples[t.to] {
		if s.at > t.begin && !s.replica && s.fork > 0 {
			history, fork = s.replID2, s.fork
			break
		}
	}
	for _, s := range w.samples[t.from] {
		if s.at < t.end && !s.replica && s.replID == history && s.offset <= fork {
			since = s.at
		}
	}
	return since
}

// reverts are the turns that may have taken writes to a slot back, of those between
// two times.
func (t *trial) reverts(slot int, from, to int64) []turn {
	var list []turn
	for _, turn := range t.turns {
		if turn.lossy() && turn.end >= from && turn.since <= to && t.watch.owned(slot, turn.group, turn.since, turn.end) {
			list = append(list, turn)
		}
	}
	return list
}
