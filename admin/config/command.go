package config

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"
)

// Command is `codis start`: it reads the configuration and hands it to run.
func Command(run func(ctx context.Context, cfg Config, c *cli.Context) error) *cli.Command {
	return &cli.Command{
		Name:        "start",
		Usage:       "run a node in the foreground",
		Description: startText,
		Flags:       Flags(),
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return fmt.Errorf("%w: codis start takes no arguments, got %q", ErrInvalid, c.Args().First())
			}
			cfg, err := FromCLI(c)
			if err != nil {
				return err
			}
			return run(c.Context, cfg, c)
		},
	}
}

const startText = `The first node of a cluster founds it; the others join by way of any member:

   codis start --id n1 --dir n1 --addr 127.0.0.1:19000
   codis start --id n2 --dir n2 --addr 127.0.0.1:19001 --join 127.0.0.1:19000
   codis start --id n3 --dir n3 --addr 127.0.0.1:19002 --join 127.0.0.1:19000,127.0.0.1:19001

A node that was a member before finds the others by itself: codis start --dir n2 --addr 127.0.0.1:19001

To listen beyond this machine, give all nodes the same secret:

   codis start --dir /var/lib/codis --addr 10.0.0.1:19000 --secret-file /etc/codis/secret

Each flag can also be given as the environment variable shown with it, or as a
line "name value" in the file that --config names ("addr 10.0.0.1:19000"; lines
that begin with # are comments). A flag counts before a variable, a variable
before the file.

SIGTERM or Ctrl-C ends the node gracefully; a second one ends it at once.`
