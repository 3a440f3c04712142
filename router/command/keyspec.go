package command

// keySpec tells where a command's keys are, as a server's COMMAND reply does:
// begin says where the first one is, find where it goes on from there.
type keySpec struct {
	notes string
	flags keyFlags

	begin   beginKind
	pos     int    // beginIndex: index of the first key
	keyword string // beginKeyword: the key follows this argument,
	from    int    // looked for from here; backwards from the end when negative

	find    findKind
	lastKey int // findRange: the last key, from the first one; from the end when negative
	step    int // both: distance of two keys
	limit   int // findRange with lastKey -1: the keys are 1/limit of what is left
	numIdx  int // findKeynum: index of the number of keys, from the first one
	firstIn int // findKeynum: index of the first key, likewise
}

type beginKind uint8

const (
	beginUnknown beginKind = iota
	beginIndex
	beginKeyword
)

var beginNames = [...]string{"unknown", "index", "keyword"}

type findKind uint8

const (
	findUnknown findKind = iota
	findRange
	findKeynum
)

var findNames = [...]string{"unknown", "range", "keynum"}

// keyFlags says what a command does with a key.
type keyFlags uint16

const (
	keyRO keyFlags = 1 << iota
	keyRW
	keyOW
	keyRM
	keyAccess
	keyUpdate
	keyInsert
	keyDelete
	// keyNotKey marks an argument that is routed like a key but is not one
	// (the channel of SPUBLISH).
	keyNotKey
	// keyIncomplete marks a spec that does not find all keys.
	keyIncomplete
	// keyVariable marks flags that depend on the arguments.
	keyVariable
)

// keyFlagNames is in bit order, which is the order of the server's reply.
var keyFlagNames = [...]string{
	"RO", "RW", "OW", "RM", "access", "update", "insert", "delete",
	"not_key", "incomplete", "variable_flags",
}

// appendKeys appends the indexes of the keys that s finds in args of c.
func (s *keySpec) appendKeys(c *Command, dst []int, args [][]byte) ([]int, error) {
	first := s.pos
	switch s.begin {
	case beginKeyword:
		if first = s.afterKeyword(args); first == 0 {
			return dst, nil // the keyword is optional
		}
	case beginUnknown:
		return dst, nil
	}
	step, last := s.step, first+s.lastKey
	switch s.find {
	case findUnknown:
		return dst, nil
	case findKeynum:
		return c.appendCountedKeys(dst, args, first+s.numIdx, first+s.firstIn, step)
	case findRange:
		if s.lastKey < 0 {
			last = len(args) + s.lastKey
		}
		if s.lastKey < 0 && s.limit > 1 {
			last = first + (len(args)-first)/s.limit + s.lastKey
		}
	}
	if first == len(args) && s.lastKey < 0 {
		return dst, nil // PFMERGE with a destination only
	}
	if step < 1 || last >= len(args) || last < first {
		return dst, ErrNoKeys
	}
	if step > 1 && (len(args)-first)%step != 0 {
		return dst, c.arityError() // MSET with a key that has no value
	}
	for i := first; i <= last; i += step {
		dst = append(dst, i)
	}
	return dst, nil
}

// afterKeyword returns the index behind s.keyword, 0 when it is not there.
func (s *keySpec) afterKeyword(args [][]byte) int {
	if s.from >= 0 {
		for i := s.from; i < len(args)-1; i++ {
			if tokenIs(args[i], s.keyword) {
				return i + 1
			}
		}
		return 0
	}
	for i := len(args) + s.from; i > 1; i-- {
		if tokenIs(args[i], s.keyword) {
			return i + 1
		}
	}
	return 0
}
