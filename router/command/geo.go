package command

// georadiusKeys: the key, and that of every STORE and STOREDIST. The server
// takes the last of them, COMMAND GETKEYS the first of each; with all of them
// a request that names several must have them in one slot, and is right.
func georadiusKeys(c *Command, dst []int, args [][]byte) ([]int, error) {
	if len(args) < 2 {
		return dst, c.arityError()
	}
	dst = append(dst, 1)
	options := 6 // key, longitude, latitude, radius, unit
	if c.Name == "georadiusbymember" {
		options = 5
	}
	for i := options; i < len(args); i++ {
		switch arg := args[i]; {
		case tokenIs(arg, "count"):
			i++
		case (tokenIs(arg, "store") || tokenIs(arg, "storedist")) && i+1 < len(args):
			i++
			dst = append(dst, i)
		}
	}
	return dst, nil
}
