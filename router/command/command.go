// Package command holds the table of commands: one row a command with all
// that the proxy knows of it (arity, flags, where the keys are, what to do
// with it), the lookup of a row by name, the extraction of keys, and the
// replies of COMMAND. The facts are generated from the replies of a real
// server; the policy is written by hand (see DESIGN.md). The package does no
// I/O, starts no goroutine and changes nothing after start-up: every function
// may be called from every event loop. The router is its only caller.
package command

// Policy says what the proxy does with a command. The zero value refuses, so
// that a row which nobody decided on is never forwarded.
type Policy uint8

const (
	// PolicyRefuse is answered with Command.Text: never supported here.
	PolicyRefuse Policy = iota
	// PolicyLater is answered with Command.Text: not supported yet.
	PolicyLater
	// PolicyRoute goes whole to the group of its keys' slot. A command with
	// FlagNoMandatoryKeys may have no key (EVAL with numkeys 0): such a
	// request is treated as PolicyAny.
	PolicyRoute
	// PolicySplit is divided over the groups of its keys, and its replies are
	// joined in request order by Command.Join.
	PolicySplit
	// PolicyBroadcast goes to the master of every group, joined by Command.Join.
	PolicyBroadcast
	// PolicyAny goes to any one master: all of them give the same answer.
	PolicyAny
	// PolicyLocal is answered by the proxy itself, see Command.Local.
	PolicyLocal
)

var policyNames = [...]string{"refuse", "later", "route", "split", "broadcast", "any", "local"}

func (p Policy) String() string { return nameOf(policyNames[:], int(p)) }

// Join says how the replies of a split or broadcast command become one.
// An error reply of any part is the reply of the whole, whatever the Join.
type Join uint8

const (
	// JoinNone is for commands that have one reply.
	JoinNone Join = iota
	// JoinArray puts one array element per key in request order (MGET).
	JoinArray
	// JoinOK answers +OK when every part did (MSET, FLUSHALL).
	JoinOK
	// JoinSum adds integers (DEL, DBSIZE).
	JoinSum
	// JoinSame answers what all parts answered alike (SCRIPT LOAD).
	JoinSame
	// JoinMin is the element-wise minimum of arrays of integers (SCRIPT EXISTS).
	JoinMin
)

var joinNames = [...]string{"-", "array", "ok", "sum", "same", "min"}

func (j Join) String() string { return nameOf(joinNames[:], int(j)) }

// Command is one row of the table. Rows are immutable and live as long as the
// process: callers keep pointers to them.
type Command struct {
	// Name is lower case; a sub-command is "container|sub", as in Redis.
	Name string
	// Arity counts the arguments with the name: exact when positive, at
	// least -Arity when negative. Sub-commands count the container's name too.
	Arity  int
	Flags  Flags
	Policy Policy
	Join   Join
	Local  Local
	Family Family

	// Key is the index of the only key, 0 when it is not that simple: then
	// AppendKeys knows. A request that passes CheckArity has this argument.
	Key int
	// First, Last and Step are the legacy key range of COMMAND's reply. Last
	// counts from the end when negative. Commands whose keys move have more
	// keys than this range tells: AppendKeys is what counts.
	First, Last, Step int

	// Text is the error text ("ERR ...", without '-' and CRLF) of
	// PolicyRefuse and PolicyLater.
	Text string
	// Subs are the sub-commands of a container, sorted by name.
	Subs []*Command

	specs   []keySpec
	extract extractor
	numkeys numkeysErrors
	check   checker
	info    *info
}

// CheckArity reports whether a request of n arguments, the name included, has
// a number of arguments that the command takes. The reply to one that has not
// is AppendArityError's.
func (c *Command) CheckArity(n int) bool {
	if c.Arity >= 0 {
		return n == c.Arity
	}
	return n >= -c.Arity
}

// Resolve returns the row that serves args: the sub-command's when c is a
// container, else c itself. It returns nil for an unknown sub-command, to be
// answered with AppendUnknown. A container's name alone gives the container,
// whose CheckArity then fails (or passes, for COMMAND).
func (c *Command) Resolve(args [][]byte) *Command {
	if c.Subs == nil || len(args) < 2 {
		return c
	}
	for _, sub := range c.Subs {
		if equalFold(args[1], sub.Name[len(c.Name)+1:]) {
			return sub
		}
	}
	return nil
}

// Supported reports whether the proxy serves the command in any form. COMMAND
// lists these and no others.
func (c *Command) Supported() bool {
	return c.Policy != PolicyRefuse && c.Policy != PolicyLater
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "invalid"
}
