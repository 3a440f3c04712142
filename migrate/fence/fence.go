// Package fence is the protocol by which a slot's keys travel between two
// redis-servers while clients use them: the names of the reserved keys and the
// Lua scripts that test and change them together with the clients' keys. The
// router runs a key's scripts when a client asks for a key of a moving slot, the
// mover of package migrate runs the batch scripts for all the others. Every
// script is harmless whoever sends it, however often and however late: it finds
// that its work is done (DONE) or not its work any more (FENCED).
//
// It is a leaf without I/O: builders append requests, parsers read replies. Works
// with Redis from 5.0 on, and Valkey.
package fence

import (
	"bytes"
	"strconv"
	"strings"
)

// Prefix begins the names of all reserved keys. Clients may not use such names.
// It begins with a zero byte, which no name does that was made by a person.
const Prefix = "\x00codis:"

const (
	fencePrefix = Prefix + "fence:"
	movedPrefix = Prefix + "moved:"
	waitPrefix  = Prefix + "wait:"

	copyPrefix   = Prefix + "copy:"
	copiesPrefix = Prefix + "copies:"
	wantedPrefix = Prefix + "wanted:"
	// ProbeKey is written, with an expiry of seconds, to learn whether one server
	// reads the values of another.
	ProbeKey = Prefix + "probe"
	// GroupKey is, in database 0 of every server of a group that has had a turn, the
	// epoch of the last one: role commands are fenced with it.
	GroupKey = Prefix + "group"
	// marker is the member that keeps a moved set in existence while no key has
	// moved yet. It is a reserved name, so that it is no key's.
	marker = Prefix + "marker"
)

// IsReserved says whether a key is one of ours, which clients may neither see nor
// use.
func IsReserved(key []byte) bool {
	return len(key) >= len(Prefix) && key[0] == 0 && string(key[:len(Prefix)]) == Prefix
}

// Kind is what a reserved key is for.
type Kind uint8

const (
	// KindFence is X(epoch), at the group that a batch of slots leaves, in every
	// database: a string, the epoch of the move.
	KindFence Kind = iota + 1
	// KindMoved is M(slot, epoch), at the group that a slot goes to, in every
	// database: the set of the slot's keys that are there already, and a marker.
	KindMoved
	// KindWait is written before a WAIT, at the group that slots go to; it expires
	// by itself.
	KindWait
	// KindProbe is ProbeKey.
	KindProbe
	// KindGroup is GroupKey; it stays.
	KindGroup
	// KindCopy is a big key that is being copied to the group that its slot goes to, in
	// the key's database; it expires by itself.
	KindCopy
	// KindCopies is the set of a move's KindCopy in one database; it expires by itself.
	KindCopies
	// KindWanted is the set of big keys that requests wait for, in the keys' database, at
	// the group that they go to; it expires by itself.
	KindWanted
)

// Expires says whether keys of that kind go by themselves.
func (k Kind) Expires() bool {
	switch k {
	case KindWait, KindProbe, KindCopy, KindCopies, KindWanted:
		return true
	}
	return false
}

func (k Kind) String() string {
	switch k {
	case KindFence:
		return "fence"
	case KindMoved:
		return "moved"
	case KindWait:
		return "wait"
	case KindProbe:
		return "probe"
	case KindGroup:
		return "group"
	case KindCopy:
		return "copy"
	case KindCopies:
		return "copies"
	case KindWanted:
		return "wanted"
	}
	return "unknown"
}

// Reserved is what the name of a reserved key says.
type Reserved struct {
	Kind Kind
	// Slot is that of moved sets and copies, else -1.
	Slot int
	// Epoch is 0 for KindProbe and KindGroup.
	Epoch uint64
}

// ParseKey reads the name of a reserved key. ok is false for other names, also
// such as begin with Prefix but are none of this version's.
func ParseKey(key []byte) (r Reserved, ok bool) {
	if !IsReserved(key) {
		return Reserved{}, false
	}
	kind, rest, _ := strings.Cut(string(key[len(Prefix):]), ":")
	switch kind {
	case "fence":
		epoch, err := strconv.ParseUint(rest, 10, 64)
		return Reserved{Kind: KindFence, Slot: -1, Epoch: epoch}, err == nil
	case "moved":
		r.Kind = KindMoved
		name, epoch, _ := strings.Cut(rest, ":")
		slot, err := strconv.ParseUint(name, 10, 16)
		if err != nil {
			return Reserved{}, false
		}
		r.Slot = int(slot)
		r.Epoch, err = strconv.ParseUint(epoch, 10, 64)
		return r, err == nil
	case "group":
		return Reserved{Kind: KindGroup, Slot: -1}, rest == "" && string(key) == GroupKey
	case "probe":
		return Reserved{Kind: KindProbe, Slot: -1}, rest == ""
	case "copy":
		name, of, _ := strings.Cut(rest, ":")
		slot, err := strconv.ParseUint(name, 10, 16)
		epoch, attempt, _ := strings.Cut(of, ":")
		if _, bad := strconv.ParseUint(attempt, 16, 64); err != nil || bad != nil {
			return Reserved{}, false
		}
		r = Reserved{Kind: KindCopy, Slot: int(slot)}
		r.Epoch, err = strconv.ParseUint(epoch, 10, 64)
		return r, err == nil
	}
	if r.Kind = map[string]Kind{"wait": KindWait, "copies": KindCopies, "wanted": KindWanted}[kind]; r.Kind == 0 {
		return Reserved{}, false
	}
	r.Slot = -1
	var err error
	r.Epoch, err = strconv.ParseUint(rest, 10, 64)
	return r, err == nil
}

// AppendFenceKey appends the name of X(epoch).
func AppendFenceKey(dst []byte, epoch uint64) []byte {
	return strconv.AppendUint(append(dst, fencePrefix...), epoch, 10)
}

// AppendMovedKey appends the name of M(slot, epoch).
func AppendMovedKey(dst []byte, slot int, epoch uint64) []byte {
	dst = strconv.AppendInt(append(dst, movedPrefix...), int64(slot), 10)
	return strconv.AppendUint(append(dst, ':'), epoch, 10)
}

// AppendWaitKey appends the name of the key that is written before a WAIT.
func AppendWaitKey(dst []byte, epoch uint64) []byte {
	return strconv.AppendUint(append(dst, waitPrefix...), epoch, 10)
}

// number reads the line of an integer or a length, after its type byte.
func number(b []byte) (n int64, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 1 || b[end-1] != '\r' {
		return 0, nil, false
	}
	line := b[:end-1]
	negative := len(line) > 0 && line[0] == '-'
	if negative {
		line = line[1:]
	}
	if len(line) == 0 || len(line) > 18 {
		return 0, nil, false
	}
	for _, c := range line {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, b[end+1:], true
}
