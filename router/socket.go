package router

import "codis/router/poll"

// socket is what sessions and backends use of a poll.Conn. Its methods are for
// the loop alone and never block; see there. Benchmarks put a sink in its place,
// to measure what happens between two system calls.
type socket interface {
	WriteBoth(a, b []byte)
	Unsent() int
	HasUnread() bool
	PauseReading()
	ResumeReading()
	SetKeepAlive(seconds int)
	CloseWrite()
	Close()
	Fd() int
}

var _ socket = (*poll.Conn)(nil)
