package cli

import (
	ucli "github.com/urfave/cli/v2"
)

func historyCommand() *ucli.Command {
	return verb{
		name: "history", usage: "show who changed what, newest first", args: "[COUNT]", max: 1,
		examples: []string{"codis history", "codis history 100 --json"},
		run:      runHistory,
	}.command()
}

// change is a row of CODIS.HISTORY.
type change struct {
	Epoch int64  `json:"epoch"`
	At    string `json:"at"`
	AtMS  int64  `json:"at_ms"`
	Who   string `json:"who"`
	What  string `json:"what"`
}

func runHistory(s *session) error {
	reply, err := s.read(append([]string{"CODIS.HISTORY"}, s.words...)...)
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, 4)
	if err != nil {
		return err
	}
	list := make([]change, len(rows))
	table := [][]string{{"EPOCH", "AT", "WHO", "WHAT"}}
	for i, r := range rows {
		list[i] = change{Epoch: r[0].Int, At: moment(r[1].Int), AtMS: r[1].Int, Who: r[2].Text(), What: r[3].Text()}
		table = append(table, []string{r[0].Text(), list[i].At, list[i].Who, list[i].What})
	}
	if s.json {
		return s.printJSON(list)
	}
	return s.printTable(table)
}
