package command

// extractor finds the keys of a command whose key specs do not tell, or do
// not always tell what the server's parser of that command does.
type extractor func(c *Command, dst []int, args [][]byte) ([]int, error)

// extractors, by the name of the command. Each stands beside its command's
// other peculiarities: sort.go, stream.go, geo.go, migrate.go.
var extractors = map[string]extractor{
	"sort":              sortKeys,
	"sort_ro":           sortKeys,
	"xread":             xreadKeys,
	"xreadgroup":        xreadKeys,
	"georadius":         georadiusKeys,
	"georadiusbymember": georadiusKeys,
	"migrate":           migrateKeys,
}

// AppendKeys appends the indexes in args of all keys of the command, and
// returns the extended slice. args is the whole request with the name, and
// has passed CheckArity. No keys and no error is the answer for a command
// without keys, and for one with FlagNoMandatoryKeys that came without any.
//
// A request that is wrong in some other way still has its keys found where
// there are any: the server then tells the client what is wrong. Without a
// usable key the error is what the server would answer, to be sent as it is;
// dst is then returned unchanged. Arguments of any kind never make it panic.
func (c *Command) AppendKeys(dst []int, args [][]byte) ([]int, error) {
	if c.Key != 0 {
		if c.Key >= len(args) {
			return dst, c.arityError()
		}
		return append(dst, c.Key), nil
	}
	if c.extract != nil {
		return c.extract(c, dst, args)
	}
	keys := dst
	for i := range c.specs {
		spec := &c.specs[i]
		if spec.flags&keyNotKey != 0 {
			continue
		}
		var err error
		if keys, err = spec.appendKeys(c, keys, args); err != nil {
			return dst, err
		}
	}
	if len(keys) == len(dst) && c.mustHaveKeys() {
		return dst, ErrNoKeys
	}
	return keys, nil
}

func (c *Command) mustHaveKeys() bool {
	return c.HasKeys() && !c.Flags.Has(FlagNoMandatoryKeys)
}

// HasKeys reports whether the command can have keys.
func (c *Command) HasKeys() bool {
	for i := range c.specs {
		if c.specs[i].flags&keyNotKey == 0 {
			return true
		}
	}
	return false
}
