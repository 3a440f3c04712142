package admin

import (
	"context"
	"strings"
)

// command is one row of the grammar: everything that the RESP skin and
// CODIS.HELP know of a command. Either read or change is set.
type command struct {
	// name is the first word, sub the second one where the command has several forms.
	name, sub string
	// args is the rest of the grammar, help one line of text.
	args, help string
	// min and max bound the number of words after name and sub; max is -1 for any.
	min, max int
	// servers says that redis-servers are asked, which takes longer.
	servers bool
	// read answers from this node's own state.
	read func(o *Ops, c *call, args [][]byte) error
	// change reads the arguments; what it returns runs on the leader.
	change func(args [][]byte) (change, error)
}

// change is a change whose arguments have been read.
type change func(ctx context.Context, o *Ops, who Caller) (Done, error)

// words is how the row is named to people.
func (row command) words() string {
	if row.sub == "" {
		return row.name
	}
	return row.name + " " + row.sub
}

// commands returns the grammar, in the order of CODIS.HELP.
func commands() []command {
	return []command{
		{name: "CODIS.INFO", help: "cluster, leader, epoch, health and warnings, as text", max: 0, read: readInfo},
		{name: "CODIS.SLOTS", args: "[start end]", help: "rows: start end phase group|nil master|nil target-group|nil, ranges merged", max: 2, read: readSlots},
		{name: "CODIS.SLOT", args: "key [key ...]", help: "rows: slot group|nil master|nil", min: 1, max: -1, read: readSlot},
		{name: "CODIS.NODES", help: "one row of names and values for each node", max: 0, read: readNodes},
		{name: "CODIS.NODE", sub: "REMOVE", args: "id [FORCE]", help: "take a node out for good; FORCE: although no majority of the rest answers", min: 1, max: 2, change: parseNodeRemove},
		{name: "CODIS.NODE", sub: "TRANSFER", args: "id", help: "hand leadership to a voter", min: 1, max: 1, change: parseNodeTransfer},
		{name: "CODIS.GROUPS", help: "one row of names and values for each group, servers included", max: 0, read: readGroups},
		{name: "CODIS.GROUP", sub: "ADD", args: "gid master [replica ...] [FORCE] [AUTH [user] password]",
			help: "make a group of redis-servers; empty replicas are made to follow the master", min: 2, max: -1, servers: true, change: parseGroupAdd},
		{name: "CODIS.GROUP", sub: "DEL", args: "gid", help: "remove a group that has no slots; its servers are left as they are", min: 1, max: 1, change: parseGroupDel},
		{name: "CODIS.GROUP", sub: "ATTACH", args: "gid addr [FORCE]",
			help: "add a replica; FORCE: its data and its present master may be replaced", min: 2, max: 3, servers: true, change: parseGroupAttach},
		{name: "CODIS.GROUP", sub: "DETACH", args: "gid addr [FORCE]",
			help: "take out a replica; FORCE: also the last one of a group with slots", min: 2, max: 3, change: parseGroupDetach},
		{name: "CODIS.GROUP", sub: "AUTH", args: "gid [user] password",
			help: `credentials for the group's servers; "" for the cluster's own`, min: 2, max: 3, servers: true, change: parseGroupAuth},
		{name: "CODIS.GROUP", sub: "ZONE", args: "gid addr zone", help: `where a server runs, for read-from nearest; "" forgets it`, min: 3, max: 3, change: parseGroupZone},
		{name: "CODIS.ASSIGN", args: "start end gid", help: "give unassigned slots to a group; no data moves", min: 3, max: 3, servers: true, change: parseAssign},
		{name: "CODIS.ASSIGN", sub: "AUTO", help: "spread all unassigned slots evenly over the groups; no data moves", max: 0, servers: true, change: parseAssignAuto},
		{name: "CODIS.CONFIG", sub: "GET", args: "pattern", help: "names and values in turn; secrets are hidden", min: 1, max: 1, read: readConfig},
		{name: "CODIS.CONFIG", sub: "SET", args: "name value", help: "change a setting of the whole cluster, at once", min: 2, max: 2, change: parseConfigSet},
		{name: "CODIS.HISTORY", args: "[count]", help: "rows, newest first: epoch milliseconds who what", max: 1, read: readHistory},
		{name: "CODIS.EXPORT", help: "groups, slots, settings and nodes as JSON, without secrets", max: 0, read: readExport},
		{name: "CODIS.PEER", help: "cluster-id node-id peer-addr, for a node that joins", max: 0, read: readPeer},
		{name: "CODIS.HELP", help: "this text", max: 0, read: readHelp},
	}
}

// find returns the row for a command, or nil with the error to answer.
func find(rows []command, args [][]byte) (*command, error) {
	var plain *command
	named := false
	for i := range rows {
		row := &rows[i]
		if !is(args[0], row.name) {
			continue
		}
		named = true
		switch {
		case row.sub == "":
			plain = row
		case len(args) > 1 && is(args[1], row.sub):
			return row, nil
		}
	}
	switch {
	case plain != nil:
		return plain, nil
	case !named:
		return nil, refuse("ERR", "", "unknown CODIS command '%s', try CODIS.HELP", shown(args[0]))
	case len(args) == 1:
		return nil, arity(string(args[0]))
	default:
		return nil, refuse("ERR", "", "unknown subcommand '%s' of %s, try CODIS.HELP", shown(args[1]), strings.ToUpper(shown(args[0])))
	}
}

// rest returns the words after the command's own, when their number is right.
func (row command) rest(args [][]byte) ([][]byte, error) {
	args = args[1:]
	if row.sub != "" {
		args = args[1:]
	}
	if len(args) < row.min || row.max >= 0 && len(args) > row.max {
		return nil, arity(strings.Replace(row.words(), " ", "|", 1))
	}
	return args, nil
}
