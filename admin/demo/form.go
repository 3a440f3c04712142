package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// Group is a group to be made: its servers' addresses, the master's first.
type Group struct {
	ID      int
	Servers []string
}

// Form makes groups and spreads the slots that have none over them, by way of
// the node at addr. What is there already stays as it is, so forming again is
// harmless.
func Form(ctx context.Context, addr string, groups []Group) error {
	for _, g := range groups {
		args := append([]string{"CODIS.GROUP", "ADD", strconv.Itoa(g.ID)}, g.Servers...)
		if err := change(ctx, addr, args...); err != nil && !hasCode(err, string(topology.CodeExists)) {
			return fmt.Errorf("make group %d: %w", g.ID, err)
		}
	}
	served, err := slotsServed(ctx, addr)
	if err != nil || served == topology.SlotCount {
		return err
	}
	if err := change(ctx, addr, "CODIS.ASSIGN", "AUTO"); err != nil {
		return fmt.Errorf("assign the slots: %w", err)
	}
	return nil
}

// change sends a command that needs a leader and a cluster, and waits for them.
func change(ctx context.Context, addr string, args ...string) error {
	if err := poll(ctx, "the cluster's beginning", func(ctx context.Context) error { return begun(ctx, addr) }); err != nil {
		return err
	}
	return poll(ctx, "a leader", func(ctx context.Context) error {
		err := ask(ctx, addr, args...)
		if err != nil && !hasCode(err, "NOLEADER") {
			return final(err)
		}
		return err
	})
}

// begun says whether a node knows its cluster: the first leader names it a moment
// after it was elected.
func begun(ctx context.Context, addr string) error {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
	if err != nil {
		return err
	}
	defer c.Close()
	reply, err := c.Do(ctx, "CODIS.PEER")
	if err == nil && (len(reply.Array) == 0 || reply.Array[0].Text() == "") {
		err = errors.New("it has no ID yet")
	}
	return err
}

func hasCode(err error, code string) bool {
	var refusal *resp.ServerError
	return errors.As(err, &refusal) && refusal.Code == code
}

// slotsServed counts the slots that a node's table calls serving.
func slotsServed(ctx context.Context, addr string) (int, error) {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	reply, err := c.Do(ctx, "CODIS.SLOTS")
	if err != nil {
		return 0, err
	}
	served := 0
	for _, row := range reply.Array { // start end phase group ...
		if len(row.Array) >= 3 && row.Array[2].Text() == topology.PhaseServing.String() {
			served += int(row.Array[1].Int-row.Array[0].Int) + 1
		}
	}
	return served, nil
}

// WaitVoters waits until the nodes, or as many of them as may, count for the
// majority: until then the loss of one may stop the cluster.
func WaitVoters(ctx context.Context, nodes []string) error {
	want := min(len(nodes), topology.MaxVoters)
	return poll(ctx, "the nodes to become voters", func(ctx context.Context) error {
		c, err := resp.Dial(ctx, resp.ClientOptions{Addr: nodes[0]})
		if err != nil {
			return err
		}
		defer c.Close()
		reply, err := c.Do(ctx, "CODIS.NODES")
		if err != nil {
			return err
		}
		voters := 0
		for _, row := range reply.Array { // name, value, name, value ...
			for i := 0; i+1 < len(row.Array); i += 2 {
				if role := row.Array[i+1].Text(); row.Array[i].Text() == "role" && (role == "leader" || role == "voter") {
					voters++
				}
			}
		}
		if voters < want {
			return fmt.Errorf("%d of %d", voters, want)
		}
		return nil
	})
}

// WaitServed waits until every node answers for a key of each of the 1024 slots.
func WaitServed(ctx context.Context, nodes []string) error {
	keys := keyOfEachSlot()
	for _, addr := range nodes {
		err := poll(ctx, "node "+addr+" to serve all slots", func(ctx context.Context) error {
			return serves(ctx, addr, keys)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// serves reads one key of each slot through a node; it changes nothing.
func serves(ctx context.Context, addr string, keys []string) error {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
	if err != nil {
		return err
	}
	defer c.Close()
	commands := make([][]string, len(keys))
	for slot, key := range keys {
		commands[slot] = []string{"EXISTS", key}
	}
	replies, err := c.Pipeline(ctx, commands...)
	if err != nil {
		return err
	}
	for slot, r := range replies {
		if err := r.Err(); err != nil {
			return fmt.Errorf("slot %d: %w", slot, err)
		}
	}
	return nil
}

// keyOfEachSlot finds a key for every slot.
func keyOfEachSlot() []string {
	keys := make([]string, topology.SlotCount)
	for i, found := 0, 0; found < len(keys); i++ {
		key := "codis:probe:" + strconv.Itoa(i)
		if slot := topology.SlotOf([]byte(key)); keys[slot] == "" {
			keys[slot] = key
			found++
		}
	}
	return keys
}

// finalError ends poll at once.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

func final(err error) error { return finalError{err} }

// poll calls try until it returns nil, a final error, or ctx ends. It polls
// because what it waits for happens in other processes.
func poll(ctx context.Context, what string, try func(context.Context) error) error {
	const pause, patience = 25 * time.Millisecond, 10 * time.Second
	for {
		once, cancel := context.WithTimeout(ctx, patience)
		err := try(once)
		cancel()
		var last finalError
		if err == nil {
			return nil
		}
		if errors.As(err, &last) {
			return last.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (last: %w)", what, ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}
