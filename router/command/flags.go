package command

import (
	"math/bits"

	"codis/router/resp"
)

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

// appendNames appends the names of the bits that are set, as an array of
// simple strings in bit order.
func appendNames(dst []byte, names []string, set uint64) []byte {
	dst = resp.AppendArray(dst, bits.OnesCount64(set))
	for ; set != 0; set &= set - 1 {
		dst = resp.AppendSimple(dst, names[bits.TrailingZeros64(set)])
	}
	return dst
}
