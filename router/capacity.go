package router

import (
	"math"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"codis/raftstore/topology"
	"codis/router/command"
)

const (
	// adminReserve is how many clients are let in beyond maxclients, from anywhere,
	// to ask for CODIS.* and the like; localReserve is for those of this host alone.
	adminReserve = 16
	localReserve = 16
	// reservedIdle is how long a client may keep a place of the reserve for nothing.
	reservedIdle = 10 * time.Second
	// ownFiles is how many descriptors are kept for other things than clients: the
	// connections to servers, the log, peers.
	ownFiles = 512
)

// clientFiles is how many clients the process has descriptors for.
func clientFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32
	}
	files := int(min(uint64(limit.Cur), math.MaxInt32))
	return max(1, files-min(ownFiles, files/2))
}

// maxClients is the setting maxclients, or as many as there are descriptors for.
func (r *Router) maxClients() int {
	return min(r.table.Load().limits.maxClients, r.files)
}

// checkFiles warns when a table wants more clients than there are descriptors for.
func (r *Router) checkFiles(s *topology.State) {
	want := s.Settings.Int("maxclients")
	if want > r.files && want != r.warnedOf {
		r.warnedOf = want
		r.log.Warn("maxclients is more than this process has descriptors for (ulimit -n); fewer clients are let in",
			"maxclients", want, "let in", r.files)
	}
}

// hasPlace says whether the n-th client may come in, and if so, whether only to a
// place of the reserve.
func (r *Router) hasPlace(n int, conn net.Conn) (ok, reserved bool) {
	most := r.maxClients()
	if n <= most {
		return true, false
	}
	most += adminReserve
	if isLocal(conn) {
		most += localReserve
	}
	return n <= most, true
}

// isLocal says whether a client is on this host.
func isLocal(conn net.Conn) bool {
	switch at := conn.RemoteAddr().(type) {
	case *net.TCPAddr:
		return at.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// setAuthed says whether the session has authenticated.
func (s *session) setAuthed(authed bool) {
	s.authed = authed
	s.limited = !authed || s.reserved
}

// leaveReserve makes a session of the reserve an ordinary one if there is room now.
func (s *session) leaveReserve() bool {
	if int(s.l.r.clients.Load()) > s.l.r.maxClients() {
		return false
	}
	s.reserved = false
	s.setAuthed(s.authed)
	return true
}

// forOperators says whether a command is for people and programs that look after the
// node, and their connections.
func forOperators(cmd *command.Command) bool {
	if cmd.Policy != command.PolicyLocal {
		return false
	}
	switch cmd.Local {
	case command.LocalAuth, command.LocalHello, command.LocalQuit, command.LocalInfo, command.LocalConfigGet, command.LocalCommand:
		return true
	}
	return strings.HasPrefix(cmd.Name, "client|") || strings.HasPrefix(cmd.Name, "slowlog|")
}
