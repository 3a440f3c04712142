package command

import (
	"strings"

	"codis/router/resp"
)

// appendInfos answers COMMAND INFO. A name that is not supported gives nil.
func appendInfos(dst []byte, names [][]byte) []byte {
	if len(names) == 0 {
		return append(dst, everyInfo()...)
	}
	dst = resp.AppendArray(dst, len(names))
	for _, name := range names {
		if c := find(name); c != nil {
			dst = c.appendInfo(dst)
		} else {
			dst = resp.AppendNil(dst)
		}
	}
	return dst
}

// appendInfo appends a command's element of COMMAND's reply: ten fields.
func (c *Command) appendInfo(dst []byte) []byte {
	dst = resp.AppendArray(dst, 10)
	dst = resp.AppendBulkString(dst, c.Name)
	dst = resp.AppendInt(dst, int64(c.Arity))
	dst = appendNames(dst, serverFlagNames[:], uint64(c.Flags&serverFlags))
	dst = resp.AppendInt(dst, int64(c.First))
	dst = resp.AppendInt(dst, int64(c.Last))
	dst = resp.AppendInt(dst, int64(c.Step))
	categories := strings.Fields(c.info.acl)
	dst = resp.AppendArray(dst, len(categories))
	for _, category := range categories {
		dst = resp.AppendSimple(dst, category)
	}
	dst = resp.AppendArray(dst, len(c.info.tips))
	for _, tip := range c.info.tips {
		dst = resp.AppendBulkString(dst, tip)
	}
	dst = resp.AppendArray(dst, len(c.specs))
	for i := range c.specs {
		dst = c.specs[i].appendReply(dst)
	}
	subs := c.supportedSubs()
	dst = resp.AppendArray(dst, len(subs))
	for _, sub := range subs {
		dst = sub.appendInfo(dst)
	}
	return dst
}

func (c *Command) supportedSubs() (subs []*Command) {
	for _, sub := range c.Subs {
		if sub.Supported() {
			subs = append(subs, sub)
		}
	}
	return subs
}

// appendReply appends the description of a key spec: names and values in turn.
func (s *keySpec) appendReply(dst []byte) []byte {
	if s.notes == "" {
		dst = resp.AppendArray(dst, 6)
	} else {
		dst = resp.AppendArray(dst, 8)
		dst = resp.AppendBulkString(dst, "notes")
		dst = resp.AppendBulkString(dst, s.notes)
	}
	dst = resp.AppendBulkString(dst, "flags")
	dst = appendNames(dst, keyFlagNames[:], uint64(s.flags))
	dst = appendSearch(dst, "begin_search", beginNames[s.begin])
	switch s.begin {
	case beginIndex:
		dst = appendNumbers(dst, number{"index", s.pos})
	case beginKeyword:
		dst = resp.AppendArray(dst, 4)
		dst = resp.AppendBulkString(dst, "keyword")
		dst = resp.AppendBulkString(dst, s.keyword)
		dst = resp.AppendBulkString(dst, "startfrom")
		dst = resp.AppendInt(dst, int64(s.from))
	default:
		dst = appendNumbers(dst)
	}
	dst = appendSearch(dst, "find_keys", findNames[s.find])
	switch s.find {
	case findRange:
		return appendNumbers(dst, number{"lastkey", s.lastKey}, number{"keystep", s.step}, number{"limit", s.limit})
	case findKeynum:
		return appendNumbers(dst, number{"keynumidx", s.numIdx}, number{"firstkey", s.firstIn}, number{"keystep", s.step})
	}
	return appendNumbers(dst)
}

// appendSearch appends all of one half of a key spec but its numbers.
func appendSearch(dst []byte, half, kind string) []byte {
	dst = resp.AppendBulkString(dst, half)
	dst = resp.AppendArray(dst, 4)
	dst = resp.AppendBulkString(dst, "type")
	dst = resp.AppendBulkString(dst, kind)
	return resp.AppendBulkString(dst, "spec")
}

type number struct {
	name  string
	value int
}

func appendNumbers(dst []byte, numbers ...number) []byte {
	dst = resp.AppendArray(dst, 2*len(numbers))
	for _, n := range numbers {
		dst = resp.AppendBulkString(dst, n.name)
		dst = resp.AppendInt(dst, int64(n.value))
	}
	return dst
}
