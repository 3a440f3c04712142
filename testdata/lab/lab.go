// Package lab starts real redis-servers and real codis nodes for the programs
// under testdata that measure and torment them: free ports, a directory that
// goes away, processes that never outlive the caller. It checks nothing. The
// benchmarks and the chaos test call it.
package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codis/admin/demo/child"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// Lab owns a directory and the processes that were started in it.
type Lab struct {
	Dir   string
	group *child.Group
}

// New makes a Lab with a directory of its own. Close must be called.
func New(name string) (*Lab, error) {
	dir, err := os.MkdirTemp("", "codis-"+name+"-")
	if err != nil {
		return nil, err
	}
	return &Lab{Dir: dir, group: child.NewGroup()}, nil
}

// Close stops all processes, and removes the directory unless keep is true.
func (l *Lab) Close(keep bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	l.group.Close(ctx)
	if keep {
		return nil
	}
	return os.RemoveAll(l.Dir)
}

// Launch starts a program that listens at addr and waits until it answers PING.
// Its log is in the Lab's directory, named after it.
func (l *Lab) Launch(ctx context.Context, addr string, s child.Spec) (*child.Process, error) {
	p, err := l.Start(s)
	if err != nil {
		return nil, err
	}
	return p, WaitUntil(ctx, p, func() error { return Ping(addr) })
}

// Start starts a program and waits for nothing.
func (l *Lab) Start(s child.Spec) (*child.Process, error) {
	s.Log = filepath.Join(l.Dir, strings.ReplaceAll(s.Name, " ", "-")+".log")
	return l.group.Start(s)
}

// BuildCodis builds the binary from the module of the current directory.
func (l *Lab) BuildCodis(ctx context.Context) (path string, err error) {
	path = filepath.Join(l.Dir, "codis")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "codis").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build codis: %w: %s", err, out)
	}
	return path, nil
}

// WaitUntil polls until ready returns nil: what it waits for is another process.
func WaitUntil(ctx context.Context, p *child.Process, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return errors.New(p.Death())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", p.Name(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Ping asks a RESP server for a sign of life.
func Ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	return PingOn(conn)
}

// PingOn does so on a connection.
func PingOn(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = fmt.Errorf("PING answered %q", line)
	}
	return err
}

// RaiseFileLimit lifts the soft limit of open files to the hard one, for this
// process and its children.
func RaiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	return nil
}
