package resp

import (
	"strconv"
	"strings"
)

// Kind is the type of a Reply.
type Kind uint8

// The kinds of RESP2, then those that only RESP3 has. The three nulls are Nil.
// A blob error is an Error.
const (
	KindNone      Kind = iota // the zero Reply
	KindSimple                // +OK
	KindError                 // -ERR text, !10 text
	KindInteger               // :1
	KindBulk                  // $3 abc
	KindNil                   // $-1, *-1, _
	KindArray                 // *2
	KindDouble                // ,1.5
	KindBool                  // #t: Int is 0 or 1
	KindBigNumber             // (123
	KindVerbatim              // =7 txt:abc: Str is the text without "txt:"
	KindMap                   // %1: Array holds names and values in turn
	KindSet                   // ~2
	KindPush                  // >2
)

// String is the kind's name, in lowercase.
func (k Kind) String() string {
	names := [...]string{"none", "simple", "error", "integer", "bulk", "nil", "array", "double",
		"bool", "big number", "verbatim", "map", "set", "push"}
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Reply is one decoded reply.
type Reply struct {
	Kind Kind
	// Str is the text of every kind that has one; of an Error the whole text
	// with its code word.
	Str []byte
	// Int is the value of an Integer, and 0 or 1 for a Bool.
	Int int64
	// Array are the elements of an Array, Set, Push or Map.
	Array []Reply
}

// Err is a *ServerError when the reply is an error, else nil.
func (r Reply) Err() error {
	if r.Kind != KindError {
		return nil
	}
	text := string(r.Str)
	code, _, _ := strings.Cut(text, " ")
	return &ServerError{Code: code, Text: text}
}

// Text is the reply as a person would write it: the string, the number, "true"
// or "false"; empty for Nil and for kinds with elements.
func (r Reply) Text() string {
	switch r.Kind {
	case KindInteger:
		return strconv.FormatInt(r.Int, 10)
	case KindBool:
		return strconv.FormatBool(r.Int != 0)
	}
	return string(r.Str)
}

// IsNil says that the reply is one of the nulls.
func (r Reply) IsNil() bool { return r.Kind == KindNil }

// Strings are the texts of the elements.
func (r Reply) Strings() []string {
	out := make([]string, len(r.Array))
	for i, e := range r.Array {
		out[i] = e.Text()
	}
	return out
}

// ServerError is an error reply.
type ServerError struct {
	// Code is the first word, such as ERR, NOAUTH, WRONGTYPE.
	Code string
	// Text is all of it, the code included: AppendError(dst, Text) gives the
	// reply again.
	Text string
}

// Error is the server's text.
func (e *ServerError) Error() string { return e.Text }
