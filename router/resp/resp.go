// Package resp reads and writes the Redis serialization protocol: a scanner
// for requests, a scanner for replies, append-style encoders, and a small
// blocking client. It knows nothing of commands, slots or clusters, holds no
// goroutine and imports nothing of this project: the router's event loops use
// the scanners and encoders on every request, everything else that talks to a
// server (probes, tools, connection set-up) uses the Client.
//
// The scanners are made for bytes from strangers. They hold offsets instead of
// data, never rescan what they have seen, and allocate by what has arrived,
// never by what was announced.
package resp
