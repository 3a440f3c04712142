package lab

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	"codis/admin/demo/child"
)

// Redis is one redis-server, which can be killed and started again with the same
// port and directory.
type Redis struct {
	*child.Process
	// Addr is where it listens.
	Addr string
	Port int

	lab  *Lab
	spec child.Spec
}

// RedisSpec says how to start a redis-server.
type RedisSpec struct {
	// Name is for logs: "redis 1".
	Name string
	// Path is the program.
	Path string
	// Dir is where its data goes, in a directory of its own; empty: the Lab's.
	Dir string
	// More is added to the command line. By default nothing is persisted.
	More []string
}

// StartRedis starts a redis-server and waits until it answers.
func (l *Lab) StartRedis(ctx context.Context, s RedisSpec) (*Redis, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	if s.Dir == "" {
		s.Dir = l.Dir
	}
	dir := filepath.Join(s.Dir, "redis-"+strconv.Itoa(port))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	// CONFIG REWRITE needs a file: a replica remembers its master there.
	conf := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		return nil, err
	}
	r := &Redis{lab: l, Addr: Address(port), Port: port, spec: child.Spec{Name: s.Name, Path: s.Path, Args: append([]string{conf,
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
		"--maxclients", "12000", "--daemonize", "no", "--repl-diskless-sync-delay", "0",
	}, s.More...)}}
	return r, r.Start(ctx)
}

// Start starts the process, again after a Kill, and waits until it answers.
func (r *Redis) Start(ctx context.Context) (err error) {
	r.Process, err = r.lab.Launch(ctx, r.Addr, r.spec)
	return err
}
