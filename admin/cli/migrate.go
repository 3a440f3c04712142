package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"
)

func migrateCommand() *ucli.Command {
	return verb{
		name: "migrate", usage: "move slots, with their keys, to a group", args: "START END GID | --count N FROM-GID TO-GID", min: 2, max: 3, timeout: planTimeout,
		about: "It makes a job and returns; clients read and write the keys all the while. Slots that the group\n" +
			"has already are left out. codis jobs shows the job, codis job pauses, resumes and cancels it.",
		examples: []string{"codis migrate 0 255 3 --dry-run", "codis migrate 0 255 3 --keys 5000", "codis migrate --count 64 1 3", "codis job $(codis migrate 7 7 2 --json | jq .job) wait"},
		flags:    append([]ucli.Flag{&ucli.Int64Flag{Name: "count", Usage: "move `N` slots of a group, its highest, to another one"}}, moveFlags()...),
		run: func(s *session) error {
			switch counted := s.c.IsSet("count"); {
			case counted && len(s.words) == 2:
				return s.move(s.moveWords([]string{"CODIS.MIGRATE", "COUNT", decimal(s.c.Int64("count")), s.words[0], s.words[1]}))
			case counted:
				return usagef("expected --count N FROM-GID TO-GID")
			case len(s.words) != 3:
				return usagef("expected START END GID")
			}
			return s.move(s.moveWords(append([]string{"CODIS.MIGRATE"}, s.words...)))
		},
	}.command()
}

func rebalanceCommand() *ucli.Command {
	return verb{
		name: "rebalance", usage: "share the slots out over the groups", max: 0, timeout: planTimeout,
		about: "It moves as few slots as can be, and none when all is well. A group of weight 2 gets twice the\n" +
			"share of one of weight 1, which is what groups have that are not named; one of weight 0 is drained.",
		examples: []string{"codis rebalance --dry-run", "codis rebalance --by memory", "codis rebalance --weight 3=0   (empties group 3)"},
		flags: append([]ucli.Flag{
			&ucli.StringFlag{Name: "by", Value: "slots", Usage: "what to share out: slots, keys or memory"},
			&ucli.StringSliceFlag{Name: "weight", Usage: "`GID=W` of a group; may be repeated, or be a comma-separated list"},
		}, moveFlags()...),
		run: runRebalance,
	}.command()
}

func runRebalance(s *session) error {
	args := []string{"CODIS.REBALANCE", "BY", s.c.String("by")}
	for i, pair := range s.c.StringSlice("weight") {
		gid, weight, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return usagef("--weight takes GID=W, not %q", pair)
		}
		if i == 0 {
			args = append(args, "WEIGHT")
		}
		args = append(args, gid, weight)
	}
	return s.move(s.moveWords(args))
}
