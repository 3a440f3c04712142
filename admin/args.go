package admin

import (
	"strconv"
	"strings"

	"codis/raftstore/topology"
)

// arity returns the error for a wrong number of arguments, in Redis's words.
func arity(name string) error {
	return refuse("ERR", "see CODIS.HELP", "wrong number of arguments for '%s' command", strings.ToLower(name))
}

// parseSlot reads a slot number.
func parseSlot(arg []byte) (int, error) {
	n, err := strconv.Atoi(string(arg))
	if err != nil {
		return 0, badArg("slot %s is not a number", quote(arg))
	}
	if n < 0 || n >= topology.SlotCount {
		return 0, badArg("slot %d is out of range, slots are 0 to %d", n, topology.SlotCount-1)
	}
	return n, nil
}

// parseSlots reads the first and the last slot of a range.
func parseSlots(first, last []byte) (SlotSpan, error) {
	start, err := parseSlot(first)
	if err != nil {
		return SlotSpan{}, err
	}
	end, err := parseSlot(last)
	if err != nil {
		return SlotSpan{}, err
	}
	if start > end {
		return SlotSpan{}, badArg("the range %d to %d is reversed, the first slot comes first", start, end)
	}
	return SlotSpan{Start: start, End: end}, nil
}

// parseGroup reads a group ID.
func parseGroup(arg []byte) (int, error) {
	n, err := strconv.Atoi(string(arg))
	if err != nil {
		return 0, badArg("group %s is not a number", quote(arg))
	}
	if n < 1 || n > topology.MaxGroupID {
		return 0, badArg("group %d is out of range, groups are 1 to %d", n, topology.MaxGroupID)
	}
	return n, nil
}

// parseAddr reads the host:port of a redis-server.
func parseAddr(arg []byte) (string, error) {
	addr := string(arg)
	return addr, topology.CheckAddr(addr)
}

// parseForce reads the optional last word FORCE.
func parseForce(rest [][]byte) (bool, error) {
	switch {
	case len(rest) == 0:
		return false, nil
	case len(rest) == 1 && is(rest[0], "FORCE"):
		return true, nil
	default:
		return false, badArg("unexpected %s, only FORCE may follow", quote(rest[0]))
	}
}

// parseAuth reads [user] password; an empty password stands for no credentials.
func parseAuth(args [][]byte) (*topology.Credentials, error) {
	auth := &topology.Credentials{}
	switch len(args) {
	case 1:
		auth.Password = string(args[0])
	case 2:
		auth.User, auth.Password = string(args[0]), string(args[1])
	default:
		return nil, badArg("AUTH takes [user] password, %d words were given", len(args))
	}
	if auth.Password == "" {
		if auth.User != "" {
			return nil, badArg("AUTH has a user and an empty password")
		}
		return nil, nil
	}
	return auth, nil
}

// is compares a word of the grammar in any case.
func is(arg []byte, word string) bool { return strings.EqualFold(string(arg), word) }

// maxQuoted bounds how much of a bad argument an error repeats.
const maxQuoted = 64

// quote shows an argument in an error: printable, and cut when long.
func quote(arg []byte) string {
	cut := ""
	if len(arg) > maxQuoted {
		arg, cut = arg[:maxQuoted], "..."
	}
	return strconv.Quote(string(arg)) + cut
}

// shown is an argument for the inside of Redis-like error texts, cut when long.
func shown(arg []byte) string {
	text, cut := strings.CutSuffix(quote(arg), "...")
	text = text[1 : len(text)-1]
	if cut {
		text += "..."
	}
	return text
}

// lower is the form in which the mux looks names up.
func lower(name string) string { return strings.ToLower(name) }
