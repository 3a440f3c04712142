package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// watch shows the unfinished jobs until none is left. Jobs that end meanwhile are
// shown once more.
func (s *session) watch() error {
	interval := s.c.Duration("interval")
	if interval <= 0 {
		return usagef("--interval must be above 0")
	}
	view := &watchView{width: s.screen.width, terminal: s.screen.terminal && !s.json, json: s.json, last: map[int64]string{}}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		list, err := s.jobs()
		if s.interrupted() {
			return nil
		}
		if err != nil {
			return err
		}
		text, left := view.next(list)
		if _, err := fmt.Fprint(s.out, text); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.c.Context.Done():
		}
	}
}

// interrupted says whether a signal has come, which is how most watches end.
func (s *session) interrupted() bool { return errors.Is(s.c.Context.Err(), context.Canceled) }

// watchView turns one look after another into what to print: lines that overwrite
// those of the last look on a terminal, else lines for what has changed.
type watchView struct {
	terminal, json bool
	// width is that of the terminal, 0 for the usual one: a line that wraps can't be
	// overwritten.
	width int
	// shown are the jobs that were unfinished at a look, lines how many were printed
	// last, and last what was printed of a job last.
	shown []int64
	lines int
	last  map[int64]string
}

// next returns the text for a look, and how many jobs are unfinished.
func (v *watchView) next(list []job) (text string, left int) {
	byID := map[int64]job{}
	for i := len(list) - 1; i >= 0; i-- { // the oldest first
		j := list[i]
		byID[j.ID] = j
		if j.finished() {
			continue
		}
		left++
		if _, known := v.last[j.ID]; !known {
			v.last[j.ID] = ""
			v.shown = append(v.shown, j.ID)
		}
	}
	if left == 0 && len(v.shown) == 0 && !v.json {
		return "no job is under way\n", 0
	}
	var out strings.Builder
	if v.terminal && v.lines > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", v.lines) // up to the first line
	}
	v.lines = 0
	for _, id := range v.shown {
		j, there := byID[id]
		if !there {
			continue // finished, and forgotten since
		}
		line := v.line(j)
		switch {
		case v.terminal:
			out.WriteString("\x1b[2K" + line + "\n")
			v.lines++
		case line != v.last[id]:
			out.WriteString(line + "\n")
		}
		v.last[id] = line
	}
	if v.terminal {
		out.WriteString("\x1b[J") // lines of jobs that are forgotten
	}
	return out.String(), left
}

func (v *watchView) line(j job) string {
	if v.json {
		text, _ := json.Marshal(j) // texts and numbers always marshal
		return string(text)
	}
	line := progressLine(j)
	if v.terminal {
		return cut(line, cmp.Or(v.width, usualWidth)-1)
	}
	return line
}

// barWidth is in characters.
const barWidth = 20

// progressLine is a job in one line.
func progressLine(j job) string {
	part := j.part()
	done := int(part * barWidth)
	line := fmt.Sprintf("job %d %s %s [%s%s] %3d%% %d/%d slots, %d keys, %s", j.ID, j.Kind, j.State,
		strings.Repeat("#", done), strings.Repeat(".", barWidth-done), int(100*part), j.SlotsDone, j.SlotsTotal, j.Keys, size(j.Bytes))
	if !j.finished() {
		line += fmt.Sprintf(", %d keys/s", j.KeysPerSecond)
		if eta := etaText(j.ETA); eta != "" {
			line += ", " + eta + " left"
		}
	}
	if j.Reason != "" {
		line += ": " + j.Reason
	}
	return line
}

// part is how much of a job is done, from 0 to 1: by slots, or, since many slots
// arrive at a time, by keys where the time that is left tells how many there are.
func (j job) part() float64 {
	part := 0.0
	if j.SlotsTotal > 0 {
		part = float64(j.SlotsDone) / float64(j.SlotsTotal)
	}
	if j.ETA != nil && *j.ETA > 0 && !j.finished() {
		all := float64(j.Keys) + float64(j.KeysPerSecond)*float64(*j.ETA)
		part = max(part, float64(j.Keys)/max(all, 1))
	}
	return min(max(part, 0), 1)
}

// cut shortens a text to n characters.
func cut(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return string(runes[:n-3]) + "..."
	}
	return text
}
