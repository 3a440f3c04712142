package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"codis/router/resp"
)

// Exit codes of the commands.
const (
	// ExitFailed: the operation failed or was refused.
	ExitFailed = 1
	// ExitUsage: the words can't be right, whatever the cluster's state is.
	ExitUsage = 2
)

// Error is what a command returns when it did not succeed.
type Error struct {
	// Command is the full name, such as "codis group add".
	Command string
	// Code is the first word of the node's answer, or CLIENT or USAGE when the
	// error was found on this side.
	Code string
	// Err says what failed, on what, and what to do.
	Err error
	// JSON says that --json was given.
	JSON bool
}

// Error returns the text for people.
func (e *Error) Error() string { return e.Command + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// exitCode is the process's exit code.
func (e *Error) exitCode() int {
	if e.Code == codeUsage || e.Code == "BADARG" {
		return ExitUsage
	}
	return ExitFailed
}

// Codes of errors that no node has sent.
const (
	codeClient = "CLIENT"
	codeUsage  = "USAGE"
)

// Report writes what an app returned to w, which is the standard error, and
// returns the exit code: 0 for no error, 1 when the operation failed, 2 when the
// command line was wrong.
func Report(w io.Writer, err error) (exitCode int) {
	if err == nil {
		return 0
	}
	var own *Error
	if !errors.As(err, &own) {
		fmt.Fprintf(w, "codis: %v\n", err)
		return ExitFailed
	}
	if own.JSON {
		type body struct {
			Command string `json:"command"`
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		// Strings always marshal; a standard error that is closed can't be told of.
		message := strings.TrimPrefix(own.Err.Error(), own.Code+" ")
		text, _ := json.Marshal(map[string]body{"error": {Command: own.Command, Code: own.Code, Message: message}})
		fmt.Fprintf(w, "%s\n", text)
	} else {
		fmt.Fprintln(w, own.Error())
	}
	return own.exitCode()
}

// OnUsageError is for the OnUsageError of the app: a flag that the app itself
// does not know is wrong usage too.
func OnUsageError(c *ucli.Context, err error, _ bool) error { return explain(c, usagef("%v", err)) }

// usageError is a command line that can't be right.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{text: fmt.Sprintf(format, args...)} }

// explain makes an *Error of whatever a verb returned.
func explain(c *ucli.Context, err error) error {
	e := &Error{Command: c.App.Name, Code: codeClient, Err: err, JSON: c.Bool("json")}
	if c.Command != nil && c.Command.HelpName != "" {
		e.Command = c.Command.HelpName
	}
	var usage *usageError
	var server *resp.ServerError
	switch {
	case errors.As(err, &usage):
		e.Code, e.Err = codeUsage, fmt.Errorf("%w; see %s --help", err, e.Command)
	case errors.As(err, &server):
		e.Code = server.Code
		switch server.Code {
		case "NOAUTH":
			e.Err = fmt.Errorf("%w Give the password with --password or CODIS_PASSWORD", err)
		case "ERR", "WRONGPASS":
			// The address helps: it may be the wrong node, or no node at all.
		default:
			e.Err = server
		}
	}
	e.Err = oneLine{e.Err}
	return e
}

// oneLine is an error without line breaks, whatever a server put into it.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }

func (e oneLine) Unwrap() error { return e.error }
