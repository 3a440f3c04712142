package command

import "codis/router/resp"

// keysQuestion is COMMAND GETKEYS, or GETKEYSANDFLAGS when flags is set.
type keysQuestion struct {
	request [][]byte
	flags   bool
}

func appendGetKeys(dst []byte, q keysQuestion) []byte {
	c := Lookup(q.request[0])
	if c != nil {
		c = c.Resolve(q.request)
	}
	switch {
	case c == nil:
		return resp.AppendError(dst, "ERR Invalid command specified")
	case !c.HasKeys():
		return resp.AppendError(dst, "ERR The command has no key arguments")
	case !c.CheckArity(len(q.request)):
		return resp.AppendError(dst, "ERR Invalid number of arguments specified for command")
	}
	keys, err := c.AppendKeys(nil, q.request)
	if err != nil && !c.Flags.Has(FlagNoMandatoryKeys) {
		return resp.AppendError(dst, string(ErrNoKeys))
	}
	dst = resp.AppendArray(dst, len(keys))
	for i, key := range keys {
		if q.flags {
			dst = resp.AppendArray(dst, 2)
		}
		dst = resp.AppendBulk(dst, q.request[key])
		if q.flags {
			dst = appendNames(dst, keyFlagNames[:], uint64(c.keyFlags(q.request, i)))
		}
	}
	return dst
}

// keyFlags returns what the request does with its nth key.
func (c *Command) keyFlags(request [][]byte, nth int) keyFlags {
	switch {
	case c.Name == "set":
		return setKeyFlags(request)
	case c.Name == "bitfield":
		return bitfieldKeyFlags(request)
	case c.extract == nil:
		return c.specOf(request, nth).flags
	case nth == 0:
		return c.specs[0].flags
	}
	// The commands with an extractor have one kind of further keys.
	return c.specs[len(c.specs)-1].flags &^ keyIncomplete
}

// specOf returns the spec that found the nth key.
func (c *Command) specOf(request [][]byte, nth int) *keySpec {
	last := &c.specs[len(c.specs)-1]
	for i := range c.specs[:len(c.specs)-1] {
		found, err := c.specs[i].appendKeys(c, nil, request)
		if err != nil || nth < len(found) {
			return &c.specs[i]
		}
		nth -= len(found)
	}
	return last
}

// setKeyFlags: SET reads its key only with GET.
func setKeyFlags(request [][]byte) keyFlags {
	for _, arg := range request[3:] {
		if tokenIs(arg, "get") {
			return keyRW | keyAccess | keyUpdate
		}
	}
	return keyOW | keyUpdate
}

// bitfieldKeyFlags: BITFIELD with nothing but GET writes nothing.
func bitfieldKeyFlags(request [][]byte) keyFlags {
	for i := 2; i < len(request); i++ {
		left := len(request) - i - 1
		switch arg := request[i]; {
		case tokenIs(arg, "get") && left >= 2:
			i += 2
		case tokenIs(arg, "overflow") && left >= 1:
			i++
		default:
			return keyRW | keyAccess | keyUpdate
		}
	}
	return keyRO | keyAccess
}
