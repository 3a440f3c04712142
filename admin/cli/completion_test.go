package cli

import (
	"slices"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

func TestComplete(t *testing.T) {
	for line, want := range map[string][]string{
		"gro":                         {"groups", "group"},
		"group at":                    {"attach"},
		"group --help at":             {"attach"},
		"groups --":                   {"--watch", "--interval", "--addr", "--user", "--password", "--timeout", "--json", "--help"},
		"groups --j":                  {"--json"},
		"nodes --addr ":               nil, // a value
		"nodes --addr=h:1 --wa":       {"--watch"},
		"job 42 re":                   {"resume"},
		"job ":                        nil,
		"config set slowlog-":         {"slowlog-log-slower-than", "slowlog-max-len"},
		"config set timeout ":         nil,
		"completion ":                 shells,
		"assign a":                    {"auto"},
		"rebalance --by slots --dry-": {"--dry-run"},
		"nothing of this kind ":       nil,
		"__comp":                      nil,
	} {
		var got []string
		for _, c := range complete(Commands(), strings.Split(line, " ")) {
			got = append(got, c.word)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func FuzzComplete(f *testing.F) {
	f.Add("group att")
	f.Add("nodes --addr")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		for _, c := range complete(Commands(), words) {
			if !strings.HasPrefix(c.word, words[len(words)-1]) {
				t.Errorf("%q: %q is not what was begun", line, c.word)
			}
		}
	})
}

// elsewhere are the operations whose words are not those of a verb, with the command
// line that does the same; empty for those that people have no use for.
var elsewhere = map[string]string{
	"CODIS.ASSIGN AUTO": "assign", "CODIS.MIGRATE COUNT": "migrate --count", "CODIS.FSCK REPAIR": "fsck --repair",
	"CODIS.JOB PAUSE": "job", "CODIS.JOB RESUME": "job", "CODIS.JOB CANCEL": "job", "CODIS.JOB WAIT": "job", "CODIS.JOB LIMIT": "job", "CODIS.JOB FORCE": "job",
	"CODIS.PEER": "", "CODIS.JSON": "", "CODIS.HELP": "",
}

// TestEveryOperationHasAVerb holds the verbs against CODIS.HELP.
func TestEveryOperationHasAVerb(t *testing.T) {
	client, err := resp.Dial(t.Context(), resp.ClientOptions{Addr: startNode(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	help, err := client.Do(t.Context(), "CODIS.HELP")
	if err != nil {
		t.Fatal(err)
	}
	operations := 0
	for _, line := range help.Strings() {
		words := strings.Fields(line)
		if len(words) == 0 || !strings.HasPrefix(line, "CODIS.") || strings.Contains(line, ":") {
			continue
		}
		operations++
		name := words[0]
		for _, w := range words[1:min(len(words), 3)] { // the sub-command may stand behind an id
			if w == strings.ToUpper(w) && strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
				name += " " + w
				break
			}
		}
		line, known := elsewhere[name]
		if !known {
			line = strings.ToLower(strings.TrimPrefix(name, "CODIS."))
		}
		if line != "" && !hasVerb(Commands(), strings.Fields(line)) {
			t.Errorf("%s: there is no codis %s", name, line)
		}
	}
	if operations < 30 {
		t.Errorf("CODIS.HELP has only %d operations", operations)
	}
}

// hasVerb follows words down the tree of commands; the last may be a flag.
func hasVerb(commands []*ucli.Command, words []string) bool {
	at := slices.IndexFunc(commands, func(c *ucli.Command) bool { return c.Name == words[0] })
	if at < 0 {
		return false
	}
	switch c := commands[at]; {
	case len(words) == 1:
		return c.Action != nil && len(c.Subcommands) == 0
	case strings.HasPrefix(words[1], "--"):
		return slices.ContainsFunc(c.Flags, func(f ucli.Flag) bool { return slices.Contains(f.Names(), words[1][2:]) })
	default:
		return hasVerb(c.Subcommands, words[1:])
	}
}
