package command

import "strings"

// decisions holds what was decided on each command that is not simply routed
// by its keys. A sub-command without a row has its container's.
var decisions = map[string]decision{
	// Over several slots: divided, one request a group, and joined.
	"mget":   {policy: PolicySplit, join: JoinArray},
	"mset":   {policy: PolicySplit, join: JoinOK},
	"del":    {policy: PolicySplit, join: JoinSum},
	"unlink": {policy: PolicySplit, join: JoinSum},
	"exists": {policy: PolicySplit, join: JoinSum},
	"touch":  {policy: PolicySplit, join: JoinSum},

	// On every master.
	"dbsize":           {policy: PolicyBroadcast, join: JoinSum},
	"flushall":         {policy: PolicyBroadcast, join: JoinOK, flags: FlagFlush},
	"flushdb":          {policy: PolicyBroadcast, join: JoinOK, flags: FlagFlush},
	"script|load":      {policy: PolicyBroadcast, join: JoinSame},
	"script|exists":    {policy: PolicyBroadcast, join: JoinMin},
	"script|flush":     {policy: PolicyBroadcast, join: JoinOK},
	"function|load":    {policy: PolicyBroadcast, join: JoinSame},
	"function|delete":  {policy: PolicyBroadcast, join: JoinOK},
	"function|flush":   {policy: PolicyBroadcast, join: JoinOK},
	"function|restore": {policy: PolicyBroadcast, join: JoinOK},

	// On any master: all know the same.
	"function|list":  {policy: PolicyAny},
	"function|dump":  {policy: PolicyAny},
	"function|stats": {policy: PolicyAny},
	"lolwut":         {policy: PolicyAny},

	// Routed, with something to mind.
	"sort":       {policy: PolicyRoute, check: checkSort},
	"sort_ro":    {policy: PolicyRoute, check: checkSort},
	"xread":      {policy: PolicyRoute, check: checkXRead},
	"xreadgroup": {policy: PolicyRoute, check: checkXRead},
	"dump":       {policy: PolicyRoute, flags: FlagDumpRestore},
	"restore":    {policy: PolicyRoute, flags: FlagDumpRestore},

	// Answered by the proxy.
	"ping":            {policy: PolicyLocal, local: LocalPing},
	"echo":            {policy: PolicyLocal, local: LocalEcho},
	"quit":            {policy: PolicyLocal, local: LocalQuit},
	"time":            {policy: PolicyLocal, local: LocalTime},
	"reset":           {policy: PolicyLocal, local: LocalReset},
	"info":            {policy: PolicyLocal, local: LocalInfo},
	"role":            {policy: PolicyLocal, local: LocalRole},
	"select":          {policy: PolicyLocal, local: LocalSelect},
	"auth":            {policy: PolicyLocal, local: LocalAuth},
	"hello":           {policy: PolicyLocal, local: LocalHello},
	"readonly":        {policy: PolicyLocal, local: LocalReadonly},
	"readwrite":       {policy: PolicyLocal, local: LocalReadwrite},
	"command":         {policy: PolicyLocal, local: LocalCommand},
	"config|get":      {policy: PolicyLocal, local: LocalConfigGet},
	"client|id":       {policy: PolicyLocal, local: LocalClientID},
	"client|getname":  {policy: PolicyLocal, local: LocalClientGetName},
	"client|setname":  {policy: PolicyLocal, local: LocalClientSetName},
	"client|setinfo":  {policy: PolicyLocal, local: LocalClientSetInfo},
	"client|info":     {policy: PolicyLocal, local: LocalClientInfo},
	"client|list":     {policy: PolicyLocal, local: LocalClientList},
	"client|kill":     {policy: PolicyLocal, local: LocalClientKill},
	"client|reply":    {policy: PolicyLocal, local: LocalClientReply},
	"client|no-evict": {policy: PolicyLocal, local: LocalClientNoEvict},
	"client|no-touch": {policy: PolicyLocal, local: LocalClientNoTouch},
	"slowlog|get":     {policy: PolicyLocal, local: LocalSlowLogGet},
	"slowlog|len":     {policy: PolicyLocal, local: LocalSlowLogLen},
	"slowlog|reset":   {policy: PolicyLocal, local: LocalSlowLogReset},
	"slotshashkey":    {policy: PolicyLocal, local: LocalSlotsHashKey},
	"slotsinfo":       {policy: PolicyLocal, local: LocalSlotsInfo},
	"slotsscan":       {policy: PolicyLocal, local: LocalSlotsScan},

	// Blocking commands need a connection to the server that no one shares.
	"blpop":      notYet("BLPOP", pollWith("LPOP")),
	"brpop":      notYet("BRPOP", pollWith("RPOP")),
	"blmove":     notYet("BLMOVE", pollWith("LMOVE")),
	"blmpop":     notYet("BLMPOP", pollWith("LMPOP")),
	"brpoplpush": notYet("BRPOPLPUSH", pollWith("RPOPLPUSH")),
	"bzpopmin":   notYet("BZPOPMIN", pollWith("ZPOPMIN")),
	"bzpopmax":   notYet("BZPOPMAX", pollWith("ZPOPMAX")),
	"bzmpop":     notYet("BZMPOP", pollWith("ZMPOP")),

	// So do transactions.
	"multi":   notYet("MULTI", noTransaction),
	"exec":    notYet("EXEC", noTransaction),
	"discard": notYet("DISCARD", noTransaction),
	"watch":   notYet("WATCH", noTransaction),
	"unwatch": notYet("UNWATCH", noTransaction),

	// And subscriptions.
	"subscribe":    notYet("SUBSCRIBE", noPubSub),
	"unsubscribe":  notYet("UNSUBSCRIBE", noPubSub),
	"psubscribe":   notYet("PSUBSCRIBE", noPubSub),
	"punsubscribe": notYet("PUNSUBSCRIBE", noPubSub),
	"ssubscribe":   notYet("SSUBSCRIBE", noPubSub),
	"sunsubscribe": notYet("SUNSUBSCRIBE", noPubSub),
	"publish":      notYet("PUBLISH", noPubSub),
	"spublish":     notYet("SPUBLISH", noPubSub),
	"pubsub":       notYet("PUBSUB", noPubSub),
	"monitor":      notYet("MONITOR", "run it on each server itself, CODIS.GROUPS lists them"),

	// The key space as a whole.
	"scan":      notYet("SCAN", noKeySpace),
	"keys":      notYet("KEYS", noKeySpace),
	"randomkey": notYet("RANDOMKEY", noKeySpace),

	"client|tracking":     notYet("CLIENT TRACKING", noTracking),
	"client|trackinginfo": notYet("CLIENT TRACKINGINFO", noTracking),
	"client|caching":      notYet("CLIENT CACHING", noTracking),
	"client|getredir":     notYet("CLIENT GETREDIR", noTracking),
	"client|unblock":      notYet("CLIENT UNBLOCK", "close the client's connection with CLIENT KILL"),
	"script|kill":         notYet("SCRIPT KILL", runOnServer),
	"function|kill":       notYet("FUNCTION KILL", runOnServer),

	// WAIT speaks for its own connection's writes, and those went over
	// connections that are shared.
	"wait":    never("WAIT", "the writes of one client go to many servers over shared connections"),
	"waitaof": never("WAITAOF", "the writes of one client go to many servers over shared connections"),

	"cluster": {policy: PolicyRefuse, text: noCluster},
	"asking":  {policy: PolicyRefuse, text: noCluster},

	// Containers whose other sub-commands are above.
	"client":   never("this CLIENT sub-command", "see CLIENT HELP for those that are"),
	"script":   never("this SCRIPT sub-command", "see SCRIPT HELP for those that are"),
	"function": never("this FUNCTION sub-command", "see FUNCTION HELP for those that are"),

	"slowlog": never("this SLOWLOG sub-command", "see SLOWLOG HELP for those that are"),

	"client|pause":   never("CLIENT PAUSE", runOnServer),
	"client|unpause": never("CLIENT UNPAUSE", runOnServer),
	"script|debug":   never("SCRIPT DEBUG", runOnServer),

	"config|set":       never("CONFIG SET", "use CODIS.CONFIG SET for settings of the cluster, or CONFIG SET on a server itself"),
	"config|resetstat": never("CONFIG RESETSTAT", runOnServer),
	"config|rewrite":   never("CONFIG REWRITE", runOnServer),

	"memory|doctor":       never("MEMORY DOCTOR", runOnServer),
	"memory|malloc-stats": never("MEMORY MALLOC-STATS", runOnServer),
	"memory|purge":        never("MEMORY PURGE", runOnServer),
	"memory|stats":        never("MEMORY STATS", runOnServer),

	// What concerns one server, and would break the cluster or its secrets if
	// it came through.
	"acl":            never("ACL", runOnServer),
	"bgrewriteaof":   never("BGREWRITEAOF", runOnServer),
	"bgsave":         never("BGSAVE", runOnServer),
	"debug":          never("DEBUG", runOnServer),
	"failover":       never("FAILOVER", byTheCluster),
	"lastsave":       never("LASTSAVE", runOnServer),
	"latency":        never("LATENCY", runOnServer),
	"migrate":        never("MIGRATE", "slots are moved by the cluster itself"),
	"module":         never("MODULE", runOnServer),
	"pfdebug":        never("PFDEBUG", runOnServer),
	"pfselftest":     never("PFSELFTEST", runOnServer),
	"psync":          never("PSYNC", replicateServer),
	"replconf":       never("REPLCONF", replicateServer),
	"replicaof":      never("REPLICAOF", byTheCluster),
	"restore-asking": never("RESTORE-ASKING", "use RESTORE"),
	"save":           never("SAVE", runOnServer),
	"shutdown":       never("SHUTDOWN", runOnServer),
	"slaveof":        never("SLAVEOF", byTheCluster),
	"swapdb":         never("SWAPDB", "the servers can't swap databases at one moment"),
	"sync":           never("SYNC", replicateServer),
}

// The second half of refusals: why, or what to do instead.
const (
	runOnServer     = "run it on the server itself, CODIS.GROUPS lists them"
	replicateServer = "a replica follows a server, not the proxy"
	byTheCluster    = "the roles of servers are set with CODIS.GROUP"
	noTransaction   = "send the commands without a transaction, or as one EVAL whose keys are in one slot"
	noPubSub        = "subscribe and publish on one server itself, CODIS.GROUPS lists them"
	noKeySpace      = "run it on each server itself, CODIS.GROUPS lists them"
	noTracking      = "connect without client side caching"

	noCluster = "ERR This instance has cluster support disabled"
)

func pollWith(name string) string { return "poll with " + name }

// notYet is the decision on a command that will be supported. what names it.
func notYet(what, instead string) decision {
	return decision{policy: PolicyLater, text: strings.Join([]string{
		"ERR ", what, " is not supported yet by this proxy: ", instead}, "")}
}

// never is the decision on a command that will not be supported.
func never(what, because string) decision {
	return decision{policy: PolicyRefuse, text: strings.Join([]string{
		"ERR ", what, " is not supported by this proxy: ", because}, "")}
}
