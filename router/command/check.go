package command

// checker looks at the arguments of one request.
type checker func(c *Command, args [][]byte, slotOf func(key []byte) int) error

// Check looks for what the table can't say of a command as a whole, because
// it depends on the arguments: SORT with patterns that may name keys of other
// slots, XREAD with BLOCK. The error is the text for the client. Only commands
// with FlagCheck have such a check; slotOf gives the slot of a key. It never
// panics, whatever the arguments are.
func (c *Command) Check(args [][]byte, slotOf func(key []byte) int) error {
	if c.check == nil {
		return nil
	}
	return c.check(c, args, slotOf)
}
