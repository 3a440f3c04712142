package router

import (
	"bufio"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codis/router/resp"
)

// fakeServer answers the set-up of connections as a redis-server does and
// everything else by a script: for what a real one can't be asked for.
type fakeServer struct {
	addr string
	// accepts counts connections, served the commands after their set-up.
	accepts, served atomic.Int64
	wg              sync.WaitGroup
	mu              sync.Mutex
	conns           map[net.Conn]bool // nil once the fake is stopped
}

// fakeScript acts on the bytes of a connection as it likes. A hook that is nil
// does nothing. A hook that returns false closes the connection.
type fakeScript struct {
	accepted func(conn net.Conn) bool
	command  func(conn net.Conn, args []string) bool
}

func startFake(tb testing.TB, script fakeScript) *fakeServer {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f := &fakeServer{addr: ln.Addr().String(), conns: make(map[net.Conn]bool)}
	f.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.accepts.Add(1)
			if f.keep(conn) {
				f.wg.Go(func() {
					f.serve(conn, script)
					f.drop(conn)
				})
			}
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		f.mu.Lock()
		conns := f.conns
		f.conns = nil
		f.mu.Unlock()
		for conn := range conns {
			_ = conn.Close()
		}
		f.wg.Wait()
	})
	return f
}

func (f *fakeServer) keep(conn net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		_ = conn.Close()
		return false
	}
	f.conns[conn] = true
	return true
}

func (f *fakeServer) drop(conn net.Conn) {
	_ = conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// serve reads requests until the script or the peer ends the connection.
func (f *fakeServer) serve(conn net.Conn, script fakeScript) {
	if script.accepted != nil && !script.accepted(conn) {
		return
	}
	var scan resp.Scanner
	var in []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := scan.Next(in)
		if err != nil {
			return
		}
		if n == 0 {
			m, err := conn.Read(buf)
			if err != nil {
				return
			}
			in = append(in, buf[:m]...)
			continue
		}
		var args []string
		for _, arg := range scan.Args() {
			args = append(args, string(arg))
		}
		in = in[n:]
		switch {
		case setUpReply(args) != "":
			_, _ = conn.Write([]byte(setUpReply(args)))
		case script.command == nil:
			return
		default:
			f.served.Add(1)
			if !script.command(conn, args) {
				return
			}
		}
	}
}

// setUpReply answers what a router asks before it hands a connection to a loop.
func setUpReply(args []string) string {
	if len(args) > 1 && strings.EqualFold(args[0], "CLIENT") && strings.EqualFold(args[1], "ID") {
		return ":7\r\n"
	}
	switch strings.ToUpper(args[0]) {
	case "AUTH", "SELECT", "CLIENT":
		return "+OK\r\n"
	case "INFO":
		return string(resp.AppendBulkString(nil, "# Server\r\nrun_id:fake\r\n"))
	}
	return ""
}

// say is a script hook's reply: it writes text and keeps the connection.
func say(conn net.Conn, text string) bool {
	_, err := conn.Write([]byte(text))
	return err == nil
}

// waitUntil polls until ok, because nothing tells a client of a router that a
// server is back.
func waitUntil(tb testing.TB, what string, limit time.Duration, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(limit); !ok(); {
		if time.Now().After(deadline) {
			tb.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// dialAddr is dialWire for any server.
func dialAddr(tb testing.TB, addr string) *wire {
	tb.Helper()
	return dialNetwork(tb, "tcp", addr)
}

func dialNetwork(tb testing.TB, network, addr string) *wire {
	tb.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return &wire{tb: tb, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
}

// readErr reads one reply like read, for goroutines that must not end a test.
func (w *wire) readErr() (resp.Reply, error) {
	var scan resp.ReplyScanner
	for want := 1; ; want = max(w.r.Buffered()+1, scan.Need()) {
		if _, err := w.r.Peek(min(want, w.r.Size())); err != nil {
			return resp.Reply{}, err
		}
		buf, _ := w.r.Peek(w.r.Buffered())
		n, err := scan.Next(buf)
		if err != nil {
			return resp.Reply{}, err
		}
		if n > 0 {
			r, _, err := resp.ParseReply(append([]byte(nil), buf[:n]...))
			_, _ = w.r.Discard(n)
			return r, err
		}
	}
}
