package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

func assignCommand() *ucli.Command {
	return verb{
		name: "assign", usage: "give unassigned slots to groups", args: "START END GID | auto", min: 1, max: 3,
		about:    "No data moves. auto spreads all unassigned slots evenly over all groups.",
		examples: []string{"codis assign auto", "codis assign 0 511 1"},
		run: func(s *session) error {
			switch {
			case len(s.words) == 1 && strings.EqualFold(s.words[0], "auto"):
				return s.change("CODIS.ASSIGN", "AUTO")
			case len(s.words) == 3:
				return s.change("CODIS.ASSIGN", s.words[0], s.words[1], s.words[2])
			default:
				return usagef("expected START END GID, or auto")
			}
		},
	}.command()
}
