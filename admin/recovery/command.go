// Package recovery is `codis recover`: it makes one surviving directory a cluster
// of its own after the majority of the voters was lost for good. It shows what was
// and what will be, asks, and leaves the deed to a Directory, which the main package
// opens.
package recovery

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"codis/raftstore/topology"
)

var (
	// ErrUsage is returned when the command line can't be right.
	ErrUsage = errors.New("wrong usage")
	// ErrNotNeeded is returned when the directory is that of the only voter.
	ErrNotNeeded = errors.New("nothing is to be recovered")
	// ErrRunning is returned when other members of the cluster answer.
	ErrRunning = errors.New("other nodes of the cluster are running")
	// ErrNotConfirmed is returned when the question was answered with anything but
	// the cluster's ID.
	ErrNotConfirmed = errors.New("not confirmed, nothing was changed")
)

// Directory is the directory of a node that is stopped. Its methods are called one
// after another.
type Directory interface {
	// Plan says what was and what will be.
	Plan() Plan
	// Running asks the other members and returns those that answer. It takes seconds
	// at most.
	Running(ctx context.Context) []topology.Node
	// Commit does it.
	Commit() error
	// Close lets go of the directory.
	Close() error
}

// Options say which directory, and who asks.
type Options struct {
	Dir, Who string
}

// Plan is what a recovery would make of a directory.
type Plan struct {
	Dir, NodeID   string
	Before, After *topology.State
	// LastIndex and LastTerm are those of the last entry of the log, and Written is
	// when the log was last written to.
	LastIndex, LastTerm uint64
	Written             time.Time
}

// Command is `codis recover`.
func Command(open func(Options) (Directory, error)) *cli.Command {
	return &cli.Command{
		Name:        "recover",
		Usage:       "go on with one node's directory, after the majority of the voters is lost for good",
		Description: text,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "directory of the node, which must be stopped", Required: true},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("%w: codis recover takes no arguments, got %q", ErrUsage, c.Args().First())
			}
			d, err := open(Options{Dir: c.String("dir"), Who: who()})
			if err != nil {
				return err
			}
			err = run(c.Context, d, terms{out: c.App.Writer, in: c.App.Reader, yes: c.Bool("yes")})
			return errors.Join(err, d.Close())
		},
	}
}

const text = `A cluster without a majority of its voters can change nothing any more. If they
come back, it goes on by itself: wait for them. If their directories are lost,
take one that is left, the one whose last entry has the highest term, and of
those the one with the highest number, and stop its node:

   codis recover --dir /var/lib/codis
   codis start --dir /var/lib/codis --addr 10.0.0.1:19000

The node is then the only member of a cluster with a new ID; keys stay where they
are. Changes of the table that only the lost nodes had are gone: look at
codis slots, codis groups and codis fsck afterwards. The other nodes join anew, with
empty directories and --join; old ones that come back are refused.

Without --yes it shows what would happen and asks.`

// who is recorded in the history.
func who() string {
	name := "someone"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return "codis recover by " + name
}

// terms are how to talk to the person.
type terms struct {
	out io.Writer
	in  io.Reader
	yes bool
}

func run(ctx context.Context, d Directory, t terms) error {
	p := d.Plan()
	if err := show(t.out, p, time.Now()); err != nil {
		return err
	}
	if voter := p.Before.Nodes[p.NodeID].Voter; voter && p.Before.Voters() == 1 {
		return fmt.Errorf("%w: node %s is the only voter; start it", ErrNotNeeded, p.NodeID)
	}
	if running := d.Running(ctx); len(running) > 0 {
		var names []string
		for _, n := range running {
			names = append(names, n.ID+" at "+n.Addr)
		}
		return fmt.Errorf("%w: %s; if they are a majority, start this one too and the cluster goes on by itself; else stop them first, "+
			"so that there are not two clusters over the same servers", ErrRunning, strings.Join(names, ", "))
	}
	if !t.yes {
		if err := ask(t, p.Before.ClusterID); err != nil {
			return err
		}
	}
	if err := d.Commit(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.out, "Done. Start node %s, then let the others join it with empty directories.\n", p.NodeID)
	return err
}

// ask wants the cluster's ID to be typed.
func ask(t terms, clusterID string) error {
	if _, err := fmt.Fprintf(t.out, "Type the ID of the cluster, %s, to go on: ", clusterID); err != nil {
		return err
	}
	line, err := bufio.NewReader(t.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(line) != clusterID {
		return ErrNotConfirmed
	}
	return nil
}
