package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	ucli "github.com/urfave/cli/v2"
)

// shared is a buffer that a test reads while a command writes.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestWatch: where there is no terminal a look is printed when it differs from the
// last one, with --json in one line, until the command is interrupted.
func TestWatch(t *testing.T) {
	addr := startNode(t, "")
	for _, flags := range [][]string{nil, {"--json"}} {
		ctx, interrupt := context.WithCancel(t.Context())
		var out shared
		var errs bytes.Buffer
		app := &ucli.App{Name: "codis", Writer: &out, ErrWriter: &errs, Commands: Commands(), ExitErrHandler: func(*ucli.Context, error) {}}
		ended := make(chan int, 1)
		words := append([]string{"codis", "groups", "--watch", "--interval", "5ms", "--addr", addr}, flags...)
		go func() { ended <- Report(&errs, app.RunContext(ctx, words)) }() // ends with ctx; waited for below
		waitText(t, &out, func(text string) bool { return text != "" })
		first := out.String()
		id := map[bool]string{true: "1", false: "2"}[flags == nil]
		if r := run(t, "", "group", "add", id, "10.0.0."+id+":6379", "--addr", addr); r.code != 0 {
			t.Fatal(r.err)
		}
		waitText(t, &out, func(text string) bool { return strings.Contains(text, "10.0.0."+id+":6379") })
		interrupt()
		if code := <-ended; code != 0 {
			t.Errorf("exit %d: %s", code, errs.String())
		}
		if flags == nil {
			if rest := strings.TrimPrefix(out.String(), first); !strings.HasPrefix(rest, "\nGROUP ") {
				t.Errorf("the second look is %q", rest)
			}
			continue
		}
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("no line of JSON: %q", line)
			}
		}
	}
}

func waitText(t *testing.T, out *shared, good func(string) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !good(out.String()); {
		if time.Now().After(deadline) {
			t.Fatalf("the output is %q", out.String())
		}
		time.Sleep(2 * time.Millisecond) // the output of a command that runs beside
	}
}

func TestFrame(t *testing.T) {
	for _, tt := range []struct {
		name       string
		s          session
		text, last string
		want       string
	}{
		{"terminal", session{screen: screen{terminal: true}}, "a\nb\n", "a\nb\n", "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"},
		{"the same", session{}, "a\n", "a\n", ""},
		{"the first", session{}, "a\n", "", "a\n"},
		{"another", session{}, "b\n", "a\n", "\nb\n"},
		{"another, JSON", session{json: true}, "b\n", "a\n", "b\n"},
		{"JSON on a terminal", session{json: true, screen: screen{terminal: true}}, "b\n", "a\n", "b\n"},
	} {
		if got := tt.s.frame(tt.text, tt.last); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
