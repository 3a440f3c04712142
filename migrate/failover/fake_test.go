package failover

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"codis/router/resp"
)

// fakeServer answers commands from a script: for what a real redis-server can't
// be asked for, such as loading for as long as a test likes.
type fakeServer struct {
	Addr string
	ln   net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// hangUp as a script's answer closes the connection; after other text it closes
// the connection once that is sent.
const hangUp = "\x00"

// newFake starts a fake; script gets "PING", "INFO replication" and so on and
// returns raw bytes. greeting is sent to each new connection, before any command.
func newFake(tb testing.TB, greeting string, script func(cmd string) string) *fakeServer {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	f := &fakeServer{Addr: ln.Addr().String(), ln: ln, conns: map[net.Conn]bool{}}
	f.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[conn] = true
			f.mu.Unlock()
			f.wg.Go(func() { f.serve(conn, greeting, script) })
		}
	})
	tb.Cleanup(func() {
		ln.Close()
		f.HangUp()
		f.wg.Wait()
	})
	return f
}

// HangUp closes every connection, as a server's timeout setting does.
func (f *fakeServer) HangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
	}
}

func (f *fakeServer) serve(conn net.Conn, greeting string, script func(string) string) {
	defer func() {
		conn.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.conns, conn)
	}()
	if !reply(conn, greeting) {
		return
	}
	scanner := resp.Scanner{Limits: resp.DefaultLimits()}
	var buf []byte
	chunk := make([]byte, 4096)
	for {
		n, err := scanner.Next(buf)
		if err != nil {
			return
		}
		if n == 0 {
			m, err := conn.Read(chunk)
			if err != nil {
				return
			}
			buf = append(buf, chunk[:m]...)
			continue
		}
		var words []string
		for _, arg := range scanner.Args() {
			words = append(words, string(arg))
		}
		if !reply(conn, script(strings.Join(words, " "))) {
			return
		}
		buf = append([]byte(nil), buf[n:]...)
	}
}

// reply sends text and says whether the connection lives on.
func reply(conn net.Conn, text string) bool {
	text, end := strings.CutSuffix(text, hangUp)
	_, err := conn.Write([]byte(text))
	return err == nil && !end
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// infoFake answers like a server whose INFO is the given lines.
func infoFake(tb testing.TB, ping string, lines ...string) *fakeServer {
	tb.Helper()
	return newFake(tb, "", func(cmd string) string {
		switch name, _, _ := strings.Cut(cmd, " "); name {
		case "PING":
			return ping
		case "INFO":
			return bulk("# Everything\r\n" + strings.Join(lines, "\r\n") + "\r\n")
		case "CLIENT":
			return "+OK\r\n"
		default:
			return "-ERR unknown command\r\n"
		}
	})
}

// waitFor polls: what is waited for happens in other processes.
func waitFor(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("timed out waiting for %s", what)
		}
	}
}

// wantError checks an error's kind and that its words are there for people.
func wantError(tb testing.TB, err, kind error, words ...string) {
	tb.Helper()
	if kind == nil {
		if err != nil {
			tb.Fatalf("got error %v, want none", err)
		}
		return
	}
	var own *Error
	if !errors.Is(err, kind) || !errors.As(err, &own) {
		tb.Fatalf("got error %v, want an *Error of kind %q", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("got error %q, want %q in it", err, w)
		}
	}
}
