// Package child starts programs that never outlive this process: they are
// stopped by process id, last started first, and where the kernel offers it
// (Linux) they are killed with this process, however it ends. It knows nothing
// of what the programs do. The demo and the benchmark call it.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// ErrClosed is returned when a program is started in a Group that was closed.
var ErrClosed = errors.New("the group of child processes is closed")

// Spec says what to start.
type Spec struct {
	// Name is what messages call the process, for example "node n1".
	Name string
	// Path is the program; it is looked up in PATH when it has no slash.
	Path string
	Args []string
	// Dir is the working directory; empty means this process's own.
	Dir string
	// Env is the environment, as KEY=value; nil means this process's own.
	Env []string
	// Log is the file that standard output and error are appended to.
	Log string
	// OnEnd, when set, is called when the process has ended, on a goroutine of
	// the Group; Close waits for it.
	OnEnd func(*Process)
}

// Group owns child processes and the operating system thread that starts them.
type Group struct {
	requests chan startRequest
	closed   chan struct{}
	wg       sync.WaitGroup

	mu        sync.Mutex
	processes []*Process // in the order in which they were started
	closing   bool
}

type startRequest struct {
	cmd   *exec.Cmd
	reply chan error
}

// NewGroup returns an empty Group. Close must be called.
func NewGroup() *Group {
	g := &Group{requests: make(chan startRequest), closed: make(chan struct{})}
	g.wg.Add(1)
	go g.starter()
	return g
}

// starter forks all children from one thread that lives as long as the Group:
// the kernel sends the parent-death signal when the thread that forked ends,
// not when the process does, and the Go runtime ends threads as it likes.
func (g *Group) starter() {
	defer g.wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case r := <-g.requests:
			r.reply <- r.cmd.Start()
		case <-g.closed:
			return
		}
	}
}

// Start starts a program and returns once it runs.
func (g *Group) Start(s Spec) (*Process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closing {
		return nil, fmt.Errorf("start %s: %w", s.Name, ErrClosed)
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	reply := make(chan error, 1)
	g.requests <- startRequest{cmd: cmd, reply: reply}
	if err := <-reply; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	p := &Process{name: s.Name, log: s.Log, cmd: cmd, done: make(chan struct{})}
	g.processes = append(g.processes, p)
	g.wg.Add(1)
	go func() {
		defer g.wg.Done()
		p.wait()
		if s.OnEnd != nil {
			s.OnEnd(p)
		}
	}()
	return p, nil
}

// Close stops what still runs, last started first, and returns when all of it
// has ended: a process that has not ended when ctx does is killed. Closing
// twice is allowed.
func (g *Group) Close(ctx context.Context) {
	g.mu.Lock()
	first := !g.closing
	g.closing = true
	processes := g.processes
	g.mu.Unlock()
	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].Stop(ctx)
	}
	if first {
		close(g.closed)
	}
	g.wg.Wait()
}
