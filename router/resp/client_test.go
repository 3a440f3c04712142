package resp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

func TestClientCommands(t *testing.T) {
	resptest.CheckLeaks(t)
	c := resptest.StartRedis(t).Client(t)
	ctx := t.Context()
	if r, err := c.Do(ctx, "PING"); err != nil || r.Text() != "PONG" {
		t.Fatalf("PING: %v %v", r, err)
	}
	value := bytes.Repeat([]byte{0, '\r', '\n', 0xff}, 1<<20)
	if r, err := c.DoBytes(ctx, []byte("SET"), []byte("k"), value); err != nil || r.Text() != "OK" {
		t.Fatalf("SET: %v %v", r.Text(), err)
	}
	if r, err := c.Do(ctx, "GET", "k"); err != nil || !bytes.Equal(r.Str, value) {
		t.Fatalf("GET: %d bytes, %v", len(r.Str), err)
	}
	if r, err := c.Do(ctx, "GET", "none"); err != nil || !r.IsNil() {
		t.Errorf("GET none: %v %v", r, err)
	}
	if r, err := c.Do(ctx, "CONFIG", "GET", "port"); err != nil || len(r.Strings()) != 2 {
		t.Errorf("CONFIG GET: %v %v", r.Strings(), err)
	}
	_, err := c.Do(ctx, "LPUSH", "k", "x")
	var se *resp.ServerError
	if !errors.As(err, &se) || se.Code != "WRONGTYPE" || !strings.Contains(err.Error(), c.Addr()+": LPUSH: WRONGTYPE ") {
		t.Errorf("LPUSH: %v", err)
	}
	if _, err := c.Do(ctx); err == nil {
		t.Error("an empty command was sent")
	}
	if r, err := c.Do(ctx, "HELLO", "3"); err != nil || r.Kind != resp.KindMap {
		t.Errorf("HELLO: %v %v", r.Kind, err)
	}
}

func TestClientPipeline(t *testing.T) {
	c := resptest.StartRedis(t).Client(t)
	cmds := [][]string{{"SET", "k", strings.Repeat("x", 10_000)}, {"LPUSH", "k", "x"}}
	for range 5000 { // far more than the sockets' buffers hold, both ways
		cmds = append(cmds, []string{"ECHO", strings.Repeat("y", 1000)}, []string{"GET", "k"})
	}
	cmds = append(cmds, []string{"INCR", "n"})
	replies, err := c.Pipeline(t.Context(), cmds...)
	if err != nil || len(replies) != len(cmds) {
		t.Fatalf("%d replies, %v", len(replies), err)
	}
	if replies[1].Err() == nil || len(replies[2].Str) != 1000 || len(replies[3].Str) != 10_000 || replies[len(replies)-1].Int != 1 {
		t.Error("wrong replies")
	}
	if replies, err := c.Pipeline(t.Context()); len(replies) != 0 || err != nil {
		t.Errorf("empty pipeline: %v %v", replies, err)
	}
}

func TestDialSetUp(t *testing.T) {
	resptest.Needs(t, 7, 0)
	s := resptest.StartRedis(t, "--requirepass", "sesame", "--unixsocket", "redis.sock")
	admin := s.Client(t)
	if _, err := admin.Do(t.Context(), "ACL", "SETUSER", "ann", "on", ">pw", "+@all", "~*"); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{s.Addr, "unix:" + s.Dir + "/redis.sock"} {
		o := resp.ClientOptions{Addr: addr, User: "ann", Password: "pw", Name: "codis:n1", DB: 3}
		c, err := resp.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r, err := c.Do(t.Context(), "CLIENT", "INFO")
		for _, want := range []string{"user=ann", "name=codis:n1", "db=3"} {
			if err != nil || !strings.Contains(r.Text(), want) {
				t.Errorf("%s: no %s in %q, %v", addr, want, r.Text(), err)
			}
		}
	}
}

func TestDialErrors(t *testing.T) {
	resptest.Needs(t, 7, 0)
	locked := resptest.StartRedis(t, "--requirepass", "sesame")
	open := resptest.StartRedis(t)
	renamed := resptest.StartRedis(t, "--rename-command", "AUTH", "")
	old := scripted(t, "-ERR wrong number of arguments for 'auth' command\r\n")
	nobody := net.JoinHostPort("127.0.0.1", strconv.Itoa(resptest.FreePort(t)))
	const secret = "open-sesame"
	tests := []struct {
		name string
		o    resp.ClientOptions
		want string
		auth bool
	}{
		{"wrong password", resp.ClientOptions{Addr: locked.Addr, Password: secret}, ": AUTH: wrong user or password: ", true},
		{"wrong user", resp.ClientOptions{Addr: locked.Addr, User: "bob", Password: secret}, ": AUTH: wrong user or password: ", true},
		{"no password wanted", resp.ClientOptions{Addr: open.Addr, Password: secret}, ": AUTH: a password was given, but the server has none set: ", true},
		{"no users", resp.ClientOptions{Addr: old, User: "bob", Password: secret}, "older than Redis 6", true},
		{"no AUTH", resp.ClientOptions{Addr: renamed.Addr, User: "bob", Password: secret}, ": AUTH: ERR unknown command 'AUTH'", false},
		{"password missing", resp.ClientOptions{Addr: locked.Addr, DB: 1}, ": SELECT: ", true},
		{"no such DB", resp.ClientOptions{Addr: open.Addr, DB: 99}, ": SELECT: ERR DB index is out of range", false},
		{"nobody there", resp.ClientOptions{Addr: nobody, Password: secret}, nobody + ": dial: connect: connection refused", false},
		{"no socket", resp.ClientOptions{Addr: "unix:/nonexistent/s"}, "unix:/nonexistent/s: dial: ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := resp.Dial(t.Context(), tt.o)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			got := err.Error()
			if !strings.HasPrefix(got, tt.o.Addr) || !strings.Contains(got, tt.want) || errors.Is(err, resp.ErrAuth) != tt.auth {
				t.Errorf("got %q, ErrAuth %v", got, !tt.auth)
			}
			if strings.Contains(got, secret) {
				t.Errorf("the password is in %q", got)
			}
		})
	}
}

// scripted is a server that answers the first bytes it gets with text, and then
// closes: for faults that a real one can't be asked for.
func scripted(t *testing.T, text string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when the listener is closed
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			conn.Read(make([]byte, 64<<10))
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func dial(t *testing.T, o resp.ClientOptions) *resp.Client {
	t.Helper()
	c, err := resp.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestClientFaults(t *testing.T) {
	resptest.CheckLeaks(t)
	tests := []struct{ name, reply, want string }{
		{"closes at once", "", "the server closed the connection"},
		{"closes inside a reply", "$10\r\nabc", "the server closed the connection"},
		{"not Redis", "HTTP/1.1 400 Bad Request\r\n\r\n", "unknown reply type 'H'"},
		{"deep reply", strings.Repeat("*1\r\n", 1000) + ":1\r\n", "nested too deep"},
	}
	for _, tt := range tests {
		c := dial(t, resp.ClientOptions{Addr: scripted(t, tt.reply)})
		_, err := c.Do(t.Context(), "GET", "k")
		if err == nil || !strings.HasPrefix(err.Error(), c.Addr()+": GET: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if _, err := c.Do(t.Context(), "GET", "k"); !errors.Is(err, resp.ErrClosed) {
			t.Errorf("%s: second call: %v", tt.name, err)
		}
	}
}

// A server that is full says so and closes, without reading what we send.
func TestClientRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, size := range []int{1, 4 << 20} {
		c := dial(t, resp.ClientOptions{Addr: l.Addr().String()})
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "-ERR max number of clients reached\r\n")
		conn.Close()
		_, err = c.Do(t.Context(), "ECHO", strings.Repeat("x", size))
		if err == nil || !strings.Contains(err.Error(), "max number of clients reached") {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

func TestClientSkipsPushes(t *testing.T) {
	c := dial(t, resp.ClientOptions{Addr: scripted(t, ">2\r\n+invalidate\r\n*0\r\n+OK\r\n")})
	if r, err := c.Do(t.Context(), "SET", "k", "v"); err != nil || r.Text() != "OK" {
		t.Errorf("got %v, %v", r, err)
	}
}

func TestClientContext(t *testing.T) {
	resptest.CheckLeaks(t)
	s := resptest.StartRedis(t)
	block := []string{"BLPOP", "none", "0"}

	t.Run("cancel", func(t *testing.T) {
		c := s.Client(t)
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(50*time.Millisecond, cancel)
		defer timer.Stop()
		if _, err := c.Do(ctx, block...); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Do(t.Context(), "PING"); !errors.Is(err, resp.ErrClosed) {
			t.Errorf("after it: %v", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := s.Client(t).Do(ctx, block...); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		c := dial(t, resp.ClientOptions{Addr: s.Addr, Timeout: 50 * time.Millisecond})
		if _, err := c.Do(t.Context(), block...); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("done before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := s.Client(t)
		cancel()
		if _, err := c.Do(ctx, "PING"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if _, err := resp.Dial(ctx, resp.ClientOptions{Addr: s.Addr}); !errors.Is(err, context.Canceled) {
			t.Errorf("dial: %v", err)
		}
	})
	t.Run("a server that hangs", func(t *testing.T) {
		s.Pause(t)
		defer s.Continue(t)
		o := resp.ClientOptions{Addr: s.Addr, DB: 1, Timeout: 50 * time.Millisecond}
		if _, err := resp.Dial(t.Context(), o); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), s.Addr+": SELECT: no answer in time") {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientDetach(t *testing.T) {
	s := resptest.StartRedis(t)
	c := s.Client(t)
	if _, err := c.Do(t.Context(), "PING"); err != nil {
		t.Fatal(err)
	}
	conn, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := c.Close(); err != nil { // must leave conn open
		t.Errorf("Close: %v", err)
	}
	if _, err := c.Do(t.Context(), "PING"); !errors.Is(err, resp.ErrClosed) {
		t.Errorf("Do after Detach: %v", err)
	}
	io.WriteString(conn, "PING\r\n")
	got := make([]byte, 7)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "+PONG\r\n" {
		t.Errorf("got %q, %v", got, err)
	}

	c = dial(t, resp.ClientOptions{Addr: scripted(t, "+OK\r\n+surplus\r\n")})
	if _, err := c.Do(t.Context(), "PING"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Detach(); !errors.Is(err, resp.ErrUnread) {
		t.Errorf("with unread bytes: %v", err)
	}
}
