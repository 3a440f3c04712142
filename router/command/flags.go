package command

import "math/bits"

// Flags is a set of properties of a command. The low ones are the server's
// own, in the order in which its COMMAND reply names them; those from
// FlagDumpRestore up are this proxy's and are not shown to clients.
type Flags uint64

// The server's flags.
const (
	FlagWrite Flags = 1 << iota
	FlagReadonly
	FlagDenyOOM
	FlagModule
	FlagAdmin
	FlagPubSub
	FlagNoScript
	FlagBlocking
	FlagLoading
	FlagStale
	FlagSkipMonitor
	FlagSkipSlowlog
	FlagAsking
	FlagFast
	FlagNoAuth
	FlagMayReplicate
	// FlagNoMandatoryKeys marks the commands that may come without any key
	// (EVAL with numkeys 0).
	FlagNoMandatoryKeys
	FlagProtected
	FlagNoAsyncLoading
	FlagNoMulti
	FlagAllowBusy
	FlagMovableKeys
)

// The proxy's flags.
const (
	// FlagDumpRestore marks what the setting dump-restore switches on.
	FlagDumpRestore Flags = 1 << (iota + 40)
	// FlagFlush marks what the setting flush-commands switches off.
	FlagFlush
	// FlagCheck marks commands whose arguments Check must see: others need
	// not pay for the call.
	FlagCheck
)

// serverFlagNames is in bit order.
var serverFlagNames = [...]string{
	"write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript",
	"blocking", "loading", "stale", "skip_monitor", "skip_slowlog", "asking",
	"fast", "no_auth", "may_replicate", "no_mandatory_keys", "protected",
	"no_async_loading", "no_multi", "allow_busy", "movablekeys",
}

const serverFlags = Flags(1<<len(serverFlagNames) - 1)

// Has reports whether all flags of want are set.
func (f Flags) Has(want Flags) bool { return f&want == want }

// names calls yield for each of the server's flags in f, in the server's order.
func (f Flags) names(yield func(string)) {
	for rest := uint64(f & serverFlags); rest != 0; rest &= rest - 1 {
		yield(serverFlagNames[bits.TrailingZeros64(rest)])
	}
}
