package command

import "bytes"

const (
	errSortBy = Error("ERR BY option of SORT denied: keys formed by the pattern may be in another slot; " +
		"put the hash tag of the sorted key before the *, or use BY nosort")
	errSortGet = Error("ERR GET option of SORT denied: keys formed by the pattern may be in another slot; " +
		"put the hash tag of the sorted key before the *")
)

// sortOptions calls see for each option of SORT that names keys, with the
// index of its argument. It reads the request as the server's own parser
// does, up to the first thing that the server refuses: COMMAND GETKEYS takes
// `SORT k STORE limit STORE a` for a store to "limit", the server stores to a.
func sortOptions(args [][]byte, see func(option string, at int)) {
	for i := 2; i < len(args); i++ {
		left := len(args) - i - 1
		switch arg := args[i]; {
		case tokenIs(arg, "asc"), tokenIs(arg, "desc"), tokenIs(arg, "alpha"):
		case tokenIs(arg, "limit") && left >= 2:
			i += 2
		case tokenIs(arg, "store") && left >= 1:
			see("store", i+1)
			i++
		case tokenIs(arg, "by") && left >= 1:
			see("by", i+1)
			i++
		case tokenIs(arg, "get") && left >= 1:
			see("get", i+1)
			i++
		default:
			return
		}
	}
}

// sortKeys: the sorted key, and the key of the last STORE, which is the one
// that the server takes. SORT_RO refuses STORE.
func sortKeys(c *Command, dst []int, args [][]byte) ([]int, error) {
	if len(args) < 2 {
		return dst, c.arityError()
	}
	dst = append(dst, 1)
	store := 0
	sortOptions(args, func(option string, at int) {
		if option == "store" {
			store = at
		}
	})
	if store == 0 || c.Flags.Has(FlagReadonly) {
		return dst, nil
	}
	return append(dst, store), nil
}

// checkSort refuses patterns that may name keys of other slots. The server
// that sorts does not have those, and would sort by nothing without a word.
func checkSort(_ *Command, args [][]byte, slotOf func(key []byte) int) (err error) {
	if len(args) < 2 {
		return nil
	}
	sorted := slotOf(args[1])
	sortOptions(args, func(option string, at int) {
		if option == "store" || err != nil || patternStays(args[at], slotOf, sorted) {
			return
		}
		if err = errSortGet; option == "by" {
			err = errSortBy
		}
	})
	return err
}

// patternStays reports whether every key that pattern can name is in slot.
// Without a '*' it names none: BY then means not to sort, GET # is the element
// itself, and any other GET is nil. With one, the element stands in its place,
// so that only a hash tag that is complete before it is certain.
func patternStays(pattern []byte, slotOf func(key []byte) int, slot int) bool {
	star := bytes.IndexByte(pattern, '*')
	if star < 0 {
		return true
	}
	open := bytes.IndexByte(pattern[:star], '{')
	if open < 0 || bytes.IndexByte(pattern[open:star], '}') < 0 {
		return false
	}
	return slotOf(pattern) == slot
}
