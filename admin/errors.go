package admin

import (
	"errors"
	"fmt"

	"codis/raftstore/topology"
)

// Codes that start an error reply, beside those of topology. Every refusal of
// this package is a *topology.Error, so that one set of codes is known to users.
const (
	// CodeNoLeader: the cluster has no leader, so nothing can be changed.
	CodeNoLeader topology.Code = "NOLEADER"
	// CodeUnknown: the change may have been made or not.
	CodeUnknown topology.Code = "UNKNOWN"
	// CodeNoPerm: the caller is not the operator.
	CodeNoPerm topology.Code = "NOPERM"
	// CodeServer: a redis-server is not fit for what was asked.
	CodeServer topology.Code = "SERVER"
)

// ErrNoLeader is returned, wrapped, by a Store that has found no leader in time.
var ErrNoLeader = errors.New("there is no leader")

// refuse makes a refusal; hint says what to do and may be empty.
func refuse(code topology.Code, hint, format string, args ...any) error {
	return &topology.Error{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// badArg refuses an argument that can't be right, whatever the state is.
func badArg(format string, args ...any) error {
	return refuse(topology.CodeBadArg, "", format, args...)
}

// serverError gives an error that a redis-server caused its code. The error
// itself names the server and says what to do; what was tried may be empty.
func serverError(err error, tried string) error {
	if tried == "" {
		return refuse(CodeServer, "", "%v", err)
	}
	return refuse(CodeServer, "", "%s: %v", tried, err)
}

// replyText returns the error reply for err, code word first.
func replyText(err error) string { return refusalOf(err).Error() }
