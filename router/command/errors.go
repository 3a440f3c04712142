package command

import (
	"bytes"

	"codis/router/resp"
)

// Error is an error reply's text with its code word, without '-' and CRLF.
// It is what the client gets, so most are a server's own words.
type Error string

func (e Error) Error() string { return string(e) }

const (
	// ErrNoKeys is returned when a command that must have keys has none.
	ErrNoKeys = Error("ERR Invalid arguments specified for command")
	// ErrSyntax is returned when a request can't be parsed far enough to
	// find a key.
	ErrSyntax = Error("ERR syntax error")
)

func (c *Command) arityError() Error {
	return Error("ERR wrong number of arguments for '" + c.Name + "' command")
}

// AppendArityError appends the whole error reply to a request that failed
// CheckArity.
func (c *Command) AppendArityError(dst []byte) []byte {
	return resp.AppendError(dst, string(c.arityError()))
}

// AppendText appends the whole error reply of a command that is refused:
// PolicyRefuse or PolicyLater.
func (c *Command) AppendText(dst []byte) []byte {
	return resp.AppendError(dst, c.Text)
}

// echoLimit bounds what an error repeats of a request, as the server does.
const echoLimit = 128

// AppendUnknown appends the whole error reply to a request for which Lookup
// or Resolve returned nil, in the server's own words.
func AppendUnknown(dst []byte, args [][]byte) []byte {
	if len(args) == 0 {
		return resp.AppendError(dst, "ERR unknown command ''")
	}
	if container := Lookup(args[0]); container != nil && container.Subs != nil && len(args) > 1 {
		text := append([]byte("ERR unknown subcommand '"), clip(args[1], echoLimit)...)
		text = append(text, "'. Try "...)
		text = append(text, bytes.ToUpper([]byte(container.Name))...)
		return resp.AppendError(dst, string(append(text, " HELP."...)))
	}
	text := append([]byte("ERR unknown command '"), clip(args[0], echoLimit)...)
	text = append(text, "', with args beginning with: "...)
	echoed := 0
	for _, arg := range args[1:] {
		if echoed >= echoLimit {
			break
		}
		arg = clip(arg, echoLimit-echoed)
		text = append(append(append(text, '\''), arg...), "' "...)
		echoed += len(arg) + 3
	}
	return resp.AppendError(dst, string(text))
}

// clip returns what C's %.*s prints of b: up to n bytes, and no further than
// the first zero byte.
func clip(b []byte, n int) []byte {
	if len(b) > n {
		b = b[:n]
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b
}
