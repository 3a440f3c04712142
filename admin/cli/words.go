package cli

import (
	"slices"
	"strings"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// Defaults of the common flags. An attachment waits up to a minute for the first
// synchronization of a replica, so that an answer may take that long.
const (
	defaultAddr    = "127.0.0.1:19000"
	defaultTimeout = 90 * time.Second
	dialTimeout    = 3 * time.Second
)

// commonFlags are those of every verb.
func commonFlags(timeout time.Duration) []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "addr", EnvVars: []string{"CODIS_ADDR"}, Value: defaultAddr,
			Usage: "client address of any node; of a comma-separated `LIST` the first that can be reached is asked"},
		&ucli.StringFlag{Name: "user", EnvVars: []string{"CODIS_USER"},
			Usage: "`USER` of the nodes: admin, where changes take a password of their own"},
		&ucli.StringFlag{Name: "password", EnvVars: []string{"CODIS_PASSWORD"},
			Usage: "`PASSWORD` of the nodes; other users of this machine can see it, the environment they can't"},
		&ucli.DurationFlag{Name: "timeout", Value: timeout, Usage: "how long to wait for the answer"},
		&ucli.BoolFlag{Name: "json", Usage: "print JSON for programs"},
	}
}

// parseWords separates flags from words; they may come in any order. Behind "--"
// everything is a word, "-" is one, and so is a negative number.
func parseWords(c *ucli.Context) (words []string, help bool, err error) {
	args := c.Args().Slice()
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(words, args[i+1:]...), false, nil
		}
		if !isFlag(arg) {
			words = append(words, arg)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if name == "help" || name == "h" {
			return nil, true, nil
		}
		at := slices.IndexFunc(c.Command.Flags, func(f ucli.Flag) bool { return slices.Contains(f.Names(), name) })
		if at < 0 {
			return nil, false, usagef("there is no flag --%s", name)
		}
		if !hasValue {
			if _, isBool := c.Command.Flags[at].(*ucli.BoolFlag); isBool {
				value = "true"
			} else if i++; i < len(args) {
				value = args[i]
			} else {
				return nil, false, usagef("flag --%s needs a value", name)
			}
		}
		// The library's error repeats the value; no flag with a secret has a form
		// that Set could refuse.
		if err := c.Set(name, value); err != nil {
			return nil, false, usagef("flag --%s: %v", name, err)
		}
	}
	return words, false, nil
}

// isFlag says whether an argument is a flag and not a word.
func isFlag(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && (arg[1] < '0' || arg[1] > '9')
}
