package child

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Process is one program that a Group started.
type Process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // written before done is closed, read after
}

// wait runs on the goroutine that the Group owns for this process.
func (p *Process) wait() {
	p.err = p.cmd.Wait()
	close(p.done)
}

// Name is the name of the Spec.
func (p *Process) Name() string { return p.name }

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the process to end (SIGTERM) and waits; when ctx ends first, it is
// killed. Stopping a process that has ended does nothing.
func (p *Process) Stop(ctx context.Context) {
	// An error says that it has ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
	}
}

// Kill ends the process at once (SIGKILL) and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Death says how a process ended and quotes the end of its log; call it after
// Done is closed.
func (p *Process) Death() string {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	return fmt.Sprintf("%s (process %d) ended: %s; the end of %s:\n%s", p.name, p.PID(), how, p.log, tail(p.log))
}

// tail returns the last lines of a log, indented.
func tail(path string) string {
	const lines, most = 6, 4096
	text, err := os.ReadFile(path)
	if err != nil {
		return "    " + err.Error()
	}
	text = text[max(0, len(text)-most):]
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "    " + strings.Join(all[max(0, len(all)-lines):], "\n    ")
}
