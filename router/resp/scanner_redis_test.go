package resp_test

import (
	"bufio"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// redisSays gives in to a real server and returns the first line of its reply.
func redisSays(t *testing.T, addr, in string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte(in)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("%.60q: %v", in, err)
	}
	return line
}

// A wrong request gets from the scanner, word for word, what Redis answers.
func TestScannerErrorsAreRedisOwn(t *testing.T) {
	open := resptest.StartRedis(t)
	closed := resptest.StartRedis(t, "--requirepass", "x")
	digits := strings.Repeat("1", 70_000)
	tests := []struct {
		server *resptest.Server
		limits resp.Limits
		in     []string
	}{
		{open, resp.DefaultLimits(), []string{
			"*abc\r\n", "*\r\n", "*+1\r\n", "*01\r\n", "*-\r\n", "*-0\r\n", "*1 \r\n", "*2147483648\r\n", "*9223372036854775808\r\n",
			"*9223372036854775807\r\n$1\r\na\r\n", "*1\r\n:1\r\n", "*1\r\n\r\n", "*1\r\nx\r\n", "*1\r\n$x\r\n", "*1\r\n$\r\n", "*1\r\n$-1\r\n", "*1\r\n$04\r\nPING\r\n",
			"*1\r\n$536870913\r\n", "*1\r\n$9223372036854775807\r\nabc\r\n", "*2\r\n$3\r\nGET\r\n$-100\r\nabc\r\n",
			"*" + digits, "*1\r\n$" + digits, strings.Repeat("x", 70_000), "\"a\r\n", "'a\r\n", "\"a\"b\r\n",
		}},
		{closed, resp.UnauthenticatedLimits(), []string{"*11\r\n", "*9999999999\r\n", "*1\r\n$16385\r\n", "*1\r\n$536870913\r\n"}},
	}
	for _, tt := range tests {
		for _, in := range tt.in {
			s := resp.Scanner{Limits: tt.limits}
			_, err := s.Next([]byte(in))
			if err == nil {
				t.Errorf("%.60q: no error", in)
				continue
			}
			got := string(resp.AppendError(nil, "ERR "+err.Error()))
			if want := redisSays(t, tt.server.Addr, in); got != want {
				t.Errorf("%.60q: got %q, Redis says %q", in, got, want)
			}
		}
	}
}

// Random lines are split into words as Redis splits them.
func TestInlineWordsAreRedisOwn(t *testing.T) {
	server := resptest.StartRedis(t)
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{`"`, `'`, `\`, `x`, `4`, `f`, `a`, `n`, ` `, "\t", `\"`, `\'`, `\x41`, "\v", "\r", `" `, `' `, "é"}
	words, errs := 0, 0
	for range 1500 {
		line := "ECHO "
		for range 1 + r.IntN(8) {
			line += pieces[r.IntN(len(pieces))]
		}
		var s resp.Scanner
		n, err := s.Next([]byte(line + "\n"))
		want := ""
		switch {
		case err != nil:
			want = "-ERR " + err.Error() + "\r\n"
			errs++
		case n != len(line)+1:
			t.Fatalf("%q: %d bytes of %d", line, n, len(line)+1)
		case len(s.Args()) != 2:
			want = "-ERR wrong number of arguments for 'echo' command\r\n"
		default:
			if got := redisEchoes(t, server.Addr, line); got != string(s.Args()[1]) {
				t.Errorf("%q: got %q, Redis %q", line, s.Args()[1], got)
			}
			words++
			continue
		}
		if got := redisSays(t, server.Addr, line+"\n"); got != want {
			t.Errorf("%q: got %q, Redis %q", line, want, got)
		}
	}
	if words < 100 || errs < 100 {
		t.Errorf("only %d words and %d errors were compared", words, errs)
	}
}

func redisEchoes(t *testing.T, addr, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
	var buf []byte
	for {
		if r, n, err := resp.ParseReply(buf); err != nil {
			t.Fatal(err)
		} else if n > 0 {
			return r.Text()
		}
		chunk := make([]byte, 512)
		n, err := conn.Read(chunk)
		if err != nil {
			t.Fatalf("%q: %v after %q", line, err, buf)
		}
		buf = append(buf, chunk[:n]...)
	}
}
