package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "rewrite the recorded output")

// result is what a command line left behind.
type result struct {
	out, err string
	code     int
}

// run runs one command line in this process, as the main package does.
func run(tb testing.TB, stdin string, words ...string) result {
	tb.Helper()
	var out, errs bytes.Buffer
	app := &ucli.App{
		Name: "codis", Reader: strings.NewReader(stdin), Writer: &out, ErrWriter: &errs, Commands: Commands(),
		ExitErrHandler: func(*ucli.Context, error) {}, OnUsageError: OnUsageError,
	}
	code := Report(&errs, app.RunContext(tb.Context(), append([]string{"codis"}, words...)))
	return result{out: out.String(), err: errs.String(), code: code}
}

// TestScripts runs the scripts of testdata and compares what is printed with
// what was recorded. "$ codis ..." is a command line, "|" before it sets its
// standard input, "#" starts a comment; "! " marks the standard error.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			addr := startNode(t, "")
			t.Setenv("CODIS_ADDR", addr)
			t.Setenv("COLUMNS", "")
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(runScript(t, string(script)), addr, "NODE")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(script) {
				t.Errorf("%s: the output has changed (-update records it):\n%s", file, got)
			}
		})
	}
}

func runScript(t *testing.T, script string) string {
	var out strings.Builder
	stdin := ""
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "| "):
			fmt.Fprintln(&out, line)
			stdin = line[2:] + "\n"
		case strings.HasPrefix(line, "$ codis"):
			fmt.Fprintf(&out, "%s\n", line)
			words := strings.Fields(strings.TrimPrefix(line, "$ codis"))
			for i := range words {
				words[i] = strings.ReplaceAll(words[i], `""`, "")
			}
			r := run(t, stdin, words...)
			stdin = ""
			for text := range strings.Lines(r.out) {
				fmt.Fprintf(&out, "  %s\n", strings.TrimRight(text, " \n"))
			}
			for text := range strings.Lines(r.err) {
				fmt.Fprintf(&out, "! %s\n", strings.TrimRight(text, "\n"))
			}
			if r.code != 0 {
				fmt.Fprintf(&out, "exit %d\n", r.code)
			}
		}
	}
	return out.String()
}

// TestJSONIsJSON runs everything that can be printed as JSON.
func TestJSONIsJSON(t *testing.T) {
	t.Setenv("CODIS_ADDR", startNode(t, ""))
	for _, line := range []string{
		"info", "slots", "slot a b", "nodes", "groups", "group add 1 h:7000 h:7001", "assign auto", "assign 0 1 1", "groups", "info",
		"config get", "config get nothing", "config set timeout 5m", "history", "export", "slots 9 3", "group add x",
	} {
		r := run(t, "", append(strings.Fields(line), "--json")...)
		text := r.out
		if r.code != 0 {
			text = r.err
		}
		if !json.Valid([]byte(text)) {
			t.Errorf("codis %s --json: no JSON: %q", line, text)
		}
	}
}

func TestAddrList(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := ln.Addr().String()
	ln.Close()
	live := startNode(t, "")
	tests := []struct {
		name, addr string
		code       int
		want       string
	}{
		{"the first is dead", dead + ", " + live, 0, ""},
		{"empty members", ",," + live, 0, ""},
		{"all are dead", dead + "," + dead, 1, "no node can be reached (" + dead},
		{"none", ",", 2, "--addr names no node"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, "", "slots", "--addr", tt.addr)
			if r.code != tt.code || !strings.Contains(r.err, tt.want) {
				t.Errorf("got %d %q, want %d %q", r.code, r.err, tt.code, tt.want)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	addr := startNode(t, "HUNTER1")
	tests := []struct {
		name, env string
		words     []string
		code      int
		want      string
	}{
		{"none", "", nil, 1, "CODIS_PASSWORD"},
		{"flag", "", []string{"--password", "HUNTER1"}, 0, ""},
		{"flag before the words", "HUNTER9", []string{"--password=HUNTER1"}, 0, ""},
		{"environment", "HUNTER1", nil, 0, ""},
		{"wrong", "HUNTER9", nil, 1, "wrong user or password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CODIS_PASSWORD", tt.env)
			for _, words := range [][]string{{"nodes"}, {"config", "set", "timeout", "1m"}} {
				r := run(t, "", append(append(words, "--addr", addr), tt.words...)...)
				if r.code != tt.code || !strings.Contains(r.err, tt.want) {
					t.Errorf("%v: got %d %q, want %d %q", words, r.code, r.err, tt.code, tt.want)
				}
				if strings.Contains(r.out+r.err, "HUNTER") {
					t.Errorf("the password is told: %q %q", r.out, r.err)
				}
			}
		})
	}
}

// TestLostAnswer: nobody may believe that a change was not made.
func TestLostAnswer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener; the test waits for it
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 512)
			if n, _ := conn.Read(buf); bytes.Contains(buf[:n], []byte("CODIS.PEER")) {
				_, _ = conn.Write([]byte("+PONG\r\n"))
				_, _ = conn.Read(buf)
			}
			conn.Close()
		}
	}()
	defer func() { ln.Close(); <-done }()
	r := run(t, "", "assign", "auto", "--addr", ln.Addr().String())
	if r.code != ExitFailed || !strings.Contains(r.err, "may have been made") {
		t.Errorf("change: got %d %q", r.code, r.err)
	}
	r = run(t, "", "slots", "--addr", ln.Addr().String())
	if r.code != ExitFailed || strings.Contains(r.err, "may have been made") {
		t.Errorf("read: got %d %q", r.code, r.err)
	}
}

// TestStrangeReplies: a node of another version, or another program, answers.
func TestStrangeReplies(t *testing.T) {
	for _, reply := range []string{"+OK\r\n", ":1\r\n", "*1\r\n:1\r\n", "*1\r\n*1\r\n:1\r\n", "*-1\r\n", "$2\r\n{x\r\n", "*1\r\n*2\r\n+servers\r\n+x\r\n"} {
		addr := startScripted(t, reply)
		for _, line := range []string{"info", "slots", "slot a", "nodes", "groups", "history", "config get", "export", "assign auto"} {
			r := run(t, "", append(strings.Fields(line), "--addr", addr)...)
			if r.code == 0 && r.out == "" {
				t.Errorf("%s with %q: neither output nor error", line, reply)
			}
		}
	}
}

// startScripted answers every request with the same bytes.
func startScripted(tb testing.TB, reply string) (addr string) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener; the cleanup waits for it
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(reply))
			conn.Close()
		}
	}()
	tb.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}
