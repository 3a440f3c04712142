package failover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"codis/router/resp"
)

var (
	// ErrUnreachable is returned when no connection could be made or kept.
	ErrUnreachable = errors.New("unreachable")
	// ErrAuth is returned when the server wants a password and got none, or a wrong one, or got one and has none.
	ErrAuth = errors.New("authentication failed")
	// ErrPermission is returned when the server's ACL forbids a command that is needed.
	ErrPermission = errors.New("permission denied")
	// ErrRefused is returned when the server answers but takes no connections from here: protected mode, too many clients.
	ErrRefused = errors.New("connection refused by the server")
	// ErrLoading is returned when the server is still reading its data from disk.
	ErrLoading = errors.New("loading")
	// ErrBusy is returned when a script or a function blocks the server.
	ErrBusy = errors.New("busy")
	// ErrNotRedis is returned when what answers there is not a redis-server.
	ErrNotRedis = errors.New("not a redis-server")
	// ErrClusterMode is returned when the server runs with cluster-enabled yes.
	ErrClusterMode = errors.New("cluster mode is on")
	// ErrSentinel is returned when a Sentinel answers there.
	ErrSentinel = errors.New("a sentinel")
	// ErrVersion is returned when the server is older than MinVersion.
	ErrVersion = errors.New("version too old")
	// ErrCommand is returned when the server answered a command with an error that has no meaning of its own here.
	ErrCommand = errors.New("command failed")
	// ErrNotMaster is returned when a replica is offered as a group's master.
	ErrNotMaster = errors.New("not a master")
	// ErrOtherMaster is returned when a replica follows a server other than the group's master.
	ErrOtherMaster = errors.New("follows another master")
	// ErrHasKeys is returned when a server whose keys would be wiped is offered as a replica.
	ErrHasKeys = errors.New("holds keys")
	// ErrChain is returned when attaching would make a replica of a replica.
	ErrChain = errors.New("chain of replicas")
	// ErrSameServer is returned when a server is offered as its own replica.
	ErrSameServer = errors.New("same server")
	// ErrNoLink is returned when a replica did not come to follow its master in time.
	ErrNoLink = errors.New("replication link not up")
)

// Error is what went wrong with one server, in words for people.
type Error struct {
	Addr string
	// Kind is one of this package's sentinels.
	Kind error
	// Text says what is wrong, Hint what to do about it (may be empty).
	Text, Hint string
	// Cause is what the network or the server said; may be nil.
	Cause error
}

func (e *Error) Error() string {
	s := "server " + e.Addr + ": " + e.Text
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap lets errors.Is find the sentinel as well as the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

const authHint = "set CODIS.GROUP AUTH gid [user] password, or CODIS.CONFIG SET backend-password for the whole cluster"

// explain turns what dialling or talking to a server returned into an *Error.
func explain(addr string, err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return err
	}
	if se := (*resp.ServerError)(nil); errors.As(err, &se) {
		return explainReply(addr, se)
	}
	e := &Error{Addr: addr, Kind: ErrUnreachable, Cause: err}
	var ne net.Error
	switch {
	case errors.Is(err, context.Canceled):
		e.Text = "given up, the operation was cancelled"
	case errors.Is(err, resp.ErrProtocol):
		e.Kind, e.Text = ErrNotRedis, "what answers there does not speak the Redis protocol"
		e.Hint = "check the address; a TLS-only port is not supported"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Text, e.Hint = "connection refused", "is redis-server running there, and does its bind setting include this address?"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		e.Text, e.Hint = "no answer in time", "is the server hung, or does a firewall drop packets from this node?"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		e.Text, e.Hint = "it closed the connection without an answer", "check that a redis-server without TLS listens there"
	default:
		// The address is said already.
		e.Text = strings.TrimPrefix(err.Error(), addr+": ")
		e.Hint = "check the address and the network, and that a redis-server without TLS listens there"
	}
	return e
}

// explainReply gives a meaning to an error reply. Redis's error codes are part
// of its protocol; texts are looked at only where the code is the bare ERR.
func explainReply(addr string, se *resp.ServerError) *Error {
	e := &Error{Addr: addr, Cause: se}
	text := strings.ToLower(se.Text)
	switch se.Code {
	case "WRONGPASS":
		e.Kind, e.Text, e.Hint = ErrAuth, "wrong user name or password", authHint
	case "NOAUTH":
		e.Kind, e.Text, e.Hint = ErrAuth, "it asks for a password and none is set here", authHint
	case "NOPERM":
		e.Kind, e.Text = ErrPermission, "the ACL of the user forbids a command that is needed ("+se.Error()+")"
		e.Hint = "allow it with ACL SETUSER, or use another user: " + authHint
	case "DENIED":
		e.Kind, e.Text = ErrRefused, "it is in protected mode and takes connections from its own host only"
		e.Hint = "give it a password (requirepass), or set protected-mode no on a trusted network"
	case "LOADING":
		e.Kind, e.Text, e.Hint = ErrLoading, "it is still loading its data", "try again when it is done (INFO persistence shows loading_eta_seconds)"
	case "BUSY":
		e.Kind, e.Text, e.Hint = ErrBusy, "a script or function blocks it", "wait, or end it with SCRIPT KILL or FUNCTION KILL"
	default:
		e.Kind, e.Text = ErrCommand, "it answered "+fmt.Sprintf("%q", se.Error())
		switch {
		case strings.Contains(text, "max number of clients"):
			e.Kind, e.Text, e.Hint = ErrRefused, "it has reached its maxclients", "raise maxclients there, or close idle clients"
		case strings.Contains(text, "without any password configured"), strings.Contains(text, "no password is set"):
			e.Kind, e.Text, e.Hint = ErrAuth, "it has no password but one is set here", "set requirepass there, or clear the password: "+authHint
		case strings.Contains(text, "invalid password"): // AUTH's only words before Redis 6
			e.Kind, e.Text, e.Hint = ErrAuth, "wrong password", authHint
		}
	}
	return e
}
