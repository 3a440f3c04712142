package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"codis/router/resp"
)

// errReply is returned when a node's answer has another form than this version knows.
func errReply(what string) error {
	return fmt.Errorf("the node's answer has an unknown form (%s); is it of another version than this program?", what)
}

// printJSON writes v for programs.
func (s *session) printJSON(v any) error {
	enc := json.NewEncoder(s.out)
	if !s.compact {
		enc.SetIndent("", "  ")
	}
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printTable writes rows for people, the first one being the heads. An empty
// cell is shown as a dash, so that columns can be cut by programs too.
// The columns that spare names are left out, one after the other, while the screen
// is too narrow for all; --json has them.
func (s *session) printTable(rows [][]string, spare ...string) error {
	return s.printRows(s.screen.narrow(rows, spare), true)
}

// printRows writes rows; heads says whether the first one has the columns' names.
func (s *session) printRows(rows [][]string, heads bool) error {
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
	}
	_, err := io.WriteString(s.out, s.screen.layout(rows, heads))
	return err
}

// done is the JSON of a change.
type done struct {
	OK    bool     `json:"ok"`
	Notes []string `json:"notes"`
}

// printDone writes the reply of a change: OK, and notes if there are any.
func (s *session) printDone(r resp.Reply) error {
	words := []string{r.Text()}
	if r.Kind == resp.KindArray {
		words = r.Strings()
	}
	if len(words) == 0 || words[0] != "OK" {
		return errReply("OK is missing")
	}
	if s.json {
		return s.printJSON(done{OK: true, Notes: append([]string{}, words[1:]...)})
	}
	for _, word := range words {
		if _, err := fmt.Fprintln(s.out, word); err != nil {
			return err
		}
	}
	return nil
}

// rowsOf checks that a reply is an array of arrays of n elements; n is -1 for
// names and values in turn.
func rowsOf(r resp.Reply, n int) ([][]resp.Reply, error) {
	if r.Kind != resp.KindArray {
		return nil, errReply(r.Kind.String() + " for rows")
	}
	rows := make([][]resp.Reply, len(r.Array))
	for i, row := range r.Array {
		if row.Kind != resp.KindArray || n >= 0 && len(row.Array) < n || n < 0 && len(row.Array)%2 != 0 {
			return nil, errReply(fmt.Sprintf("row of %d", len(row.Array)))
		}
		rows[i] = row.Array
	}
	return rows, nil
}

// fields reads names and values in turn.
type fields map[string]resp.Reply

func fieldsOf(row []resp.Reply) fields {
	f := fields{}
	for i := 0; i+1 < len(row); i += 2 {
		f[row[i].Text()] = row[i+1]
	}
	return f
}

func (f fields) text(name string) string { return f[name].Text() }

func (f fields) yes(name string) bool { return f[name].Int == 1 }

// number is nil when the node has none.
func (f fields) number(name string) *int64 { return number(f[name]) }

// truth is nil when the node does not say.
func (f fields) truth(name string) *bool {
	n := f.number(name)
	if n == nil {
		return nil
	}
	yes := *n == 1
	return &yes
}

// figure is nil when the node has none; it may come as a text with a point.
func (f fields) figure(name string) *float64 {
	v, err := strconv.ParseFloat(f.text(name), 64)
	if err != nil || f[name].IsNil() {
		return nil
	}
	return &v
}

// number reads an integer that may be nil.
func number(r resp.Reply) *int64 {
	if r.Kind != resp.KindInteger {
		return nil
	}
	return &r.Int
}

// text reads a text that may be nil.
func text(r resp.Reply) *string {
	if r.IsNil() {
		return nil
	}
	s := r.Text()
	return &s
}
