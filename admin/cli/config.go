package cli

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"codis/raftstore/topology"
)

func configCommand() *ucli.Command {
	return family("config", "show and change the cluster's settings",
		verb{
			name: "get", usage: "show settings", args: "[PATTERN]", max: 1,
			about:    "The pattern is a glob. Secrets are never shown.",
			examples: []string{"codis config get", "codis config get 'client-*'"},
			run:      runConfigGet,
		},
		verb{
			name: "set", usage: "change a setting of the whole cluster, at once", args: "NAME VALUE", min: 2, max: 2,
			about:    "The value - of a secret is read from the standard input.\n\nSettings:\n" + settingsHelp(),
			examples: []string{"codis config set read-from nearest", "codis config set backend-password - < password.txt"},
			run:      runConfigSet,
		},
	)
}

// settingsHelp lists the settings that this version knows.
func settingsHelp() string {
	var lines []string
	for _, d := range topology.Definitions() {
		lines = append(lines, fmt.Sprintf("  %s: %s", d.Name, d.Help))
	}
	return strings.Join(lines, "\n")
}

func runConfigGet(s *session) error {
	pattern := "*"
	if len(s.words) == 1 {
		pattern = s.words[0]
	}
	reply, err := s.read("CODIS.CONFIG", "GET", pattern)
	if err != nil {
		return err
	}
	words, err := wordsOf(reply)
	if err != nil {
		return err
	}
	if len(words)%2 != 0 {
		return errReply("a name without a value")
	}
	values := map[string]string{}
	table := [][]string{{"NAME", "VALUE"}}
	for i := 0; i < len(words); i += 2 {
		values[words[i]] = words[i+1]
		table = append(table, []string{words[i], words[i+1]})
	}
	if len(values) == 0 {
		return fmt.Errorf("no setting matches %q", pattern)
	}
	if s.json {
		return s.printJSON(values)
	}
	return s.printTable(table)
}

func runConfigSet(s *session) error {
	value := s.words[1]
	if d, ok := topology.FindSetting(strings.ToLower(s.words[0])); ok && d.Secret {
		var err error
		if value, err = s.secret(value); err != nil {
			return err
		}
	}
	return s.change("CODIS.CONFIG", "SET", s.words[0], value)
}
