// Package cli is the command line of the operations: one subcommand for each
// verb of CODIS.*, sent over RESP to any node. It translates words into commands
// and replies into tables for people or JSON for programs, and decides nothing.
// The main package adds Commands and OnUsageError to its app, hands what the app
// returns to Report, and exits with the code that Report gives.
package cli

import (
	"cmp"
	"os"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// Commands returns the subcommands, in the order of the help. Each call returns
// new ones.
func Commands() []*ucli.Command {
	commands := []*ucli.Command{
		infoCommand(), slotsCommand(), slotCommand(), nodesCommand(), nodeCommand(),
		groupsCommand(), groupCommand(), assignCommand(), migrateCommand(), rebalanceCommand(), jobsCommand(), jobCommand(), fsckCommand(),
		configCommand(), historyCommand(), exportCommand(), importCommand(),
	}
	for _, c := range commands {
		c.Category = "operations"
	}
	return append(commands, completionCommand(), completeCommand())
}

// verb describes a command that talks to a node.
type verb struct {
	name, usage string
	// args is the grammar of the words, min and max their number; max is -1 for any.
	args     string
	min, max int
	// about is further help; examples are whole command lines.
	about    string
	examples []string
	flags    []ucli.Flag
	// timeout is how long an answer may take, 0 for the usual.
	timeout time.Duration
	// watch says that the verb shows something that can be looked at again and again.
	watch bool
	run   func(s *session) error
}

// command makes the ucli.Command of a verb.
func (v verb) command() *ucli.Command {
	description := v.about
	if len(v.examples) > 0 {
		if description != "" {
			description += "\n\n"
		}
		description += "Examples:\n  " + strings.Join(v.examples, "\n  ")
	}
	if v.watch {
		v.flags = append(v.flags, watchFlags()...)
	}
	return &ucli.Command{
		Name: v.name, Usage: v.usage, ArgsUsage: v.args, Description: description,
		Flags: append(v.flags, commonFlags(cmp.Or(v.timeout, defaultTimeout))...),
		// Flags may stand among the words, which the library's own parser does
		// not allow, and "help" may be a key: parseWords does both.
		SkipFlagParsing: true, HideHelpCommand: true,
		Action: func(c *ucli.Context) error { return v.action(c) },
	}
}

// action reads the words, runs the verb and gives its error the form for Report.
func (v verb) action(c *ucli.Context) error {
	words, help, err := parseWords(c)
	if help {
		ucli.HelpPrinter(c.App.Writer, ucli.CommandHelpTemplate, c.Command)
		return nil
	}
	if err == nil && (len(words) < v.min || v.max >= 0 && len(words) > v.max) {
		err = usagef("expected %s", expected(v.args))
	}
	s := &session{c: c, words: words, out: c.App.Writer, json: c.Bool("json"), screen: screenOf(c.App.Writer, os.Getenv)}
	if err == nil {
		defer s.close()
		if v.watch && c.Bool("watch") {
			s.compact = true
			err = s.repeat(v.run)
		} else {
			err = v.run(s)
		}
	}
	if err == nil {
		return nil
	}
	return explain(c, err)
}

// expected names the words that a command takes.
func expected(args string) string {
	if args == "" {
		return "no arguments"
	}
	return args
}

// family makes a command that only holds others.
func family(name, usage string, verbs ...verb) *ucli.Command {
	c := &ucli.Command{Name: name, Usage: usage, HideHelpCommand: true}
	for _, v := range verbs {
		c.Subcommands = append(c.Subcommands, v.command())
	}
	c.OnUsageError = OnUsageError
	c.Action = func(c *ucli.Context) error {
		if c.Args().Present() {
			return explain(c, usagef("there is no command %q", c.Args().First()))
		}
		if err := ucli.ShowSubcommandHelp(c); err != nil {
			return err
		}
		return explain(c, usagef("a command is missing"))
	}
	return c
}
