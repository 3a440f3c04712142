package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"codis/migrate/failover"
	"codis/raftstore/topology"
	"codis/router/resp/resptest"
)

// cable is an address at which a server is reached until it is cut.
type cable struct {
	addr  string
	isCut atomic.Bool

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

// newCable leads to a server.
func newCable(tb testing.TB, to string) *cable {
	tb.Helper()
	c := &cable{addr: freeAddr(tb)}
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.join(in, to) })
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		c.closeAll()
		wg.Wait()
	})
	return c
}

// join copies both ways until either end closes; while it is cut nothing answers.
func (c *cable) join(in net.Conn, to string) {
	c.keep(in)
	if c.isCut.Load() {
		_, _ = io.Copy(io.Discard, in)
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		_ = in.Close()
		return
	}
	c.keep(out)
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
		})
	}
	wg.Wait()
}

func (c *cable) keep(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
}

func (c *cable) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *cable) cut() {
	c.isCut.Store(true)
	c.closeAll()
}

func (c *cable) mend() {
	c.isCut.Store(false)
	c.closeAll()
}

// TestCutOffMasterNeverServesAgain: a master that no node reaches, and that goes on
// taking writes from whom it reaches, is replaced; when it is back no client is
// answered by it, and it becomes a replica.
func TestCutOffMasterNeverServesAgain(t *testing.T) {
	t.Parallel()
	servers := replicated(t, 1)
	way := newCable(t, servers[0].Addr)
	c := newCluster(t, 3, []string{way.addr, servers[1].Addr})
	do(t, c.addr(0), "SET", "k", "before")
	waitFor(t, "the write at the replica", func() error {
		if got := do(t, servers[1].Addr, "GET", "k").Text(); got != "before" {
			return errors.New(got)
		}
		return nil
	})
	way.cut()
	g := waitGroup(t, c, 0, "the failover", func(g topology.Group) bool { return g.Master == servers[1].Addr && g.Turn == nil })
	if len(g.Forks) != 1 {
		t.Errorf("group %+v", g)
	}
	do(t, servers[0].Addr, "SET", "k", "alone") // it thinks that it is the master
	waitFor(t, "a write", func() error {
		_, err := try(t, c.addr(1), "SET", "k", "after")
		return err
	})
	way.mend()
	waitFor(t, "the old master to follow", func() error {
		for i := range 3 {
			if got := do(t, c.addr(i), "GET", "k").Text(); got != "after" {
				t.Fatalf("node %d: a client has read %q", i+1, got)
			}
		}
		info := do(t, servers[0].Addr, "INFO", "replication").Text()
		if !strings.Contains(info, "role:slave") || !strings.Contains(info, "master_link_status:up") {
			return errors.New(info)
		}
		return nil
	})
	if got := do(t, servers[0].Addr, "GET", "k").Text(); got != "after" {
		t.Errorf("the old master has %q", got)
	}
	waitGroup(t, c, 0, "the loss to be measured", func(g topology.Group) bool { return len(g.Forks) == 0 })
}

// replicatedGroups starts groups of a master and a replica.
func replicatedGroups(tb testing.TB, groups int) [][]*resptest.Server {
	tb.Helper()
	list := make([][]*resptest.Server, groups)
	for i := range list {
		list[i] = replicated(tb, 1)
	}
	return list
}

func addrsOfAll(groups [][]*resptest.Server) [][]string {
	var addrs [][]string
	for _, servers := range groups {
		addrs = append(addrs, addrsOf(servers))
	}
	return addrs
}

// waitMasters waits until the second servers of groups are their masters.
func waitMasters(tb testing.TB, c *cluster, groups [][]*resptest.Server) {
	tb.Helper()
	waitFor(tb, "the failovers", func() error {
		for i, servers := range groups {
			if g := c.nodes[0].store.State().Groups[i+1]; g.Master != servers[1].Addr || g.Turn != nil {
				return fmt.Errorf("group %+v, alarms %v", g, c.nodes[0].turner.Alarms())
			}
		}
		return nil
	})
}

// TestTwoMastersDieAtOnce: of four masters two die in the same moment, and both are
// replaced.
func TestTwoMastersDieAtOnce(t *testing.T) {
	t.Parallel()
	groups := replicatedGroups(t, 4)
	c := newCluster(t, 3, addrsOfAll(groups)...)
	groups[0][0].Kill()
	groups[1][0].Kill()
	waitMasters(t, c, groups[:2])
	for group := range int64(4) {
		key := keyOf(t, c, group+1)
		waitFor(t, "a write", func() error {
			_, err := try(t, c.addr(2), "SET", key, "v")
			return err
		})
	}
	for _, id := range []int{3, 4} {
		if g := c.nodes[0].store.State().Groups[id]; g.Turned != 0 {
			t.Errorf("group %d has had a turn: %+v", id, g)
		}
	}
}

// TestMostMastersFallSilent: where most masters are silent at once the nodes may be cut
// off themselves, so nothing is done but an alarm, for ten times down-after.
func TestMostMastersFallSilent(t *testing.T) {
	t.Parallel()
	groups := replicatedGroups(t, 2)
	c := newCluster(t, 3, addrsOfAll(groups)...) // with the default down-after: at once is within half of it
	for _, servers := range groups {
		servers[0].Pause(t)
	}
	waitFor(t, "the alarm", func() error {
		alarms := c.nodes[0].turner.Alarms()
		for _, n := range c.nodes {
			alarms = append(alarms, n.turner.Alarms()...)
		}
		if !slices.ContainsFunc(alarms, func(a failover.Alarm) bool { return a.Code == "observer-suspect" }) {
			return fmt.Errorf("alarms %v", alarms)
		}
		return nil
	})
	if info := do(t, c.addr(0), "CODIS.INFO").Text(); !strings.Contains(info, "observer-suspect") {
		t.Errorf("CODIS.INFO does not tell it:\n%s", info)
	}
	for id, g := range c.nodes[0].store.State().Groups {
		if g.Turn != nil || g.Turned != 0 {
			t.Errorf("group %d has a turn already: %+v", id, g)
		}
	}
}
