package topology

import (
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a state takes in.
const (
	maxIDLength   = 64
	maxAddrLength = 300
	maxTextLength = 256
)

// CheckNodeID says why an ID can't name a node: 1 to 64 letters, digits, dots,
// dashes and underscores, so that it is a word in every table and file name.
func CheckNodeID(id string) error {
	if id == "" || len(id) > maxIDLength {
		return refuse(CodeBadArg, "node ID %q must have 1 to %d characters", clip(id), maxIDLength)
	}
	for _, r := range id {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return refuse(CodeBadArg, "node ID %q may hold only letters, digits, '.', '-' and '_'", id)
		}
	}
	return nil
}

// CheckAddr says why a text is not host:port.
func CheckAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || len(addr) > maxAddrLength || !isWord(host) {
		return refuse(CodeBadArg, "address %q is not host:port", clip(addr))
	}
	if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 || strconv.Itoa(number) != port {
		return refuse(CodeBadArg, "address %q: the port must be between 1 and 65535", clip(addr))
	}
	return nil
}

// isWord says whether a text has no space and no control character.
func isWord(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError
	})
}

// word is a text of one word, and what it is.
type word struct{ what, text string }

// checkWords refuses texts that would break a table: too long, or with spaces or
// control characters. An empty text is fine. The order counts: the refusal is
// replicated, so it must be the same on every node.
func checkWords(words ...word) *Error {
	for _, w := range words {
		if len(w.text) > maxTextLength || !isWord(w.text) {
			return refuse(CodeBadArg, "%s %q must be one word of at most %d characters", w.what, clip(w.text), maxTextLength)
		}
	}
	return nil
}

// clip shortens a text for messages and for the history, at a rune's border.
func clip(text string) string {
	if len(text) <= maxTextLength {
		return text
	}
	text = text[:maxTextLength]
	for len(text) > 0 && !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "..."
}

// asRefusal passes on the *Error of a Check function.
func asRefusal(err error) *Error {
	if err == nil {
		return nil
	}
	return err.(*Error)
}
