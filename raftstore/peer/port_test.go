package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/redcon"
)

// newPort opens a port of a cluster; its RPC connections echo their arguments.
func newPort(tb testing.TB, id, cluster, secret string) *Port {
	tb.Helper()
	p, err := Listen(Config{
		Addr: "127.0.0.1:0", Secret: []byte(secret), Self: Identity{ID: id, Incarnation: "i-" + id},
		HandshakeTimeout: 2 * time.Second, MaxPending: 8, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	if cluster != "" {
		p.SetCluster(cluster)
	}
	server := redcon.NewServer("", func(conn redcon.Conn, cmd redcon.Command) {
		conn.WriteBulkString(From(conn.NetConn()) + " says " + string(bytes.Join(cmd.Args, []byte(" "))))
	}, nil, nil)
	go server.Serve(p.RPC()) // ends when the port is closed
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func TestDial(t *testing.T) {
	t.Parallel()
	server := newPort(t, "s", "c1", "hush")
	for name, c := range map[string]struct {
		client *Port
		to     Identity
		want   error
	}{
		"a peer":             {newPort(t, "a", "c1", "hush"), Identity{ID: "s", Incarnation: "i-s"}, nil},
		"any incarnation":    {newPort(t, "a", "c1", "hush"), Identity{ID: "s"}, nil},
		"another secret":     {newPort(t, "a", "c1", "guess"), Identity{ID: "s"}, ErrRefused},
		"no secret":          {newPort(t, "a", "c1", ""), Identity{ID: "s"}, ErrRefused},
		"another cluster":    {newPort(t, "a", "c2", "hush"), Identity{ID: "s"}, ErrOtherCluster},
		"no cluster":         {newPort(t, "a", "", "hush"), Identity{ID: "s"}, ErrOtherCluster},
		"another node":       {newPort(t, "a", "c1", "hush"), Identity{ID: "x"}, ErrOtherNode},
		"another data":       {newPort(t, "a", "c1", "hush"), Identity{ID: "s", Incarnation: "i-x"}, ErrOtherNode},
		"itself":             {server, Identity{ID: "s"}, nil},
		"an impossible name": {newPort(t, "a", "c1", "hush"), Identity{ID: strings.Repeat("x", 300)}, errAny},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := c.client.Dial(t.Context(), server.Addr(), c.to, KindRPC)
			if c.want == errAny && err != nil {
				return
			}
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			defer conn.Close()
			if got := From(conn); got != "s" {
				t.Errorf("the other end is %q", got)
			}
			reply, err := Call(t.Context(), conn, "HELLO", "a b\r\n")
			if want := c.client.cfg.Self.ID + " says HELLO a b\r\n"; err != nil || reply.Text() != want {
				t.Errorf("reply %q, %v, want %q", reply.Text(), err, want)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestNotReady(t *testing.T) {
	t.Parallel()
	server, client := newPort(t, "s", "", "hush"), newPort(t, "a", "c1", "hush")
	if _, err := client.Dial(t.Context(), server.Addr(), Identity{ID: "s"}, KindRaft); !errors.Is(err, ErrOtherCluster) {
		t.Errorf("error %v", err)
	}
	server.SetCluster("c1")
	conn, err := client.Dial(t.Context(), server.Addr(), Identity{ID: "s"}, KindRaft)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := server.Raft().Accept()
	if err != nil || From(accepted) != "a" {
		t.Errorf("accepted from %q, %v", From(accepted), err)
	}
}

// TestImpostor: whoever listens at a peer's address must prove that it knows the
// secret, and can't do so with what it was sent.
func TestImpostor(t *testing.T) {
	t.Parallel()
	client := newPort(t, "a", "c1", "hush")
	for name, answer := range map[string]func(hello []byte) []byte{
		"silence":   func([]byte) []byte { return nil },
		"made up":   func([]byte) []byte { return append([]byte{1, 1, 's', 3, 'i', '-', 's'}, make([]byte, macSize)...) },
		"sent back": func(hello []byte) []byte { return hello },
		"MAC reused": func(hello []byte) []byte {
			return append([]byte{1, 1, 's', 3, 'i', '-', 's'}, hello[len(hello)-macSize:]...)
		},
	} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			c.Write(make([]byte, nonceSize))
			buf := make([]byte, 1024)
			n, _ := c.Read(buf)
			c.Write(answer(buf[:n]))
		}()
		if conn, err := client.Dial(t.Context(), ln.Addr().String(), Identity{ID: "s"}, KindRaft); err == nil {
			conn.Close()
			t.Errorf("%s: the impostor was believed", name)
		}
		ln.Close()
	}
}

// TestReplay: what a peer has sent once opens no second connection.
func TestReplay(t *testing.T) {
	t.Parallel()
	server, client := newPort(t, "s", "c1", "hush"), newPort(t, "a", "c1", "hush")
	proxy, recorded := record(t, server.Addr())
	conn, err := client.Dial(t.Context(), proxy, Identity{ID: "s"}, KindRPC)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	hello := <-recorded
	raw, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(5 * time.Second))
	raw.Write(hello)
	if got, _ := io.ReadAll(raw); len(got) != nonceSize {
		t.Errorf("the replay got %d bytes", len(got))
	}
}

// record is a proxy that tells what the first client has sent.
func record(t *testing.T, target string) (string, <-chan []byte) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	out := make(chan []byte, 1)
	go func() {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		defer in.Close()
		up, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer up.Close()
		go io.Copy(in, up)
		var seen bytes.Buffer
		io.Copy(io.MultiWriter(up, &seen), in)
		out <- seen.Bytes()
	}()
	return ln.Addr().String(), out
}

// TestChangedOnTheWay: no byte of the challenge can be changed.
func TestChangedOnTheWay(t *testing.T) {
	t.Parallel()
	p := newPort(t, "s", "c1", "hush")
	text, err := hello{kind: byte(KindRaft), nonce: newNonce(), cluster: "c1", from: "a", wanted: "s"}.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	nonce := newNonce()
	want := p.mac(labelClient, nonce[:], text)
	for i := range text {
		changed := bytes.Clone(text)
		changed[i] ^= 1
		if bytes.Equal(p.mac(labelClient, nonce[:], changed), want) {
			t.Errorf("byte %d does not count", i)
		}
	}
	if bytes.Equal(p.mac(labelServer, nonce[:], text), want) {
		t.Error("both sides make the same MAC")
	}
}

func TestCallEnds(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Call(ctx, a, "HELLO"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	server, client := newPort(t, "s", "c1", "hush"), newPort(t, "a", "c1", "hush")
	// Nobody takes this one: Close must not wait for that.
	conn, err := client.Dial(t.Context(), server.Addr(), Identity{ID: "s"}, KindRaft)
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Raft().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	client.Close()
	if _, err := client.Dial(t.Context(), server.Addr(), Identity{ID: "s"}, KindRaft); err == nil {
		t.Error("dialed on a closed port")
	}
}

// FuzzChallenge: no bytes of a stranger pass, or make it panic, or get an answer.
func FuzzChallenge(f *testing.F) {
	text, _ := hello{kind: byte(KindRaft), cluster: "c1", from: "a", wanted: "s"}.append(nil)
	f.Add(append(text, make([]byte, macSize)...))
	f.Add([]byte{})
	p := newPort(f, "s", "c1", "hush")
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		defer b.Close()
		got := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(a)
			got <- all
		}()
		done := make(chan error, 1)
		go func() { _, _, err := p.challenge(limited{b, bytes.NewReader(data)}); b.Close(); done <- err }()
		if err := <-done; err == nil {
			t.Fatal("a stranger has passed")
		}
		if answer := <-got; len(answer) > nonceSize {
			t.Fatalf("a stranger got %d bytes", len(answer))
		}
	})
}

// limited is a connection whose input ends.
type limited struct {
	net.Conn
	in io.Reader
}

func (l limited) Read(b []byte) (int, error) { return l.in.Read(b) }
