package cli

import (
	ucli "github.com/urfave/cli/v2"
)

// groupCommand holds what changes groups.
func groupCommand() *ucli.Command {
	return family("group", "add and change groups of redis-servers",
		groupAdd(), groupDel(), groupAttach(), groupDetach(), groupPromote(), groupReplace(), groupAuth(), groupZone())
}

func groupAdd() verb {
	return verb{
		name: "add", usage: "make a group of redis-servers", args: "GID MASTER [REPLICA ...]", min: 2, max: -1,
		about: "The servers are checked first. A replica that follows nobody yet and is empty is made to\n" +
			"follow the master. No slot is assigned: codis assign does that.",
		examples: []string{
			"codis group add 1 10.0.0.1:6379 10.0.0.2:6379",
			"codis group add 2 10.0.0.3:6379 --auth-password - < password.txt",
		},
		flags: []ucli.Flag{
			&ucli.StringFlag{Name: "auth-user", Usage: "`USER` for AUTH at the servers"},
			&ucli.StringFlag{Name: "auth-password", Usage: "`PASSWORD` for AUTH at the servers; - reads it from the standard input"},
			&ucli.BoolFlag{Name: "force", Usage: "the data and the present masters of the replicas may be replaced"},
		},
		run: func(s *session) error {
			args := s.onOff(append([]string{"CODIS.GROUP", "ADD"}, s.words...), "force", "FORCE")
			user, password := s.c.String("auth-user"), s.c.String("auth-password")
			if user != "" && password == "" {
				return usagef("--auth-user needs --auth-password")
			}
			if password != "" {
				password, err := s.secret(password)
				if err != nil {
					return err
				}
				args = append(args, "AUTH")
				if user != "" {
					args = append(args, user)
				}
				args = append(args, password)
			}
			return s.change(args...)
		},
	}
}

func groupDel() verb {
	return verb{
		name: "del", usage: "remove a group that has no slots", args: "GID", min: 1, max: 1,
		about:    "Its redis-servers are left as they are.",
		examples: []string{"codis group del 3"},
		run:      func(s *session) error { return s.change("CODIS.GROUP", "DEL", s.words[0]) },
	}
}

func groupAttach() verb {
	return verb{
		name: "attach", usage: "add a replica to a group", args: "GID ADDR", min: 2, max: 2,
		about:    "The server is checked first. One that is an empty master is made to follow the group's master.",
		examples: []string{"codis group attach 1 10.0.0.4:6379"},
		flags:    []ucli.Flag{&ucli.BoolFlag{Name: "force", Usage: "the server's data and its present master may be replaced"}},
		run: func(s *session) error {
			return s.change(s.onOff([]string{"CODIS.GROUP", "ATTACH", s.words[0], s.words[1]}, "force", "FORCE")...)
		},
	}
}

func groupDetach() verb {
	return verb{
		name: "detach", usage: "take a replica out of a group", args: "GID ADDR", min: 2, max: 2,
		about:    "The redis-server is left as it is.",
		examples: []string{"codis group detach 1 10.0.0.4:6379"},
		flags:    []ucli.Flag{&ucli.BoolFlag{Name: "force", Usage: "take out also the last replica of a group with slots"}},
		run: func(s *session) error {
			return s.change(s.onOff([]string{"CODIS.GROUP", "DETACH", s.words[0], s.words[1]}, "force", "FORCE")...)
		},
	}
}

func groupPromote() verb {
	return verb{
		name: "promote", usage: "make a replica the master of its group", args: "GID ADDR", min: 2, max: 2,
		about: "Requests for the group wait for a fraction of a second, nothing is lost, and the old master\n" +
			"becomes a replica. With --force the old master is given up, whether it answers or not: what\n" +
			"the replica has not received is lost.",
		examples: []string{"codis group promote 1 10.0.0.4:6379", "codis group promote 1 10.0.0.4:6379 --force"},
		flags:    []ucli.Flag{&ucli.BoolFlag{Name: "force", Usage: "although a check says no: what only the old master has is lost"}},
		run: func(s *session) error {
			return s.change(s.onOff([]string{"CODIS.GROUP", "PROMOTE", s.words[0], s.words[1]}, "force", "FORCE")...)
		},
	}
}

func groupReplace() verb {
	return verb{
		name: "replace", usage: "put an empty or restored server in the place of a dead master", args: "GID ADDR", min: 2, max: 2,
		about: "For a group without a replica that could be promoted. The server, which must be a master,\n" +
			"may be a new process under the old address. What it has not is lost, and is deleted at the\n" +
			"old master when that comes back.",
		examples: []string{"codis group replace 1 10.0.0.5:6379 --force"},
		flags:    []ucli.Flag{&ucli.BoolFlag{Name: "force", Usage: "yes, what the server has not is lost"}},
		run: func(s *session) error {
			return s.change(s.onOff([]string{"CODIS.GROUP", "REPLACE", s.words[0], s.words[1]}, "force", "FORCE")...)
		},
	}
}

func groupAuth() verb {
	return verb{
		name: "auth", usage: "set what AUTH takes at a group's servers", args: "GID [USER] PASSWORD", min: 2, max: 3,
		about: "The password - is read from the standard input, so that nobody sees it in ps.\n" +
			`An empty password "" goes back to the cluster's own credentials.`,
		examples: []string{"codis group auth 1 - < password.txt", "codis group auth 1 codis -", `codis group auth 1 ""`},
		run: func(s *session) error {
			last := len(s.words) - 1
			password, err := s.secret(s.words[last])
			if err != nil {
				return err
			}
			args := append([]string{"CODIS.GROUP", "AUTH"}, s.words[:last]...)
			return s.change(append(args, password)...)
		},
	}
}

func groupZone() verb {
	return verb{
		name: "zone", usage: "say where a server runs, for reads from the nearest", args: "GID ADDR ZONE", min: 3, max: 3,
		about:    `An empty zone "" forgets it.`,
		examples: []string{"codis group zone 1 10.0.0.4:6379 eu-west-1a"},
		run: func(s *session) error {
			return s.change("CODIS.GROUP", "ZONE", s.words[0], s.words[1], s.words[2])
		},
	}
}
