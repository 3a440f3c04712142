package command

import (
	"encoding/binary"
	"math/bits"
)

// Lookup finds a row by its name in any case, sub-commands excepted: see
// Resolve. It returns nil when there is none, and does not allocate.
//
// It stands on the way of every request, so it is not a Go map: a name is
// folded to lower case as at most three machine words, which are hashed by
// two multiplications and compared by three comparisons.
func Lookup(name []byte) *Command {
	if len(name) == 0 || len(name) > maxName {
		return nil
	}
	key := nameKey(name)
	for i := key.hash(); ; i++ {
		slot := &byName[i&(indexSize-1)]
		if slot.command == nil {
			return nil
		}
		if slot.key == key {
			return slot.command
		}
	}
}

const (
	maxName   = 24 // three words
	indexBits = 10 // four times the commands: most names are found at once
	indexSize = 1 << indexBits
)

// words is a folded name: its first, middle and last eight bytes, which
// overlap, and its length. Equal words are equal names.
type words struct{ head, middle, tail, length uint64 }

func nameKey(name []byte) words {
	n := len(name)
	switch {
	case n > 16:
		return words{
			fold(binary.LittleEndian.Uint64(name)),
			fold(binary.LittleEndian.Uint64(name[8:])),
			fold(binary.LittleEndian.Uint64(name[n-8:])),
			uint64(n),
		}
	case n >= 8:
		return words{
			head:   fold(binary.LittleEndian.Uint64(name)),
			tail:   fold(binary.LittleEndian.Uint64(name[n-8:])),
			length: uint64(n),
		}
	case n >= 4:
		low, high := binary.LittleEndian.Uint32(name), binary.LittleEndian.Uint32(name[n-4:])
		return words{head: fold(uint64(low) | uint64(high)<<32), length: uint64(n)}
	}
	// One to three bytes: the first, the middle one and the last.
	w := uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16
	return words{head: fold(w), length: uint64(n)}
}

func (w words) hash() uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 / golden ratio
	high, low := bits.Mul64(w.head^odd, (w.tail+w.middle*3+w.length)^(odd>>1))
	return ((high ^ low) * odd) >> (64 - indexBits)
}

// fold makes the ASCII capitals among the eight bytes of w small, and leaves
// every other byte alone (or-ing 0x20 in would make '\r' a '-', and an
// unknown name a known one).
func fold(w uint64) uint64 {
	const ones = 0x0101010101010101
	low := w &^ (0x80 * ones)
	fromA := low + (0x80-'A')*ones
	pastZ := low + (0x80-'Z'-1)*ones
	capital := (fromA &^ pastZ &^ w) & (0x80 * ones)
	return w | capital>>2
}

// index is an open-addressed hash table that is never full. A slot holds the
// name itself, so that a hit touches one line of cache.
type index [indexSize]indexSlot

type indexSlot struct {
	key     words
	command *Command
}

func newIndex(commands []*Command) *index {
	ix := &index{}
	for _, c := range commands {
		key := nameKey([]byte(c.Name))
		i := key.hash()
		for ix[i&(indexSize-1)].command != nil {
			i++
		}
		ix[i&(indexSize-1)] = indexSlot{key, c}
	}
	return ix
}
