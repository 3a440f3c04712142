package command

import "strings"

// newer are commands that servers newer than the generated table have, taken
// from their documentation. They are routed whatever the server's version is:
// an older one answers by itself that it doesn't know them.
var newer = []row{
	// Redis 7.2.
	{
		name: "waitaof", arity: 4, flags: FlagBlocking,
		info: info{acl: "@slow @blocking @connection", since: "7.2.0", group: "generic", complexity: "O(1)",
			summary: "Blocks until all of the preceding write commands are written to the append-only file of the master and/or replicas."},
	},

	// Expiry of hash fields: Redis 7.4, Valkey 9.0.
	newerHash("hexpire", -6, expiresFields, "Sets expiry of hash fields by a number of seconds."),
	newerHash("hpexpire", -6, expiresFields, "Sets expiry of hash fields by a number of milliseconds."),
	newerHash("hexpireat", -6, expiresFields, "Sets expiry of hash fields to a Unix time in seconds."),
	newerHash("hpexpireat", -6, expiresFields, "Sets expiry of hash fields to a Unix time in milliseconds."),
	newerHash("hpersist", -5, FlagWrite|FlagFast, "Removes the expiry of hash fields."),
	newerHash("httl", -5, FlagReadonly|FlagFast, "Returns the time to live of hash fields in seconds."),
	newerHash("hpttl", -5, FlagReadonly|FlagFast, "Returns the time to live of hash fields in milliseconds."),
	newerHash("hexpiretime", -5, FlagReadonly|FlagFast, "Returns the expiry of hash fields as a Unix time in seconds."),
	newerHash("hpexpiretime", -5, FlagReadonly|FlagFast, "Returns the expiry of hash fields as a Unix time in milliseconds."),

	// Redis 8.0, Valkey 9.
	newerOne("hgetdel", -5, newerInfo{FlagWrite | FlagFast, "hash", "8.0.0", "Returns the values of hash fields and deletes them."}),
	newerOne("hgetex", -5, newerInfo{FlagWrite | FlagFast, "hash", "8.0.0", "Returns the values of hash fields and optionally sets their expiry."}),
	newerOne("hsetex", -6, newerInfo{FlagWrite | FlagDenyOOM | FlagFast, "hash", "8.0.0", "Sets the values of hash fields and optionally their expiry."}),

	// Redis 8.2.
	newerOne("xackdel", -6, newerInfo{FlagWrite | FlagFast, "stream", "8.2.0", "Acknowledges and deletes entries of a stream's consumer group."}),
	newerOne("xdelex", -5, newerInfo{FlagWrite | FlagFast, "stream", "8.2.0", "Deletes entries of a stream."}),

	// Redis 8.4.
	newerOne("delex", -2, newerInfo{FlagWrite | FlagFast, "string", "8.4.0", "Deletes a key if its value or digest is as expected."}),
	newerOne("digest", 2, newerInfo{FlagReadonly | FlagFast, "string", "8.4.0", "Returns the hash digest of a string."}),
	{
		name: "msetex", arity: -4, flags: FlagWrite | FlagDenyOOM | FlagMovableKeys,
		specs: []keySpec{{flags: keyOW | keyUpdate, begin: beginIndex, pos: 1, find: findKeynum, firstIn: 1, step: 2}},
		info: info{acl: "@write @string @slow", since: "8.4.0", group: "string", complexity: "O(N) where N is the number of keys to set.",
			summary: "Sets several keys of one slot with one expiry."},
	},

	// Valkey 9.0.
	newerOne("delifeq", 3, newerInfo{FlagWrite | FlagFast, "string", "9.0.0", "Deletes a key if its value is the given one."}),

	// Vector sets, which Redis 8.0 has built in as a module.
	newerVector("vadd", -5, FlagWrite|FlagDenyOOM, "Adds an element to a vector set, or updates its vector."),
	newerVector("vcard", 2, FlagReadonly|FlagFast, "Returns the number of elements of a vector set."),
	newerVector("vdim", 2, FlagReadonly|FlagFast, "Returns the dimension of a vector set."),
	newerVector("vemb", -3, FlagReadonly, "Returns the vector of an element."),
	newerVector("vgetattr", 3, FlagReadonly, "Returns the JSON attributes of an element."),
	newerVector("vinfo", 2, FlagReadonly|FlagFast, "Returns information about a vector set."),
	newerVector("vismember", 3, FlagReadonly, "Tells whether an element is in a vector set."),
	newerVector("vlinks", -3, FlagReadonly, "Returns the neighbors of an element at each layer."),
	newerVector("vrandmember", -2, FlagReadonly, "Returns random elements of a vector set."),
	newerVector("vrem", 3, FlagWrite, "Removes an element from a vector set."),
	newerVector("vsetattr", 4, FlagWrite, "Sets the JSON attributes of an element."),
	newerVector("vsim", -4, FlagReadonly, "Returns elements by vector similarity."),
}

// newerSubs are such sub-commands of containers that the generated table has.
var newerSubs = []row{
	{
		name: "client|setinfo", arity: 4, flags: FlagNoScript | FlagLoading | FlagStale,
		info: info{acl: "@slow @connection", since: "7.2.0", group: "connection", complexity: "O(1)",
			summary: "Sets information specific to the client or connection."},
	},
	{
		name: "client|no-touch", arity: 3, flags: FlagNoScript | FlagLoading | FlagStale,
		info: info{acl: "@slow @connection", since: "7.2.0", group: "connection", complexity: "O(1)",
			summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys."},
	},
}

const expiresFields = FlagWrite | FlagDenyOOM | FlagFast

// newerInfo is what differs among commands whose only key comes first.
type newerInfo struct {
	flags                 Flags
	group, since, summary string
}

func newerHash(name string, arity int, flags Flags, summary string) row {
	return newerOne(name, arity, newerInfo{flags, "hash", "7.4.0", summary})
}

func newerVector(name string, arity int, flags Flags, summary string) row {
	return newerOne(name, arity, newerInfo{flags | FlagModule, "vector_set", "8.0.0", summary})
}

// newerOne is the row of a command whose only key comes first.
func newerOne(name string, arity int, i newerInfo) row {
	access, speed, use := "@write", "@slow", keyRW|keyUpdate
	if i.flags.Has(FlagReadonly) {
		access, use = "@read", keyRO|keyAccess
	}
	if i.flags.Has(FlagFast) {
		speed = "@fast"
	}
	category := "@" + strings.ReplaceAll(i.group, "_", "")
	return row{
		name: name, arity: arity, flags: i.flags, first: 1, last: 1, step: 1,
		specs: []keySpec{{flags: use, begin: beginIndex, pos: 1, find: findRange, step: 1}},
		info: info{
			acl: access + " " + category + " " + speed, since: i.since, group: i.group,
			summary: i.summary, complexity: "O(N) where N is the number of arguments.",
		},
	}
}
