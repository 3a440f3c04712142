package cli

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	columnGap = 2
	// narrowest is how narrow a column may become, narrowestLast the last one, which
	// is not cut but wrapped.
	narrowest, narrowestLast = 8, 16
)

// layout writes rows in columns that fit the screen; the first row is the heads when
// heads is set. Cells are cut to the width of their column, but those of the last
// one, which go on below.
func (s screen) layout(rows [][]string, heads bool) string {
	widths := s.fit(rows)
	var b strings.Builder
	for i, row := range rows {
		last := len(row) - 1
		for at, cell := range row[:max(last, 0)] {
			cell = ellipsis(cell, widths[at])
			s.cell(&b, cell, heads && i == 0)
			pad(&b, widths[at]+columnGap-utf8.RuneCountInString(cell))
		}
		if last < 0 {
			b.WriteByte('\n')
			continue
		}
		indent := 0
		for _, w := range widths[:last] {
			indent += w + columnGap
		}
		for n, line := range wrap(row[last], widths[last]) {
			if n > 0 {
				pad(&b, indent)
			}
			s.cell(&b, line, heads && i == 0)
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func (s screen) cell(b *strings.Builder, text string, head bool) {
	if head && s.colours {
		b.WriteString(bold + text + plain)
		return
	}
	b.WriteString(s.paint(text))
}

func pad(b *strings.Builder, n int) { b.WriteString(strings.Repeat(" ", max(n, 0))) }

// fit returns the columns' widths: what their cells need, less what the screen has
// not, taken from the widest one after the other.
func (s screen) fit(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for at, cell := range row {
			if at == len(widths) {
				widths = append(widths, 0)
			}
			widths[at] = max(widths[at], utf8.RuneCountInString(cell))
		}
	}
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; s.width > 0 && total > s.width; total-- {
		widest := -1
		for at, w := range widths {
			least := narrowest
			if at == len(widths)-1 {
				least = narrowestLast
			}
			if w > least && (widest < 0 || w >= widths[widest]) {
				widest = at
			}
		}
		if widest < 0 {
			break // there are more columns than the screen can have
		}
		widths[widest]--
	}
	return widths
}

// narrow leaves out the columns whose heads are spare, in that order, while the rest
// is too wide for the screen.
func (s screen) narrow(rows [][]string, spare []string) [][]string {
	for _, head := range spare {
		at := slices.Index(rows[0], head)
		if s.width == 0 || at < 0 || needed(rows) <= s.width {
			continue
		}
		for i, row := range rows {
			rows[i] = slices.Delete(row, at, at+1)
		}
	}
	return rows
}

// needed is how wide rows are when nothing is cut.
func needed(rows [][]string) int {
	widths := screen{}.fit(rows)
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	return total
}

// ellipsis cuts a text to n characters.
func ellipsis(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// wrap divides a text into lines of at most n characters, between words where that
// can be.
func wrap(text string, n int) (lines []string) {
	rest := []rune(text)
	for len(rest) > n {
		at := n
		for i := n; i > n/2; i-- {
			if rest[i] == ' ' {
				at = i
				break
			}
		}
		lines = append(lines, strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	return append(lines, string(rest))
}
