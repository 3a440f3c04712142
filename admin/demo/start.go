package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codis/admin/demo/child"
	"codis/router/resp"
)

// start starts all processes and forms the cluster.
func (d *demo) start(ctx context.Context) error {
	for _, g := range d.layout.Groups {
		for i := range g.Servers {
			if err := d.startServer(ctx, g, i); err != nil {
				return err
			}
		}
	}
	for _, g := range d.layout.Groups {
		for _, replica := range g.Servers[1:] {
			if err := waitReplica(ctx, replica); err != nil {
				return err
			}
		}
	}
	var nodes []string
	for i, n := range d.layout.Nodes {
		nodes = append(nodes, n.Addr)
		if err := d.startNode(ctx, i); err != nil {
			return err
		}
	}
	var groups []Group
	for _, g := range d.layout.Groups {
		groups = append(groups, Group(g))
	}
	if err := Form(ctx, nodes[0], groups); err != nil {
		return err
	}
	if err := WaitVoters(ctx, nodes); err != nil {
		return err
	}
	return WaitServed(ctx, nodes)
}

// startServer starts one redis-server. Replicas are told whom to follow on the
// command line, since a server without a config file forgets it.
func (d *demo) startServer(ctx context.Context, g group, i int) error {
	addr := g.Servers[i]
	dir := filepath.Join(d.Dir, "redis-"+portOf(addr))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	keep := "yes"
	if d.temporary {
		keep = "no"
	}
	// The full synchronization of a new replica starts at once, not after the 5 s
	// in which a server waits for further replicas.
	args := []string{"--port", portOf(addr), "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no",
		"--save", "", "--appendonly", keep, "--repl-diskless-sync-delay", "0"}
	if i > 0 {
		args = append(args, "--replicaof", "127.0.0.1", portOf(g.Servers[0]))
	}
	d.ports.release(addr)
	return d.launch(ctx, addr, child.Spec{Name: "redis-server " + portOf(addr), Path: d.RedisServer, Args: args})
}

func (d *demo) startNode(ctx context.Context, i int) error {
	n := d.layout.Nodes[i]
	args := []string{"start", "--id", n.ID, "--dir", filepath.Join(d.Dir, n.ID),
		"--addr", n.Addr, "--peer-addr", n.PeerAddr, "--http-addr", n.HTTPAddr}
	if i > 0 {
		args = append(args, "--join", d.layout.Nodes[0].Addr)
	}
	d.ports.release(n.Addr, n.PeerAddr, n.HTTPAddr)
	return d.launch(ctx, n.Addr, child.Spec{Name: "node " + n.ID, Path: d.Codis, Args: args})
}

// launch starts a process and waits until it answers at addr.
func (d *demo) launch(ctx context.Context, addr string, s child.Spec) error {
	s.Log = filepath.Join(d.logDir(), strings.ReplaceAll(s.Name, " ", "-")+".log")
	s.Env = environment()
	s.OnEnd = d.ended
	p, err := d.children.Start(s)
	if err != nil {
		return err
	}
	return poll(ctx, p.Name()+" to answer", func(ctx context.Context) error {
		select {
		case <-p.Done():
			return final(fmt.Errorf("%s did not start", p.Name()))
		default:
		}
		return ask(ctx, addr, "PING")
	})
}

// environment is this process's, without what would configure the nodes.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CODIS_") })
}

// waitReplica waits until a replica has its master's data: it is checked when
// its group is made.
func waitReplica(ctx context.Context, addr string) error {
	return poll(ctx, addr+" to follow its master", func(ctx context.Context) error {
		c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
		if err != nil {
			return err
		}
		defer c.Close()
		reply, err := c.Do(ctx, "INFO", "replication")
		if err != nil {
			return err
		}
		if status := resp.ParseInfo(reply.Text())["master_link_status"]; status != "up" {
			return fmt.Errorf("the link to its master is %q", status)
		}
		return nil
	})
}

// ask sends one command on a connection of its own. A server that is still
// loading its data answers with an error, and is asked again.
func ask(ctx context.Context, addr string, args ...string) error {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do(ctx, args...)
	return err
}
