package command

import (
	"strings"

	"codis/router/resp"
)

// AppendHelp appends the reply to the HELP of a container; c is that row
// (LocalHelp, or COMMAND's). It names the sub-commands that are supported.
func AppendHelp(dst []byte, c *Command) []byte {
	name := container(c.Name)
	parent := Lookup([]byte(name))
	subs := parent.supportedSubs()
	dst = resp.AppendArray(dst, 1+2*len(subs))
	dst = resp.AppendSimple(dst, strings.ToUpper(name)+" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, sub := range subs {
		if sub != c {
			dst = appendHelpEntry(dst, sub, sub.info.summary)
		}
	}
	return appendHelpEntry(dst, c, "Prints this help.")
}

func appendHelpEntry(dst []byte, sub *Command, text string) []byte {
	dst = resp.AppendSimple(dst, strings.ToUpper(sub.Name[len(container(sub.Name))+1:]))
	return resp.AppendSimple(dst, "    "+text)
}
