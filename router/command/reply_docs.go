package command

import "codis/router/resp"

// appendDocs answers COMMAND DOCS: names and descriptions in turn. A name
// that is not supported is left out, as a server leaves out unknown ones.
func appendDocs(dst []byte, names [][]byte) []byte {
	if len(names) == 0 {
		return append(dst, everyDoc()...)
	}
	var found []*Command
	for _, name := range names {
		if c := find(name); c != nil {
			found = append(found, c)
		}
	}
	dst = resp.AppendArray(dst, 2*len(found))
	for _, c := range found {
		dst = c.appendDoc(dst)
	}
	return dst
}

// appendDoc appends a command's name and its description, which is a server's
// without "arguments" and "history" (see DESIGN.md).
func (c *Command) appendDoc(dst []byte) []byte {
	docFlags := c.info.docFlags()
	texts := [][2]string{
		{"summary", c.info.summary}, {"since", c.info.since}, {"group", c.info.group},
		{"complexity", c.info.complexity},
	}
	deprecation := [][2]string{
		{"deprecated_since", c.info.deprecatedSince}, {"replaced_by", c.info.replacedBy},
	}
	subs := c.supportedSubs()
	fields := countTexts(texts) + countTexts(deprecation)
	if len(docFlags) > 0 {
		fields++
	}
	if len(subs) > 0 {
		fields++
	}
	dst = resp.AppendBulkString(dst, c.Name)
	dst = resp.AppendArray(dst, 2*fields)
	dst = appendTexts(dst, texts)
	if len(docFlags) > 0 {
		dst = resp.AppendBulkString(dst, "doc_flags")
		dst = resp.AppendArray(dst, len(docFlags))
		for _, flag := range docFlags {
			dst = resp.AppendSimple(dst, flag)
		}
	}
	dst = appendTexts(dst, deprecation)
	if len(subs) > 0 {
		dst = resp.AppendBulkString(dst, "subcommands")
		dst = resp.AppendArray(dst, 2*len(subs))
		for _, sub := range subs {
			dst = sub.appendDoc(dst)
		}
	}
	return dst
}

func (i *info) docFlags() (flags []string) {
	if i.deprecatedSince != "" {
		flags = append(flags, "deprecated")
	}
	if i.syscmd {
		flags = append(flags, "syscmd")
	}
	return flags
}

func countTexts(texts [][2]string) (n int) {
	for _, text := range texts {
		if text[1] != "" {
			n++
		}
	}
	return n
}

// appendTexts appends the texts that are not empty, names before values.
func appendTexts(dst []byte, texts [][2]string) []byte {
	for _, text := range texts {
		if text[1] != "" {
			dst = resp.AppendBulkString(dst, text[0])
			dst = resp.AppendBulkString(dst, text[1])
		}
	}
	return dst
}
