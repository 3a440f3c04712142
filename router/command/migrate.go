package command

// migrateKeys serves COMMAND GETKEYS only: the proxy refuses MIGRATE. The key
// is at 3, or they follow KEYS when that one is empty.
func migrateKeys(_ *Command, dst []int, args [][]byte) ([]int, error) {
	if len(args) < 6 {
		return dst, ErrNoKeys
	}
	for i := 6; i < len(args); i++ {
		switch arg := args[i]; {
		case tokenIs(arg, "auth"):
			i++
		case tokenIs(arg, "auth2"):
			i += 2
		case tokenIs(arg, "keys") && i+1 < len(args):
			if len(args[3]) > 0 {
				return dst, ErrNoKeys
			}
			for i++; i < len(args); i++ {
				dst = append(dst, i)
			}
			return dst, nil
		}
	}
	return append(dst, 3), nil
}
