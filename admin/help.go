package admin

import (
	"fmt"
	"strings"

	"codis/raftstore/topology"
)

// Help returns the text of CODIS.HELP, line by line: the grammar from the same
// rows that answer it, then how replies look, then the settings.
func (o *Ops) Help() []string {
	var lines []string
	for _, row := range o.rows {
		lines = append(lines, row.grammar(), "    "+row.help)
	}
	lines = append(lines, "",
		"Any node takes any command; a change runs on the leader, and is in this node's table when it is answered.",
		"A change answers OK, or an array when there is something to say: OK, then one note or warning each.",
		"CODIS.MIGRATE and CODIS.REBALANCE: CONSENT: keys of these slots that the target has already, where no client",
		"    sees them, are deleted. KEYS and BYTES: how many a second at most. All of it in any order.",
		"    They look first whether it can work, and make no job when a check fails; FORCE: make it, slots wait until none does.",
		"    DRYRUN answers names and values: slots; ready (0: a check failed); moves, rows: start end from to;",
		"    groups, rows: gid slots-now slots-then load-now|nil load-then|nil; checks, rows: from|nil to|nil name ok|warn|fail text.",
		"A job runs by itself, whatever node leads; what it can't do it tries again, and its reason says why.",
		"An error starts with a code: BADARG NOGROUP NOSERVER NONODE NOJOB EXISTS BUSY STALE: nothing was changed.",
		"    NOPERM: it takes the admin password. SERVER: a redis-server is not fit for it. NOLEADER: there is nobody to make the change.",
		"    UNKNOWN: the change may have been made or not, see CODIS.HISTORY.",
		"", "Settings (CODIS.CONFIG SET name value):")
	for _, d := range topology.Definitions() {
		about := string(d.Kind)
		if len(d.Choices) > 0 {
			about = strings.Join(d.Choices, "|")
		}
		switch {
		case d.Secret:
			about += ", secret"
		case d.Default != "":
			about += ", default " + d.Default
		}
		lines = append(lines, fmt.Sprintf("    %s (%s): %s", d.Name, about, d.Help))
	}
	return lines
}

// helpText is the lines of CODIS.HELP.
type helpText []string

func readHelp(o *Ops, c *call, _ [][]byte) (answer, error) { return helpText(o.Help()), nil }

func (lines helpText) reply(c *call) {
	c.WriteArray(len(lines))
	for _, line := range lines {
		c.WriteBulkString(line)
	}
}
