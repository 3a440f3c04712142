package topology

import "fmt"

// Code is the first word of a refusal, made for programs.
type Code string

const (
	// CodeOK: the command was applied.
	CodeOK Code = ""
	// CodeBadArg: an argument can never be right.
	CodeBadArg Code = "BADARG"
	// CodeNoGroup, CodeNoServer, CodeNoNode and CodeNoJob: what the command names is not there.
	CodeNoGroup  Code = "NOGROUP"
	CodeNoServer Code = "NOSERVER"
	CodeNoNode   Code = "NONODE"
	CodeNoJob    Code = "NOJOB"
	// CodeExists: what the command would make is there already.
	CodeExists Code = "EXISTS"
	// CodeBusy: what the command would change is in use.
	CodeBusy Code = "BUSY"
	// CodeStale: the command was made for a state that has changed since.
	CodeStale Code = "STALE"
	// CodeUpgrade: some nodes run a version that does not know the command.
	CodeUpgrade Code = "UPGRADE"
)

// Outcome is what became of a command. It is part of the replicated state, so
// that a command that arrives twice gets the first answer again.
type Outcome struct {
	RequestID string `json:"request_id"`
	// Epoch is the epoch of the state after the command.
	Epoch   uint64 `json:"epoch"`
	Code    Code   `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// Err returns nil when the command was applied, else the refusal as an *Error.
func (o Outcome) Err() error {
	if o.Code == CodeOK {
		return nil
	}
	return &Error{Code: o.Code, Message: o.Message, Hint: o.Hint}
}

// Error is a refusal: the state was not changed.
type Error struct {
	Code    Code
	Message string
	// Hint says what to do about it; may be empty.
	Hint string
}

// Error puts the code first, as replies on the wire do.
func (e *Error) Error() string {
	text := string(e.Code) + " " + e.Message
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Is makes errors.Is(err, &Error{Code: X}) compare codes only.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// hint returns the refusal with advice added.
func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
