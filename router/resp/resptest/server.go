// Package resptest gives tests what they need of the outside: real
// redis-server processes on free ports of 127.0.0.1, and a check that no
// goroutine of this module outlives a test. It is imported by the tests of
// every package and by nothing else.
package resptest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codis/router/resp"
)

// startTimeout is generous: tests of several packages share a machine.
const startTimeout = 20 * time.Second

// Server is a redis-server process that a test has started.
type Server struct {
	// Addr is 127.0.0.1 and Port.
	Addr string
	Port int
	// Cmd is the running process; Restart puts another one in its place.
	Cmd *exec.Cmd
	// Dir is the server's working directory, kept over a Restart.
	Dir string

	path   string
	args   []string
	exited chan struct{} // closed when Cmd has been waited for
	output *bytes.Buffer // not to be read before exited is closed
}

// StartRedis starts a redis-server and waits until it answers. args are added
// to its command line, for example "--requirepass", "x"; nothing is persisted
// unless they say so. The server is killed when the test ends.
func StartRedis(tb testing.TB, args ...string) *Server {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatalf("redis-server is not installed; `make deps` installs it: %v", err)
	}
	s := &Server{Dir: tb.TempDir(), path: path, args: ServerVersion(tb).known(args)}
	tb.Cleanup(s.Kill)
	for range 5 { // another process may take the port first
		s.Port = FreePort(tb)
		s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
		if err = s.start(); err == nil {
			return s
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	tb.Fatalf("start redis-server: %v", err)
	return nil
}

// Kill ends the process with SIGKILL and waits for it. It may be called again.
func (s *Server) Kill() {
	if s.Cmd == nil {
		return
	}
	s.Cmd.Process.Kill()
	<-s.exited
}

// Restart kills the process if it runs and starts another one with the same
// port, directory and arguments.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		tb.Fatalf("restart redis-server on %s: %v", s.Addr, err)
	}
}

// RestartWith is Restart with more arguments, which stay for the next one.
func (s *Server) RestartWith(tb testing.TB, args ...string) {
	tb.Helper()
	s.args = append(slices.Clone(s.args), args...)
	s.Restart(tb)
}

// Pause stops the process with SIGSTOP: its port accepts, nothing answers.
func (s *Server) Pause(tb testing.TB) { s.signal(tb, syscall.SIGSTOP) }

// Continue ends a Pause.
func (s *Server) Continue(tb testing.TB) { s.signal(tb, syscall.SIGCONT) }

// Client connects to the server, with the password that StartRedis was given
// by "--requirepass", and closes the connection when the test ends.
func (s *Server) Client(tb testing.TB) *resp.Client {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: s.Addr, Password: s.password(), Timeout: startTimeout})
	if err != nil {
		tb.Fatalf("connect to redis-server: %v", err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func (s *Server) password() string {
	if i := slices.Index(s.args, "--requirepass"); i >= 0 && i+1 < len(s.args) {
		return s.args[i+1]
	}
	return ""
}

func (s *Server) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := s.Cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("signal %v to redis-server on %s: %v", sig, s.Addr, err)
	}
}

// start runs the process until it answers PING; on an error none is left.
func (s *Server) start() error {
	args := []string{"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.Dir,
		"--save", "", "--appendonly", "no", "--pidfile", filepath.Join(s.Dir, "redis.pid")}
	cmd := exec.Command(s.path, append(args, s.args...)...)
	output := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	s.Cmd, s.exited, s.output = cmd, exited, output
	go func() { // ends with the process, which Kill ends and waits for
		cmd.Wait()
		close(exited)
	}()
	return s.waitReady()
}

func (s *Server) waitReady() error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := s.ping()
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it exited: %s", s.output)
		case <-time.After(10 * time.Millisecond): // it tells nobody when it is ready
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("no answer within %v: %w: %s", startTimeout, err, s.output)
		}
	}
}

// ping asks this process, and not another one that has taken the port.
func (s *Server) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: s.Addr, Password: s.password()})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err = c.Do(ctx, "PING"); err != nil {
		return err
	}
	info, err := c.Do(ctx, "INFO", "server")
	if err != nil {
		return err
	}
	if pid := resp.ParseInfo(info.Text())["process_id"]; pid != strconv.Itoa(s.Cmd.Process.Pid) {
		return fmt.Errorf("another redis-server, process %s, has the port", pid)
	}
	return nil
}

// FreePort is a TCP port of 127.0.0.1 that was free a moment ago.
func FreePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
