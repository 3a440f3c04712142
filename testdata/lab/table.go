package lab

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is rows of cells, the header first.
type Table [][]string

// Write prints a table, aligned or as Markdown.
func (t Table) Write(out io.Writer, markdown bool) error {
	if markdown {
		for i, cells := range t {
			fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
			if i == 0 {
				fmt.Fprintf(out, "|%s\n", strings.Repeat("---|", len(cells)))
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, cells := range t {
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// Verdict says whether a goal is reached: "0.97 >= 1.00 MISSED".
func Verdict(got float64, sign string, limit float64) string {
	ok := got <= limit
	if sign == ">=" {
		ok = got >= limit
	}
	word := "ok"
	if !ok {
		word = "MISSED"
	}
	return fmt.Sprintf("%.2f %s %.2f %s", got, sign, limit, word)
}
