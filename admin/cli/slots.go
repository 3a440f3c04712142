package cli

import (
	"strconv"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func slotsCommand() *ucli.Command {
	return verb{
		name: "slots", usage: "show which group serves which slots", args: "[START END]", max: 2, watch: true,
		examples: []string{"codis slots", "codis slots 0 511 --json"},
		run:      runSlots,
	}.command()
}

// slotRow is a row of CODIS.SLOTS.
type slotRow struct {
	Start  int64   `json:"start"`
	End    int64   `json:"end"`
	Phase  string  `json:"phase"`
	Group  *int64  `json:"group"`
	Master *string `json:"master"`
	Target *int64  `json:"target"`
}

func runSlots(s *session) error {
	if len(s.words) == 1 {
		return usagef("expected START and END, or none")
	}
	reply, err := s.read(append([]string{"CODIS.SLOTS"}, s.words...)...)
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, 6)
	if err != nil {
		return err
	}
	list := make([]slotRow, len(rows))
	table := [][]string{{"SLOTS", "COUNT", "PHASE", "GROUP", "MASTER", "TARGET"}}
	for i, r := range rows {
		list[i] = slotRow{Start: r[0].Int, End: r[1].Int, Phase: r[2].Text(), Group: number(r[3]), Master: text(r[4]), Target: number(r[5])}
		table = append(table, []string{span(r[0].Int, r[1].Int), strconv.FormatInt(r[1].Int-r[0].Int+1, 10),
			r[2].Text(), r[3].Text(), r[4].Text(), r[5].Text()})
	}
	if s.json {
		return s.printJSON(list)
	}
	return s.printTable(table)
}

// span writes a range of slots.
func span(start, end int64) string {
	if start == end {
		return strconv.FormatInt(start, 10)
	}
	return strconv.FormatInt(start, 10) + "-" + strconv.FormatInt(end, 10)
}

func slotCommand() *ucli.Command {
	return verb{
		name: "slot", usage: "show where keys are served", args: "KEY [KEY ...]", min: 1, max: -1,
		about:    "Only the text between the first { and the next } of a key counts, where there is one.",
		examples: []string{"codis slot user:1 '{user:1}:cart'"},
		run:      runSlot,
	}.command()
}

// keySlot is a row of CODIS.SLOT with its key.
type keySlot struct {
	Key    string  `json:"key"`
	Slot   int64   `json:"slot"`
	Group  *int64  `json:"group"`
	Master *string `json:"master"`
}

func runSlot(s *session) error {
	reply, err := s.read(append([]string{"CODIS.SLOT"}, s.words...)...)
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, 3)
	if err != nil {
		return err
	}
	if len(rows) != len(s.words) {
		return errReply("not one row a key")
	}
	list := make([]keySlot, len(rows))
	table := [][]string{{"KEY", "SLOT", "GROUP", "MASTER"}}
	for i, r := range rows {
		list[i] = keySlot{Key: s.words[i], Slot: r[0].Int, Group: number(r[1]), Master: text(r[2])}
		table = append(table, []string{printable(s.words[i]), r[0].Text(), r[1].Text(), r[2].Text()})
	}
	if s.json {
		return s.printJSON(list)
	}
	return s.printTable(table)
}

// printable quotes a text that would break a table or a terminal.
func printable(text string) string {
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

// words reads a reply that is an array of texts.
func wordsOf(r resp.Reply) ([]string, error) {
	if r.Kind != resp.KindArray {
		return nil, errReply(r.Kind.String() + " for a list")
	}
	return r.Strings(), nil
}
