package router

import (
	"context"
	"errors"
	"net"
	"time"

	"codis/router/poll"
)

const (
	maxClientsText = "-ERR max number of clients reached\r\n"
	// acceptPause is how long an acceptor waits after an error that is not its
	// listener's end: mostly that the process is out of file descriptors.
	acceptPause = 50 * time.Millisecond
)

// accept hands new clients to the loops in turn. Running out of descriptors makes
// it wait, never stop.
func (r *Router) accept(ctx context.Context, ln net.Listener) {
	warned := time.Time{}
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			r.admit(conn)
			continue
		case errors.Is(err, net.ErrClosed) || ctx.Err() != nil:
			return
		case time.Since(warned) > time.Minute:
			warned = time.Now()
			r.log.Error("clients can't be accepted", "listener", ln.Addr().String(), "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(acceptPause):
		}
	}
}

// admit gives a client to a loop, or turns it away. Over maxclients there is a small
// reserve for operators; what its clients may do is told by the first command.
func (r *Router) admit(conn net.Conn) {
	ok, reserved := r.hasPlace(int(r.clients.Add(1)), conn)
	if !ok {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write([]byte(maxClientsText))
		r.turnAway(conn)
		return
	}
	id := r.nextID.Add(1)
	l := r.loops[int(id)%len(r.loops)]
	s := &session{
		l: l, id: id, reserved: reserved,
		addr: clientAddr(conn), localAddr: conn.LocalAddr().String(),
	}
	s.setAuthed(r.cfg.Password == "")
	err := l.poll.Take(conn, func(c *poll.Conn) poll.Handler {
		s.opened(c)
		return s
	})
	if err != nil {
		r.turnAway(conn)
		r.log.Error("a client can't be served", "client", s.addr, "error", err)
	}
}

func (r *Router) turnAway(conn net.Conn) {
	r.clients.Add(-1)
	r.rejected.Add(1)
	_ = conn.Close()
}

// clientAddr is how CLIENT LIST names a client: host:port, or the socket's path
// with port 0 as Redis does.
func clientAddr(conn net.Conn) string {
	if _, unix := conn.RemoteAddr().(*net.UnixAddr); unix {
		return conn.LocalAddr().String() + ":0"
	}
	return conn.RemoteAddr().String()
}
