package resptest

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"codis/router/resp"
)

func TestServerLifecycle(t *testing.T) {
	s := StartRedis(t)
	ctx := t.Context()
	if _, err := s.Client(t).Do(ctx, "SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	pid := s.Cmd.Process.Pid
	s.Kill()
	s.Kill()
	if _, err := resp.Dial(ctx, resp.ClientOptions{Addr: s.Addr}); err == nil {
		t.Error("killed, and it still accepts")
	}
	s.Restart(t)
	if s.Cmd.Process.Pid == pid {
		t.Error("the same process after Restart")
	}
	if r, err := s.Client(t).Do(ctx, "GET", "k"); err != nil || !r.IsNil() {
		t.Errorf("something was persisted: %v %v", r, err)
	}

	c := s.Client(t)
	s.Pause(t)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := c.Do(short, "PING"); err == nil {
		t.Error("paused, and it answers")
	}
	s.Continue(t)
	if _, err := s.Client(t).Do(ctx, "PING"); err != nil {
		t.Error(err)
	}
}

func TestServerPersistsWhenAsked(t *testing.T) {
	s := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always", "--requirepass", "x")
	if _, err := s.Client(t).Do(t.Context(), "SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if r, err := s.Client(t).Do(t.Context(), "GET", "k"); err != nil || r.Text() != "v" {
		t.Errorf("got %q, %v", r.Text(), err)
	}
}

func TestServerEndsWithItsTest(t *testing.T) {
	var pid int
	t.Run("inner", func(t *testing.T) { pid = StartRedis(t).Cmd.Process.Pid })
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is left over: %v", pid, err)
	}
}

// recorder is a testing.TB that keeps what CheckLeaks does with it.
type recorder struct {
	testing.TB
	cleanups []func()
	text     string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(f string, args ...any) {
	r.text += f
	for _, a := range args {
		if s, ok := a.(string); ok {
			r.text += s
		}
	}
}

func TestCheckLeaks(t *testing.T) {
	old, leak := make(chan struct{}), make(chan struct{})
	defer close(leak)
	defer close(old)
	go leaky(old) // both end with the test
	for wait := 0; len(goroutines()) == 0 && wait < 100; wait++ {
		time.Sleep(time.Millisecond) // until the goroutine shows
	}
	r := &recorder{TB: t}
	CheckLeaks(r)
	r.cleanups[0]()
	if r.text != "" {
		t.Errorf("nothing leaked: %s", r.text)
	}
	go leaky(leak)
	for wait := 0; len(goroutines()) < 2 && wait < 100; wait++ {
		time.Sleep(time.Millisecond)
	}
	r.cleanups[0]()
	if !strings.Contains(r.text, "resptest.leaky") {
		t.Errorf("a leak was not seen: %q", r.text)
	}
}

func leaky(c chan struct{}) { <-c }
