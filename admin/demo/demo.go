// Package demo runs a whole cluster on one machine, in the foreground, until its
// context ends: nodes and redis-servers as child processes on loopback ports,
// groups made and slots assigned as a person would do it, over CODIS.*. The main
// package calls it for `codis demo`; the benchmark and the tests form their
// clusters with Form and WaitServed.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"codis/admin/demo/child"
)

// ErrInvalid is returned, wrapped, when options make no sense or do not fit the
// directory.
var ErrInvalid = errors.New("invalid options")

// Options is what a demo is told.
type Options struct {
	Shape
	// Dir keeps data and logs; empty means a temporary directory that is removed
	// at the end.
	Dir string
	// RedisServer and Codis are the programs to start.
	RedisServer, Codis string
	// Out is where people read.
	Out io.Writer
}

// startTimeout bounds the time until the cluster serves. It is long because a
// directory may bring back much data.
const startTimeout = 2 * time.Minute

// stopTimeout bounds the graceful end; what has not ended then is killed.
const stopTimeout = 30 * time.Second

// demo is one run.
type demo struct {
	Options
	layout    layout
	ports     holder
	temporary bool
	children  *child.Group

	mu       sync.Mutex
	stopping bool
}

// Run starts the cluster, says so on Out with a line that begins with "ready",
// and returns after ctx has ended and all that it started has.
func Run(ctx context.Context, o Options) (err error) {
	d := &demo{Options: o, ports: holder{}}
	defer d.ports.releaseAll()
	if err := d.prepare(); err != nil {
		return err
	}
	if d.temporary {
		defer os.RemoveAll(d.Dir)
	}
	d.children = child.NewGroup()
	defer d.stop()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := d.start(starting); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted, as is everyone's right
		}
		return err
	}
	d.guide()
	<-ctx.Done()
	return nil
}

// prepare checks the options, finds the programs, the directory and the ports.
func (d *demo) prepare() error {
	if err := d.Shape.validate(); err != nil {
		return err
	}
	path, err := exec.LookPath(d.RedisServer)
	if err != nil {
		return fmt.Errorf("%w: no redis-server at %q: install one (in the source tree, make deps does) or name it with --redis-server", ErrInvalid, d.RedisServer)
	}
	d.RedisServer = path
	if d.Dir == "" {
		d.temporary = true
		if d.Dir, err = os.MkdirTemp("", "codis-demo-"); err != nil {
			return err
		}
	}
	if d.Dir, err = filepath.Abs(d.Dir); err == nil {
		err = os.MkdirAll(d.logDir(), 0o700)
	}
	if err == nil {
		var notes []string
		d.layout, notes, err = d.plan()
		for _, n := range notes {
			d.say("%s", n)
		}
	}
	if err != nil && d.temporary {
		os.RemoveAll(d.Dir)
	}
	return err
}

// plan recalls the layout of an earlier run or makes a new one and records it.
func (d *demo) plan() (layout, []string, error) {
	l, found, err := recall(d.Dir)
	if err != nil {
		return layout{}, nil, err
	}
	if found {
		return l, nil, l.fits(d.Shape, d.Dir, d.ports.take)
	}
	l, notes, err := newLayout(d.Shape, d.ports.take)
	if err != nil {
		return layout{}, nil, err
	}
	return l, notes, l.record(d.Dir)
}

func (d *demo) logDir() string { return filepath.Join(d.Dir, "logs") }

// stop ends all children, nodes before the servers under them.
func (d *demo) stop() {
	d.mu.Lock()
	d.stopping = true
	d.mu.Unlock()
	d.say("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	d.children.Close(ctx)
	if !d.temporary {
		d.say("stopped; codis demo --dir %s brings it back with its data", d.Dir)
		return
	}
	d.say("stopped")
}

// ended reports a child that ended by itself; people may also kill one to see
// what happens, so the demo goes on. A goroutine of the child group calls it.
func (d *demo) ended(p *child.Process) {
	d.mu.Lock()
	stopping := d.stopping
	d.mu.Unlock()
	if !stopping {
		d.say("%s", p.Death())
	}
}

// say prints for people; the lines of several goroutines do not mix.
func (d *demo) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.Out, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// guide prints what runs where and what to try.
func (d *demo) guide() {
	var b strings.Builder
	for _, n := range d.layout.Nodes {
		fmt.Fprintf(&b, "node %-4s %s   http://%s/\n", n.ID, n.Addr, n.HTTPAddr)
	}
	for _, g := range d.layout.Groups {
		fmt.Fprintf(&b, "group %-3d master %s", g.ID, g.Servers[0])
		if len(g.Servers) > 1 {
			fmt.Fprintf(&b, "   replicas %s", strings.Join(g.Servers[1:], " "))
		}
		b.WriteString("\n")
	}
	where := d.Dir
	if d.temporary {
		where += " (removed at the end)"
	}
	first, last := d.layout.Nodes[0], d.layout.Nodes[len(d.layout.Nodes)-1]
	fmt.Fprintf(&b, "data and logs in %s\n\n", where)
	fmt.Fprintf(&b, "ready: all 1024 slots are served by every node; Ctrl-C stops everything. Try:\n")
	fmt.Fprintf(&b, "  redis-cli -p %s SET greeting hello\n", portOf(first.Addr))
	fmt.Fprintf(&b, "  redis-cli -p %s GET greeting\n", portOf(last.Addr))
	fmt.Fprintf(&b, "  %s slots --addr %s\n", d.Codis, first.Addr)
	d.say("%s", b.String())
}
