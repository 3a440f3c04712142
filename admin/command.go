package admin

import (
	"context"
	"slices"
	"strings"
)

// command is one row of the grammar: everything that the RESP skin and
// CODIS.HELP know of a command. Either read or change is set, but for CODIS.JSON.
type command struct {
	// name is the first word, sub the second one where the command has several forms.
	name, sub string
	// args is the rest of the grammar, help one line of text.
	args, help string
	// min and max bound the number of words after name and sub; max is -1 for any.
	min, max int
	// at is the place of sub, 0 for the usual one behind name.
	at int
	// servers says that redis-servers are asked, which takes longer, and keys that
	// all their keys are read, which takes much longer.
	servers, keys bool
	// leader says that the leader knows more: it is asked first, and this node's own
	// state is second best.
	leader bool
	// json says that what follows is a command whose answer is wanted as JSON; the
	// row has neither read nor change.
	json bool
	// read answers from this node's own state.
	read func(o *Ops, c *call, args [][]byte) (answer, error)
	// change reads the arguments; what it returns runs on the leader.
	change func(args [][]byte) (change, error)
}

// change is a change whose arguments have been read.
type change func(ctx context.Context, o *Ops, who Caller) (answer, error)

// answer is what a command has come to: its reply, and the same as a value for
// encoding/json.
type answer interface {
	reply(c *call)
	view() any
}

// words is how the row is named to people.
func (row command) words() string {
	if row.sub == "" {
		return row.name
	}
	return row.name + " " + row.sub
}

// grammar is the row's line in CODIS.HELP.
func (row command) grammar() string {
	words := []string{row.name, row.sub, row.args}
	if row.place() == 2 {
		id, rest, _ := strings.Cut(row.args, " ")
		words = []string{row.name, id, row.sub, rest}
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// place is where sub stands.
func (row command) place() int { return max(row.at, 1) }

// commands returns the grammar, in the order of CODIS.HELP.
func commands() []command {
	return []command{
		{name: "CODIS.INFO", help: "cluster, leader, epoch, health and warnings, as text", max: 0, read: readInfo},
		{name: "CODIS.SLOTS", args: "[start end]", help: "rows: start end phase group|nil master|nil target-group|nil, ranges merged", max: 2, read: readSlots},
		{name: "CODIS.SLOT", args: "key [key ...]", help: "rows: slot group|nil master|nil", min: 1, max: -1, read: readSlot},
		{name: "CODIS.NODES", help: "one row of names and values for each node; from renewed-ms on they are the leader's, nil without one", max: 0, read: readNodes},
		{name: "CODIS.NODE", sub: "REMOVE", args: "id [FORCE]", help: "take a node out for good; FORCE: although the rest would have no majority that answers; it takes a leader", min: 1, max: 2, change: parseNodeRemove},
		{name: "CODIS.NODE", sub: "TRANSFER", args: "id", help: "hand leadership to a voter", min: 1, max: 1, change: parseNodeTransfer},
		{name: "CODIS.GROUPS", help: "one row of names and values for each group, servers included", max: 0, read: readGroups},
		{name: "CODIS.GROUP", sub: "ADD", args: "gid master [replica ...] [FORCE] [AUTH [user] password]",
			help: "make a group of redis-servers; empty replicas are made to follow the master", min: 2, max: -1, servers: true, change: parseGroupAdd},
		{name: "CODIS.GROUP", sub: "DEL", args: "gid", help: "remove a group that has no slots; its servers are left as they are", min: 1, max: 1, change: parseGroupDel},
		{name: "CODIS.GROUP", sub: "ATTACH", args: "gid addr [FORCE]",
			help: "add a replica, and wait for its copy of the data for a minute at most; FORCE: its data and its present master may be replaced", min: 2, max: 3, servers: true, change: parseGroupAttach},
		{name: "CODIS.GROUP", sub: "DETACH", args: "gid addr [FORCE]",
			help: "take out a replica; FORCE: also the last one of a group with slots", min: 2, max: 3, change: parseGroupDetach},
		{name: "CODIS.GROUP", sub: "PROMOTE", args: "gid addr [FORCE]",
			help: "make a replica the master, with nothing lost; FORCE: give the old master up, with what only it has", min: 2, max: 3, servers: true, change: parseGroupPromote},
		{name: "CODIS.GROUP", sub: "REPLACE", args: "gid addr FORCE",
			help: "put an empty or restored server in the place of a dead master; what it has not is lost", min: 2, max: 3, servers: true, change: parseGroupReplace},
		{name: "CODIS.GROUP", sub: "AUTH", args: "gid [user] password",
			help: `credentials for the group's servers; "" for the cluster's own`, min: 2, max: 3, servers: true, change: parseGroupAuth},
		{name: "CODIS.GROUP", sub: "ZONE", args: "gid addr zone", help: `where a server runs, for read-from nearest; "" forgets it`, min: 3, max: 3, change: parseGroupZone},
		{name: "CODIS.ASSIGN", args: "start end gid", help: "give unassigned slots to a group; no data moves", min: 3, max: 3, servers: true, change: parseAssign},
		{name: "CODIS.ASSIGN", sub: "AUTO", help: "spread all unassigned slots evenly over the groups; no data moves", max: 0, servers: true, change: parseAssignAuto},
		{name: "CODIS.MIGRATE", args: "start end gid [DRYRUN] [CONSENT] [FORCE] [KEYS n] [BYTES n]",
			help: "move slots, with their keys, to a group: a job's id; DRYRUN: what it would move, and whether it could",
			min:  3, max: 10, keys: true, change: parseMigrate},
		{name: "CODIS.MIGRATE", sub: "COUNT", args: "n from-gid to-gid [DRYRUN] [CONSENT] [FORCE] [KEYS n] [BYTES n]",
			help: "move so many slots of a group, its highest, to another one: as above", min: 3, max: 10, keys: true, change: parseMigrateCount},
		{name: "CODIS.REBALANCE", args: "[DRYRUN] [BY slots|keys|memory] [WEIGHT gid w ...] [CONSENT] [FORCE] [KEYS n] [BYTES n]",
			help: "share the slots out by moving as few as can be: a job's id, or nil when all is well; weight 0 drains a group",
			max:  -1, keys: true, change: parseRebalance},
		{name: "CODIS.JOBS", help: "one row of names and values for each job, the newest first", max: 0, leader: true, read: readJobs},
		{name: "CODIS.JOB", args: "id", help: "names and values of one job", min: 1, max: 2, leader: true, read: readJob},
		{name: "CODIS.JOB", sub: "PAUSE", at: 2, args: "id", help: "begin no further slots; what is under way stays as it is and is served", min: 1, max: 1, change: parseJobPause},
		{name: "CODIS.JOB", sub: "RESUME", at: 2, args: "id", help: "go on", min: 1, max: 1, change: parseJobResume},
		{name: "CODIS.JOB", sub: "CANCEL", at: 2, args: "id", help: "move no further slots; those that are being moved go back", min: 1, max: 1, change: parseJobCancel},
		{name: "CODIS.JOB", sub: "FORCE", at: 2, args: "id",
			help: "go on although a server has lost which keys were moved: those that the target has count, deleted ones may come back", min: 1, max: 1, change: parseJobForce},
		{name: "CODIS.JOB", sub: "LIMIT", at: 2, args: "id [KEYS n] [BYTES n]",
			help: "how many keys and bytes a second it may move from now on; 0: what the settings say", min: 3, max: 5, change: parseJobLimit},
		{name: "CODIS.JOB", sub: "WAIT", at: 2, args: "id seconds", help: "the job's names and values once it is at its end, or the time is over", min: 2, max: 2, read: readJobWait},
		{name: "CODIS.FSCK", help: "look for slots without a group and keys that no client sees: rows kind group|nil count repaired text", max: 0, keys: true, read: readFsck},
		{name: "CODIS.FSCK", sub: "REPAIR", args: "[ORPHANS]",
			help: "delete what moves have left behind; ORPHANS: also keys of slots that another group serves", max: 1, keys: true, change: parseFsckRepair},
		{name: "CODIS.CONFIG", sub: "GET", args: "pattern", help: "names and values in turn; secrets are hidden", min: 1, max: 1, read: readConfig},
		{name: "CODIS.CONFIG", sub: "SET", args: "name value", help: "change a setting of the whole cluster, at once", min: 2, max: 2, servers: true, change: parseConfigSet},
		{name: "CODIS.HISTORY", args: "[count]", help: "rows, newest first: epoch milliseconds who what", max: 1, read: readHistory},
		{name: "CODIS.EXPORT", help: "groups, slots, settings and nodes as JSON, without secrets", max: 0, read: readExport},
		{name: "CODIS.IMPORT", args: "json [DRYRUN]",
			help: "build groups, slots and settings from the text of CODIS.EXPORT, or of Codis 3 (codis-admin --config-dump); only on a cluster without groups",
			min:  1, max: 2, keys: true, change: parseImport},
		{name: "CODIS.PEER", help: "cluster-id node-id peer-addr, for a node that joins", max: 0, read: readPeer},
		{name: "CODIS.JSON", args: "command [word ...]", help: "the answer of a CODIS command as JSON, as the HTTP API gives it", min: 1, max: -1, json: true},
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
		case len(args) > row.place() && is(args[row.place()], row.sub):
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
	if row.sub == "" {
		args = args[1:]
	} else {
		args = slices.Delete(slices.Clone(args), row.place(), row.place()+1)[1:]
	}
	if len(args) < row.min || row.max >= 0 && len(args) > row.max {
		return nil, arity(strings.Replace(row.words(), " ", "|", 1))
	}
	return args, nil
}
