package command

import (
	"bytes"
	"sync"

	"codis/router/resp"
)

// AppendCommandReply appends the reply to COMMAND and all its sub-commands
// (LocalCommand), shaped as a server's to a RESP2 client. It tells only of
// what the proxy supports: a client that asks whether it may subscribe must
// not hear yes. GETKEYS answers for every command of the table.
func AppendCommandReply(dst []byte, args [][]byte) []byte {
	c := Lookup([]byte("command")).Resolve(args)
	if c == nil {
		return AppendUnknown(dst, args)
	}
	if !c.CheckArity(len(args)) {
		return c.AppendArityError(dst)
	}
	switch c.Name {
	case "command|count":
		return resp.AppendInt(dst, int64(supported()))
	case "command|info":
		return appendInfos(dst, args[2:])
	case "command|docs":
		return appendDocs(dst, args[2:])
	case "command|list":
		return appendList(dst, args[2:])
	case "command|getkeys":
		return appendGetKeys(dst, keysQuestion{request: args[2:]})
	case "command|getkeysandflags":
		return appendGetKeys(dst, keysQuestion{request: args[2:], flags: true})
	case "command|help":
		return AppendHelp(dst, c)
	}
	return append(dst, everyInfo()...)
}

// everyInfo and everyDoc are kept once they were asked for: every client of
// some libraries asks for one of them at each start, and they are large.
var (
	everyInfo = sync.OnceValue(func() []byte {
		reply := resp.AppendArray(nil, supported())
		for _, c := range all {
			if c.Supported() {
				reply = c.appendInfo(reply)
			}
		}
		return reply
	})
	everyDoc = sync.OnceValue(func() []byte {
		reply := resp.AppendArray(nil, 2*supported())
		for _, c := range all {
			if c.Supported() {
				reply = c.appendDoc(reply)
			}
		}
		return reply
	})
)

// supported counts the commands that are listed, without sub-commands.
var supported = sync.OnceValue(func() (n int) {
	for _, c := range all {
		if c.Supported() {
			n++
		}
	}
	return n
})

// find returns the row of a name as COMMAND INFO takes it, "config|get" for a
// sub-command, if it is supported.
func find(name []byte) *Command {
	container, sub, isSub := bytes.Cut(name, []byte{'|'})
	c := Lookup(container)
	if c != nil && isSub {
		if c.Subs == nil {
			return nil
		}
		c = c.Resolve([][]byte{container, sub})
	}
	if c == nil || !c.Supported() {
		return nil
	}
	return c
}
