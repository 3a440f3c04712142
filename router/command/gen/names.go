package main

import (
	"fmt"
	"strings"
)

// flagConstants names the constant, without "Flag", of each command flag.
var flagConstants = map[string]string{
	"write": "Write", "readonly": "Readonly", "denyoom": "DenyOOM", "module": "Module",
	"admin": "Admin", "pubsub": "PubSub", "noscript": "NoScript", "blocking": "Blocking",
	"loading": "Loading", "stale": "Stale", "skip_monitor": "SkipMonitor",
	"skip_slowlog": "SkipSlowlog", "asking": "Asking", "fast": "Fast", "no_auth": "NoAuth",
	"may_replicate": "MayReplicate", "no_mandatory_keys": "NoMandatoryKeys",
	"protected": "Protected", "no_async_loading": "NoAsyncLoading", "no_multi": "NoMulti",
	"allow_busy": "AllowBusy", "movablekeys": "MovableKeys",
}

// keyConstants names the constant, without "key", of each flag of a key spec.
var keyConstants = map[string]string{
	"RO": "RO", "RW": "RW", "OW": "OW", "RM": "RM",
	"access": "Access", "update": "Update", "insert": "Insert", "delete": "Delete",
	"not_key": "NotKey", "incomplete": "Incomplete", "variable_flags": "Variable",
}

// constants returns the expression for a set of flags. A name that is not
// known is an error: the flag must first be given a meaning in the package.
func constants(prefix string, known map[string]string, names []string) (string, error) {
	terms := make([]string, len(names))
	for i, name := range names {
		if known[name] == "" {
			return "", fmt.Errorf("unknown flag %q", name)
		}
		terms[i] = prefix + known[name]
	}
	return strings.Join(terms, " | "), nil
}
