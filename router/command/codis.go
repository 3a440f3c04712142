package command

// codisOwn are the commands that Codis's server and proxy have and no other
// server. CODIS.* is not here: the router knows that prefix by itself.
var codisOwn = []row{
	{
		name: "slotshashkey", arity: -2, flags: FlagReadonly | FlagFast,
		info: info{acl: "@read @fast", since: "1.0.0", group: "codis",
			summary: "Return the slots of keys", complexity: "O(N) where N is the number of keys."},
	},
	{
		name: "slotsinfo", arity: -1, flags: FlagReadonly,
		info: info{acl: "@read @slow", since: "1.0.0", group: "codis",
			summary: "Return the number of keys per slot", complexity: "O(N) where N is the number of slots."},
	},
	{
		name: "slotsscan", arity: -3, flags: FlagReadonly,
		info: info{acl: "@read @slow", since: "1.0.0", group: "codis",
			summary: "Iterate over the keys of a slot", complexity: "O(1) for every call."},
	},
}
