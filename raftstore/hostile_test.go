package raftstore

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"codis/raftstore/topology"
)

// TestStrangersChangeNothing: whatever a stranger sends to the peer port, it gets
// a nonce at most, and term, leader and table stay. The last case is the one that
// matters most: an AppendEntries with a huge term, as Raft's own transport sends
// it, would depose the leader for good.
func TestStrangersChangeNothing(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, calm)
	leader := leaderOf(t, nodes)
	before, table := leader.Status(), tableOf(t, leader)
	for name, payload := range map[string][]byte{
		"nothing":             nil,
		"junk":                bytes.Repeat([]byte{0xff}, 1<<20),
		"random":              random(4096),
		"an HTTP request":     []byte("POST / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"a redcon crash":      []byte("*1\r\n$9223372036854775807\r\nabc\r\n"),
		"a command":           []byte("*1\r\n$6\r\nSTATUS\r\n"),
		"a hello without MAC": append([]byte{1, 'R'}, make([]byte, 64)...),
		"a hello, wrong MAC":  append(append([]byte{1, 'R'}, make([]byte, 36)...), random(32)...),
		"a forged append":     forgedAppend(t),
	} {
		for _, n := range nodes {
			if got := throwAt(t, n.self.PeerAddr, payload); len(got) > 32 {
				t.Errorf("%s: the stranger got %d bytes", name, len(got))
			}
		}
	}
	mustPropose(t, nodes[1], setting(1))
	after := leader.Status()
	if after.Term != before.Term || after.LeaderID != before.LeaderID {
		t.Errorf("term %d, leader %s; before %d, %s", after.Term, after.LeaderID, before.Term, before.LeaderID)
	}
	if strings.Contains(tableOf(t, leader), table) {
		t.Error("the command after the attack was not applied")
	}
	waitFor(t, "strangers to be counted", func() bool { return leader.port.Strangers() >= 8 })
}

// throwAt sends bytes and returns everything that comes back.
func throwAt(t *testing.T, addr string, payload []byte) []byte {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c.Write(payload) // the other side may have hung up already
	c.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(c) // a reset is an end too
	return got
}

// forgedAppend returns what Raft's own transport writes for such a message.
func forgedAppend(t *testing.T) []byte {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	trans, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, time.Second, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer trans.Close()
	read := make(chan []byte, 1)
	go func() {
		defer close(read)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		n, _ := c.Read(buf)
		read <- buf[:n]
	}()
	forged := &raft.AppendEntriesRequest{Term: 1 << 60, RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("n9"), Addr: []byte("n9")}}
	if err := trans.AppendEntries("n1", raft.ServerAddress(ln.Addr().String()), forged, &raft.AppendEntriesResponse{}); err == nil {
		t.Fatal("the listener has answered")
	}
	payload := <-read
	if len(payload) == 0 {
		t.Fatal("nothing was forged")
	}
	return payload
}

// TestCrowdOfStrangers: connections that say nothing don't keep the peers out.
func TestCrowdOfStrangers(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	for range 2 * maxPending {
		c, err := net.Dial("tcp", n.self.PeerAddr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	joiner := newNode(t, "n2", n).open()
	waitFor(t, "a peer to get through", func() bool { return settled(n, joiner) })
}

// TestUnknownEntryStops: a node that does not understand an entry of the log stops
// loudly, before that entry, and does not come back until it does.
func TestUnknownEntryStops(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	mustPropose(t, n, group(1))
	want := tableOf(t, n)
	// What a newer leader might have written.
	n.raft.Apply([]byte(`{"format":1,"type":"slots-teleport","request_id":"r","body":{}}`), 0)
	select {
	case <-n.Failed():
	case <-time.After(patience):
		t.Fatal("the node goes on")
	}
	if !errors.Is(n.Err(), topology.ErrUnknownCommand) || !strings.Contains(n.Err().Error(), "slots-teleport") {
		t.Errorf("error %v", n.Err())
	}
	if got := tableOf(t, n); got != want {
		t.Error("the table has changed")
	}
	if _, err := n.Propose(t.Context(), topology.Command{Body: setting(1)}); !errors.Is(err, topology.ErrUnknownCommand) {
		t.Errorf("a stopped node takes commands: %v", err)
	}
	n.kill()
	n.open()
	select {
	case <-n.Failed():
	case <-time.After(patience):
		t.Fatal("the restarted node goes on")
	}
	if got := tableOf(t, n); got != want {
		t.Error("the table has changed after the restart")
	}
}

// TestHangingDisk: a leader that can't write any more is replaced by one that can.
func TestHangingDisk(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	let := make(chan struct{})
	hang := func() error { <-let; return nil }
	leader.logs.before.Store(&hang)
	defer func() {
		select {
		case <-let:
		default:
			close(let)
		}
	}()
	rest := others(nodes, leader)
	mustPropose(t, rest[0], group(1)) // hangs at the old leader first
	if rest[0].leaderID() == leader.cfg.ID {
		t.Error("the leader with the hanging disk still leads")
	}
	close(let)
	waitFor(t, "the old leader to follow", func() bool { return !leader.IsLeader() && leader.State().Groups[1].ID == 1 })
	sameTables(t, nodes...)
}

// TestFailingDisk: the same for a disk that is full.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	full := func() error { return errors.New("no space left on device") }
	leader.logs.before.Store(&full)
	rest := others(nodes, leader)
	mustPropose(t, rest[0], group(1))
	if rest[0].leaderID() == leader.cfg.ID {
		t.Error("the leader with the full disk still leads")
	}
	fine := func() error { return nil }
	leader.logs.before.Store(&fine)
	sameTables(t, nodes...)
}

// TestFullDiskAlone: a single node whose disk is full has nobody to hand over to. It says
// so once, not at each of Raft's attempts, tells callers why nothing can be changed,
// and goes on by itself when there is room again.
func TestFullDiskAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1")
	var log logs
	n.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	n.cfg.ProposeTimeout = 2 * time.Second
	n.open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	var attempts atomic.Int64
	full := func() error { attempts.Add(1); return errors.New("no space left on device") }
	n.logs.before.Store(&full)
	_, err := n.Propose(t.Context(), topology.Command{Body: setting(1)})
	if !errors.Is(err, ErrNoLeader) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a change: %v", err)
	}
	waitFor(t, "some attempts", func() bool { return attempts.Load() > 5 })
	if err := n.Status().DiskError; err == nil {
		t.Error("the status does not tell")
	}
	for line, most := range map[string]int{"the disk refuses the log": 1, "there is no leader": 1, "no longer leads": 1, "level=ERROR": 2} {
		if got := log.count(line); got > most {
			t.Errorf("%d lines with %q after %d attempts:\n%s", got, line, attempts.Load(), &log.text)
		}
	}
	fine := func() error { return nil }
	n.logs.before.Store(&fine)
	waitFor(t, "the node to lead again", func() bool { return n.IsLeader() && n.Status().DiskError == nil })
	mustPropose(t, n, setting(2))
	if log.count("the disk takes the log again") != 1 {
		t.Error("the end is not told")
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
