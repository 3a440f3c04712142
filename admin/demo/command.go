package demo

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"
)

// Command is `codis demo`. The nodes that it starts run the same program.
func Command() *cli.Command {
	d := DefaultShape()
	number := func(name, usage string, value int) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, Value: value}
	}
	return &cli.Command{
		Name:  "demo",
		Usage: "run a whole cluster on this machine, until interrupted",
		Description: `Starts nodes on --port and up and redis-servers on --port + 100 and up, makes
groups, assigns the slots, and stops all of it with Ctrl-C. Busy ports are
replaced by free ones next to them.

   codis demo
   codis demo --nodes 5 --groups 4 --dir ./demo

With --dir the cluster comes back with its data the next time: codis demo --dir ./demo`,
		Flags: []cli.Flag{
			number("port", "client port of the first node", d.Port),
			number("nodes", "number of nodes", d.Nodes),
			number("groups", "number of groups", d.Groups),
			number("replicas", "replicas in each group", d.Replicas),
			&cli.StringFlag{Name: "dir", Usage: "directory that keeps data and logs, for the next time too", DefaultText: "a temporary one"},
			&cli.StringFlag{Name: "redis-server", Usage: "the redis-server to use", Value: "redis-server"},
		},
		Action: action,
	}
}

func action(c *cli.Context) error {
	if c.Args().Present() {
		return fmt.Errorf("%w: codis demo takes no arguments, got %q", ErrInvalid, c.Args().First())
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := Options{Dir: c.String("dir"), RedisServer: c.String("redis-server"), Codis: self, Out: c.App.Writer}
	if o.Shape, err = shapeOf(c); err != nil {
		return err
	}
	return Run(c.Context, o)
}

// shapeOf takes what the flags say; what they do not say is as it was the last
// time in this directory.
func shapeOf(c *cli.Context) (Shape, error) {
	s := Shape{Port: c.Int("port"), Nodes: c.Int("nodes"), Groups: c.Int("groups"), Replicas: c.Int("replicas")}
	dir := c.String("dir")
	if dir == "" {
		return s, nil
	}
	old, found, err := recall(dir)
	if err != nil || !found {
		return s, err
	}
	for _, f := range []struct {
		name    string
		to, old *int
	}{
		{"port", &s.Port, &old.Shape.Port}, {"nodes", &s.Nodes, &old.Shape.Nodes},
		{"groups", &s.Groups, &old.Shape.Groups}, {"replicas", &s.Replicas, &old.Shape.Replicas},
	} {
		if !c.IsSet(f.name) {
			*f.to = *f.old
		}
	}
	return s, nil
}
