package command

import (
	"strings"

	"codis/router/resp"
)

// appendList answers COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN value] with
// the names of commands and sub-commands.
func appendList(dst []byte, filter [][]byte) []byte {
	keep := func(*Command) bool { return true }
	if len(filter) > 0 {
		if len(filter) != 3 || !equalFold(filter[0], "filterby") {
			return resp.AppendError(dst, string(ErrSyntax))
		}
		switch value := filter[2]; {
		case equalFold(filter[1], "module"):
			keep = func(*Command) bool { return false } // nothing here says which module
		case equalFold(filter[1], "aclcat"):
			category := "@" + strings.ToLower(string(value))
			keep = func(c *Command) bool { return hasWord(c.info.acl, category) }
		case equalFold(filter[1], "pattern"):
			keep = func(c *Command) bool { return globFold(string(value), c.Name) }
		default:
			return resp.AppendError(dst, string(ErrSyntax))
		}
	}
	var names []string
	for _, c := range all {
		if !c.Supported() {
			continue
		}
		for _, row := range append([]*Command{c}, c.supportedSubs()...) {
			if keep(row) {
				names = append(names, row.Name)
			}
		}
	}
	dst = resp.AppendArray(dst, len(names))
	for _, name := range names {
		dst = resp.AppendBulkString(dst, name)
	}
	return dst
}

func hasWord(words, want string) bool {
	for word := range strings.FieldsSeq(words) {
		if word == want {
			return true
		}
	}
	return false
}
