package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"codis/admin/demo"
	"codis/raftstore/topology"
	"codis/router/resp"
	"codis/testdata/lab"
)

// bench is one run: nodes over two groups, and a server beside them that the plain
// loop copies to.
type bench struct {
	options
	lab     *lab.Lab
	nodes   []string
	masters [2]*lab.Redis // of groups 1 and 2
	beside  *lab.Redis
	// at is which of masters has the keys: 0 or 1.
	at int
}

func (b *bench) start(ctx context.Context) (err error) {
	if b.codis == "" {
		if b.codis, err = b.lab.BuildCodis(ctx); err != nil {
			return err
		}
	}
	if b.beside, err = b.lab.StartRedis(ctx, lab.RedisSpec{Name: "beside", Path: b.redisServer}); err != nil {
		return err
	}
	var groups []demo.Group
	for i := range b.masters {
		g := demo.Group{ID: i + 1}
		for j := range 1 + b.replicas {
			s, err := b.lab.StartRedis(ctx, lab.RedisSpec{Name: fmt.Sprintf("group %d server %d", i+1, j+1), Path: b.redisServer, More: []string{"--enable-debug-command", "local"}})
			if err != nil {
				return err
			}
			if j == 0 {
				b.masters[i] = s
			}
			g.Servers = append(g.Servers, s.Addr)
		}
		groups = append(groups, g)
	}
	for i := range b.options.nodes {
		s := lab.NodeSpec{ID: fmt.Sprintf("n%d", i+1), Path: b.codis, More: []string{"--loops", strconv.Itoa(b.loops)}}
		if i > 0 {
			s.Join = b.nodes[0]
		}
		n, err := b.lab.StartNode(ctx, s)
		if err != nil {
			return err
		}
		b.nodes = append(b.nodes, n.Addr)
	}
	if err := lab.Form(ctx, b.nodes, groups); err != nil {
		return err
	}
	_, err = b.move(ctx, 0) // there are no keys yet: all slots to group 1
	return err
}

// ask sends one command to a server or node.
func ask(ctx context.Context, addr string, cmd ...string) (resp.Reply, error) {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr, Timeout: 5 * time.Minute})
	if err != nil {
		return resp.Reply{}, err
	}
	defer c.Close()
	return c.Do(ctx, cmd...)
}

// key is one that moves.
func key(i int) string { return fmt.Sprintf("key:%09d", i) }

func (b *bench) fill(ctx context.Context) error {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: b.nodes[0], Timeout: time.Minute})
	if err != nil {
		return err
	}
	defer c.Close()
	var cmds [][]string
	for i := range b.keys {
		value := strings.Repeat(strconv.Itoa(i)+":", b.size)[:b.size]
		if cmds = append(cmds, []string{"SET", key(i), value}); len(cmds) < 1000 && i < b.keys-1 {
			continue
		}
		replies, err := c.Pipeline(ctx, cmds...)
		if err != nil {
			return err
		}
		for _, r := range replies {
			if err := r.Err(); err != nil {
				return err
			}
		}
		cmds = cmds[:0]
	}
	return b.complete(ctx)
}

// complete says whether all keys are at one master, and nothing else.
func (b *bench) complete(ctx context.Context) error {
	for i, want := range map[int]int64{b.at: int64(b.keys), 1 - b.at: 0} {
		n, err := ask(ctx, b.masters[i].Addr, "DBSIZE")
		if err != nil {
			return err
		}
		// The key of the last WAIT expires by itself.
		if n.Int < want || n.Int > want+1 {
			return fmt.Errorf("group %d has %d keys, not %d", i+1, n.Int, want)
		}
	}
	return nil
}

// move brings all slots to a group by a job, and returns how long it took.
func (b *bench) move(ctx context.Context, to int) (time.Duration, error) {
	took, err := b.moveSlots(ctx, 0, topology.SlotCount-1, to)
	if err == nil {
		b.at = to
	}
	return took, err
}

func (b *bench) moveSlots(ctx context.Context, first, last, to int) (time.Duration, error) {
	begin := time.Now()
	id, err := ask(ctx, b.nodes[0], "CODIS.MIGRATE", strconv.Itoa(first), strconv.Itoa(last), strconv.Itoa(to+1))
	if err != nil {
		return 0, err
	}
	job := id.Text()
	for {
		reply, err := ask(ctx, b.nodes[0], "CODIS.JOB", job, "WAIT", "60")
		if err != nil {
			return 0, err
		}
		fields := map[string]string{}
		for i := 0; i+1 < len(reply.Array); i += 2 {
			fields[reply.Array[i].Text()] = reply.Array[i+1].Text()
		}
		switch fields["state"] {
		case "done":
			return time.Since(begin), nil
		case "running":
		default:
			return 0, fmt.Errorf("job %s is %s: %s", job, fields["state"], fields["reason"])
		}
	}
}

// plainLoop copies all keys to the server beside with MIGRATE .. COPY KEYS, 200
// keys a call, as a simple tool does; it returns how long it took.
func (b *bench) plainLoop(ctx context.Context) (time.Duration, error) {
	if _, err := ask(ctx, b.beside.Addr, "FLUSHALL"); err != nil {
		return 0, err
	}
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: b.masters[b.at].Addr, Timeout: time.Minute})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	begin := time.Now()
	for cursor := "0"; ; {
		page, err := c.Do(ctx, "SCAN", cursor, "COUNT", "200")
		if err != nil {
			return 0, err
		}
		if keys := page.Array[1].Strings(); len(keys) > 0 {
			cmd := append([]string{"MIGRATE", "127.0.0.1", strconv.Itoa(b.beside.Port), "", "0", "60000", "COPY", "REPLACE", "KEYS"}, keys...)
			if _, err := c.Do(ctx, cmd...); err != nil {
				return 0, err
			}
		}
		if cursor = page.Array[0].Text(); cursor == "0" {
			break
		}
	}
	took := time.Since(begin)
	n, err := ask(ctx, b.beside.Addr, "DBSIZE")
	if err == nil && n.Int < int64(b.keys) {
		err = fmt.Errorf("the plain loop copied %d keys", n.Int)
	}
	return took, err
}
