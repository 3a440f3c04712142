package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"
)

func fsckCommand() *ucli.Command {
	return verb{
		name: "fsck", usage: "look for keys that no client sees, and for what moves have left behind", max: 0, timeout: planTimeout,
		about: "It reads the names of all keys of all masters, which takes about a second for a million keys of one of\n" +
			"them. The exit code is 0 when everything is in order, also after a repair, else 1. --repair refuses while\n" +
			"a job is unfinished. Keys of orphans may be nowhere else: look at them first.",
		examples: []string{"codis fsck", "codis fsck --repair", "codis fsck --repair --orphans"},
		flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "repair", Usage: "delete reserved keys that moves have left behind"},
			&ucli.BoolFlag{Name: "orphans", Usage: "with --repair: also delete keys of slots that another group serves"},
		},
		run: runFsck,
	}.command()
}

// finding is a row of CODIS.FSCK.
type finding struct {
	Kind     string `json:"kind"`
	Group    *int64 `json:"group"`
	Count    int64  `json:"count"`
	Repaired int64  `json:"repaired"`
	Text     string `json:"text"`
}

func runFsck(s *session) error {
	args := []string{"CODIS.FSCK"}
	if s.c.Bool("orphans") && !s.c.Bool("repair") {
		return usagef("--orphans goes with --repair")
	}
	ask := s.read
	if s.c.Bool("repair") {
		args, ask = s.onOff(append(args, "REPAIR"), "orphans", "ORPHANS"), s.send
	}
	reply, err := ask(args...)
	if err != nil {
		return err
	}
	rows, err := rowsOf(reply, 5)
	if err != nil {
		return err
	}
	list := make([]finding, len(rows))
	table := [][]string{{"KIND", "GROUP", "COUNT", "REPAIRED", "FOUND"}}
	open := 0
	for i, r := range rows {
		list[i] = finding{Kind: r[0].Text(), Group: number(r[1]), Count: r[2].Int, Repaired: r[3].Int, Text: r[4].Text()}
		table = append(table, []string{list[i].Kind, optional(list[i].Group), decimal(list[i].Count), decimal(list[i].Repaired), list[i].Text})
		if list[i].Repaired < list[i].Count {
			open++
		}
	}
	switch {
	case s.json:
		err = s.printJSON(list)
	case len(list) == 0:
		_, err = fmt.Fprintln(s.out, "everything is in order")
	default:
		err = s.printTable(table)
	}
	if err == nil && open > 0 {
		err = fmt.Errorf("%d of %d findings are not repaired", open, len(list))
	}
	return err
}
