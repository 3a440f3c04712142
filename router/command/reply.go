package command

import "codis/router/resp"

// AppendCommandReply appends the reply to COMMAND and all its sub-commands.
func AppendCommandReply(dst []byte, args [][]byte) []byte {
	return resp.AppendArray(dst, 0)
}

// AppendHelp appends the reply to the HELP sub-command c (LocalHelp).
func AppendHelp(dst []byte, c *Command) []byte {
	return resp.AppendArray(dst, 0)
}
