package recovery

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"codis/raftstore/topology"
)

// show writes what was and what will be, side by side, and what that means.
func show(out io.Writer, p Plan, now time.Time) error {
	fmt.Fprintf(out, "%s is the directory of node %s.\n\n", p.Dir, p.NodeID)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tBEFORE\tAFTER")
	for _, row := range []struct {
		name string
		of   func(*topology.State) string
	}{
		{"cluster", func(s *topology.State) string { return s.ClusterID }},
		{"nodes", nodes},
		{"epoch", func(s *topology.State) string { return fmt.Sprint(s.Epoch) }},
		{"groups", groups},
		{"slots", func(s *topology.State) string {
			return fmt.Sprintf("%d of %d have a group", topology.SlotCount-s.Unassigned(), topology.SlotCount)
		}},
		{"under way", underWay},
	} {
		fmt.Fprintf(w, "%s\t%s\t%s\n", row.name, row.of(p.Before), row.of(p.After))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nThe last entry of the log is %d of term %d, written %s ago (%s).\n%s\n",
		p.LastIndex, p.LastTerm, now.Sub(p.Written).Round(time.Second), p.Written.Format(time.DateTime), consequences(p))
	return err
}

// consequences says what a person has to know beforehand.
func consequences(p Plan) string {
	lines := []string{"Changes of the table that only other nodes had are lost. Look at codis slots, codis groups and codis fsck afterwards."}
	if underWay(p.Before) != "nothing" {
		lines = append(lines, "What is under way goes on from what this node knows. If it is behind, keys may be at another group than it takes them to be: codis fsck finds them.")
	}
	if left := leftBehind(p); len(left) > 0 {
		lines = append(lines, fmt.Sprintf("Left behind: %s. If one of them comes back, it is refused and stops; delete its directory and let it join.", strings.Join(left, ", ")))
	}
	if p.Before.Settings.Text("on-quorum-loss") == "serve" {
		lines = append(lines, "on-quorum-loss is serve: old nodes that still run anywhere go on serving by the old table. Stop them all first.")
	} else {
		lines = append(lines, fmt.Sprintf("An old node that still runs somewhere serves until its lease ends, %s at most; the recovered cluster waits for that before it changes anything under it.",
			p.Before.Settings.Duration("lease")))
	}
	return strings.Join(lines, "\n")
}

func leftBehind(p Plan) []string {
	var left []string
	for _, id := range slices.Sorted(maps.Keys(p.Before.Nodes)) {
		if _, stays := p.After.Nodes[id]; !stays {
			left = append(left, id+" at "+p.Before.Nodes[id].Addr)
		}
	}
	return left
}

func nodes(s *topology.State) string {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(s.Nodes)) {
		if s.Nodes[id].Voter {
			id += " (voter)"
		}
		names = append(names, id)
	}
	return strings.Join(names, ", ")
}

func groups(s *topology.State) string {
	servers := 0
	for _, g := range s.Groups {
		servers += len(g.Servers)
	}
	return fmt.Sprintf("%d with %d servers", len(s.Groups), servers)
}

// underWay lists jobs that are not at their end, and groups that get another master.
func underWay(s *topology.State) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(s.Jobs)) {
		if job := s.Jobs[id]; !job.State.Finished() {
			list = append(list, fmt.Sprintf("job %d, %d of %d slots", id, job.Progress.SlotsDone, job.Progress.SlotsTotal))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Groups)) {
		if turn := s.Groups[id].Turn; turn != nil {
			list = append(list, fmt.Sprintf("%s of group %d to %s", turn.Kind, id, turn.To))
		}
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, "; ")
}
