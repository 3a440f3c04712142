package command

const errXReadBlock = Error("ERR BLOCK is not supported yet by this proxy: poll without BLOCK")

// xreadOptions reads XREAD and XREADGROUP as the server's own parser does. It
// returns the index of the first key, 0 without STREAMS, and whether there is
// a BLOCK before it. A consumer may be called STREAMS: looking for that word
// anywhere, as the key spec says, would take the wrong keys.
func xreadOptions(args [][]byte) (first int, block bool) {
	for i := 1; i < len(args); i++ {
		switch arg := args[i]; {
		case tokenIs(arg, "streams"):
			return i + 1, block
		case tokenIs(arg, "block"):
			block = true
			i++
		case tokenIs(arg, "count"), tokenIs(arg, "claim"):
			i++
		case tokenIs(arg, "group"):
			i += 2
		}
	}
	return 0, block
}

// xreadKeys: the first half of what follows STREAMS, the other half are IDs.
// When the halves differ the server refuses; any of the keys leads there.
func xreadKeys(_ *Command, dst []int, args [][]byte) ([]int, error) {
	first, _ := xreadOptions(args)
	if first == 0 || first >= len(args) {
		return dst, ErrSyntax
	}
	count := max((len(args)-first)/2, 1)
	for i := first; i < first+count; i++ {
		dst = append(dst, i)
	}
	return dst, nil
}

// checkXRead refuses BLOCK: it would stop the connection that others share.
func checkXRead(_ *Command, args [][]byte, _ func(key []byte) int) error {
	if _, block := xreadOptions(args); block {
		return errXReadBlock
	}
	return nil
}
