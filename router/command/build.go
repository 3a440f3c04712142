package command

import (
	"slices"
	"strings"
)

// row is what a server tells of a command: the generated table is made of
// rows, and so are the few that are written by hand. Policy is not here.
type row struct {
	name              string
	arity             int
	flags             Flags
	first, last, step int
	specs             []keySpec
	info              info
	subs              []row
}

// info is what only COMMAND's replies show.
type info struct {
	acl  string // categories, separated by spaces
	tips []string

	summary, since, group, complexity string
	deprecatedSince, replacedBy       string // deprecated when not empty
	syscmd                            bool   // internal to servers
}

var (
	// all are the commands sorted by name. It never changes.
	all = build()
	// byName finds them.
	byName = newIndex(all)
)

// build joins the generated rows, the hand-written ones and the policies.
func build() []*Command {
	commands := make([]*Command, 0, len(generated)+len(newer)+len(codisOwn))
	for _, rows := range [][]row{generated, newer, codisOwn} {
		for i := range rows {
			commands = append(commands, newCommand(&rows[i]))
		}
	}
	sortByName(commands)
	for _, extra := range newerSubs {
		i, found := slices.BinarySearchFunc(commands, container(extra.name), compareName)
		if !found {
			panic("command: no container for " + extra.name)
		}
		commands[i].Subs = append(commands[i].Subs, newCommand(&extra))
		sortByName(commands[i].Subs)
	}
	for _, c := range commands {
		decide(c)
	}
	return commands
}

func newCommand(r *row) *Command {
	c := &Command{
		Name: r.name, Arity: r.arity, Flags: r.flags, Family: familyOf(r.info.group),
		First: r.first, Last: r.last, Step: r.step,
		specs: r.specs, info: &r.info,
	}
	c.extract = extractors[r.name]
	c.numkeys = numkeysErrorsOf(c)
	c.Key = onlyKey(c)
	for i := range r.subs {
		c.Subs = append(c.Subs, newCommand(&r.subs[i]))
	}
	sortByName(c.Subs)
	return c
}

// onlyKey returns the index of a command's key when it has exactly one, at a
// fixed place that every request which passes CheckArity has.
func onlyKey(c *Command) int {
	if c.extract != nil || len(c.specs) != 1 {
		return 0
	}
	s := &c.specs[0]
	simple := s.begin == beginIndex && s.find == findRange && s.lastKey == 0 &&
		s.flags&(keyNotKey|keyIncomplete) == 0
	if !simple || s.pos >= max(c.Arity, -c.Arity) {
		return 0
	}
	return s.pos
}

func sortByName(commands []*Command) {
	slices.SortFunc(commands, func(a, b *Command) int { return strings.Compare(a.Name, b.Name) })
}

func compareName(c *Command, name string) int { return strings.Compare(c.Name, name) }

// container returns what stands before the '|' in a sub-command's name.
func container(name string) string {
	before, _, _ := strings.Cut(name, "|")
	return before
}
