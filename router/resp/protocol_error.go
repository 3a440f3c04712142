package resp

import (
	"errors"
	"fmt"
)

// ErrProtocol is returned, wrapped, when bytes are not RESP or break a limit.
// The stream has no frame boundary any more: the connection must be closed.
var ErrProtocol = errors.New("protocol error")

// ProtocolError says what was wrong with the bytes. For requests Text is what
// Redis 7 says in the same place (networking.c), so that a client sees no
// difference.
type ProtocolError struct{ Text string }

// Error gives the text that follows "-ERR " on the wire.
func (e *ProtocolError) Error() string { return "Protocol error: " + e.Text }

// Unwrap makes errors.Is(err, ErrProtocol) true.
func (e *ProtocolError) Unwrap() error { return ErrProtocol }

// What Scanner.Next may refuse. All but errTrailer are Redis's own texts; Redis
// skips two bytes after a bulk without looking at them.
var (
	errCount        = &ProtocolError{"invalid multibulk length"}
	errCountLine    = &ProtocolError{"too big mbulk count string"}
	errCountUnauth  = &ProtocolError{"unauthenticated multibulk length"}
	errLength       = &ProtocolError{"invalid bulk length"}
	errLengthLine   = &ProtocolError{"too big bulk count string"}
	errLengthUnauth = &ProtocolError{"unauthenticated bulk length"}
	errInline       = &ProtocolError{"too big inline request"}
	errQuotes       = &ProtocolError{"unbalanced quotes in request"}
	errTrailer      = &ProtocolError{"expected CRLF after bulk"}
)

func errNotBulk(got byte) error {
	return &ProtocolError{"expected '$', got '" + showByte(got) + "'"}
}

// showByte keeps printable bytes as they are and makes CR and LF spaces, as
// Redis does in error replies; others are written out, so that a log line or a
// terminal is not harmed.
func showByte(c byte) string {
	switch {
	case c == '\r' || c == '\n':
		return " "
	case c < ' ' || c > '~':
		return fmt.Sprintf(`\x%02x`, c)
	}
	return string(rune(c))
}
