package raftstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/redcon"

	"codis/raftstore/topology"
)

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	second := newNode(t, "n1")
	second.cfg.Dir = n.cfg.Dir
	if err := second.tryOpen(); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), n.cfg.Dir) {
		t.Errorf("error %v, want %v with the directory", err, ErrLocked)
	}
}

func TestDirectoryOfAnother(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a1").open(), newNode(t, "b1").open()
	waitFor(t, "two clusters", func() bool { return settled(a) && settled(b) })
	b.kill()
	for name, c := range map[string]struct {
		change func(*Config)
		want   error
		hint   string
	}{
		"another node":    {func(cfg *Config) { cfg.ID = "b2" }, ErrDirectory, "belongs to node b1"},
		"another cluster": {func(cfg *Config) { cfg.Join = []string{a.client.Addr().String()} }, ErrOtherCluster, a.State().ClusterID},
	} {
		n := newNode(t, "b1")
		n.cfg.Dir = b.cfg.Dir
		c.change(&n.cfg)
		if err := n.tryOpen(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("%s: error %v, want %v with %q", name, err, c.want, c.hint)
		}
	}
	b.open() // unharmed
	mustPropose(t, b, group(1))
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no directory":   {func(cfg *Config) { cfg.Dir = "" }, "no directory"},
		"bad ID":         {func(cfg *Config) { cfg.ID = "a b" }, "may hold only letters"},
		"no client port": {func(cfg *Config) { cfg.ClientAdvertise = "" }, "advertised client address"},
		"bad join":       {func(cfg *Config) { cfg.Join = []string{"x"} }, "join address"},
		"long lease":     {func(cfg *Config) { cfg.LeaseTimeout = time.Hour }, "lease 1h0m0s <= heartbeat"},
		"bad version":    {func(cfg *Config) { cfg.Version = "a b" }, "version"},
		"port in use":    {func(cfg *Config) { cfg.PeerAddr = cfg.ClientAdvertise }, "address already in use"},
	} {
		n := newNode(t, "n1")
		c.change(&n.cfg)
		if err := n.tryOpen(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestIDTaken(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 2)
	living := newNode(t, "n2", nodes[0])
	if err := living.tryOpen(); !errors.Is(err, ErrJoinRefused) || !strings.Contains(err.Error(), "which is running") {
		t.Errorf("the ID of a living node: %v", err)
	}
	// Refused, the directory may be used for another name.
	living.cfg.ID = "n3"
	living.open()
	all := append(nodes, living)
	waitFor(t, "the renamed node to join", func() bool { return settled(all...) })

	nodes[1].kill()
	dead := newNode(t, "n2", nodes[0])
	if err := dead.tryOpen(); !errors.Is(err, ErrJoinRefused) || !strings.Contains(err.Error(), "CODIS.NODE REMOVE n2") {
		t.Errorf("the ID of a dead node: %v", err)
	}
	if err := leaderOf(t, []*node{nodes[0], living}).RemoveNode(t.Context(), "n2", false); err != nil {
		t.Fatal(err)
	}
	dead.open()
	waitFor(t, "the ID to be used again", func() bool { return settled(nodes[0], living, dead) })
}

// TestIDTakenLater: the refusal comes when the join address answers at last.
func TestIDTakenLater(t *testing.T) {
	t.Parallel()
	first := newNode(t, "n1")
	joiner := newNode(t, "n1", first).open()
	if status := joiner.Status(); status.Joined || status.Role != RoleLearner {
		t.Errorf("status before joining: %+v", status)
	}
	first.open()
	select {
	case <-joiner.Failed():
	case <-time.After(patience):
		t.Fatal("the node goes on")
	}
	if err := joiner.Err(); !errors.Is(err, ErrJoinRefused) {
		t.Errorf("error %v", err)
	}
}

func TestJoinWaits(t *testing.T) {
	t.Parallel()
	first := newNode(t, "n1") // its client port is there, but it does not answer yet
	gone := newNode(t, "gone")
	gone.client.Close()
	joiner := newNode(t, "n2", gone, first).open()
	if joiner.State() == nil || joiner.Status().Joined {
		t.Error("joined without anyone to join")
	}
	if _, err := joiner.Propose(shortly(t), topology.Command{Body: setting(1)}); err == nil {
		t.Error("proposed without anyone to propose to")
	}
	first.open()
	waitFor(t, "the joiner to get in", func() bool { return settled(first, joiner) })
}

// TestJoinAgain: the node dies between its question and the answer.
func TestJoinAgain(t *testing.T) {
	t.Parallel()
	first := newNode(t, "n1").open()
	joiner := newNode(t, "n2", first).open()
	waitFor(t, "both", func() bool { return settled(first, joiner) })
	joiner.kill()
	// As if the answer had never been read.
	d, err := openDisk(joiner.cfg.Dir, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.identity()
	if err != nil {
		t.Fatal(err)
	}
	id.Phase = phaseJoining
	if err := errors.Join(d.setIdentity(*id), d.close()); err != nil {
		t.Fatal(err)
	}
	joiner.open()
	waitFor(t, "both again", func() bool { return settled(first, joiner) })

	joiner.kill()
	d, _ = openDisk(joiner.cfg.Dir, time.Second)
	if err := errors.Join(d.setIdentity(*id), d.close()); err != nil {
		t.Fatal(err)
	}
	joiner.cfg.Join = nil
	if err := joiner.tryOpen(); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "give the join address again") {
		t.Errorf("without a join address: %v", err)
	}
}

// TestWipedDisk: under its old ID a node without its data is a stranger; under a
// new one, at the same addresses, it is welcome.
func TestWipedDisk(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	leader := leaderOf(t, nodes)
	wiped := others(nodes, leader)[0]
	wiped.kill()
	fresh := newNode(t, wiped.cfg.ID, leader)
	fresh.cfg.PeerAddr, fresh.cfg.ClientAdvertise = wiped.cfg.PeerAddr, wiped.cfg.ClientAdvertise
	if err := fresh.tryOpen(); !errors.Is(err, ErrJoinRefused) {
		t.Fatalf("the old ID: %v", err)
	}
	fresh.cfg.ID = "n9"
	fresh.open()
	waitFor(t, "the new node to be a voter", func() bool { return leader.State().Nodes["n9"].Voter })
	if err := leader.RemoveNode(t.Context(), wiped.cfg.ID, false); err != nil {
		t.Fatal(err)
	}
	rest := append(others(nodes, wiped), fresh)
	waitFor(t, "three voters", func() bool { return settled(rest...) })
	mustPropose(t, fresh, group(1))
	sameTables(t, rest...)
}

func TestWrongSecret(t *testing.T) {
	t.Parallel()
	first := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(first) })
	before := first.State().Epoch
	stranger := newNode(t, "n2", first)
	stranger.cfg.Secret = "guess"
	stranger.open()
	waitFor(t, "the stranger to be refused", func() bool { return first.port.Strangers() > 1 })
	if stranger.Status().Joined || first.State().Epoch != before {
		t.Error("a node with another secret has got in")
	}
	stranger.kill()
	stranger.cfg.Secret = first.cfg.Secret
	stranger.open()
	waitFor(t, "the right secret to be let in", func() bool { return settled(first, stranger) })
}

// TestClientPassword: a join address may ask for AUTH before CODIS.PEER.
func TestClientPassword(t *testing.T) {
	t.Parallel()
	first := newNode(t, "n1").open()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	server := redcon.NewServer("", func(conn redcon.Conn, cmd redcon.Command) {
		switch {
		case strings.EqualFold(string(cmd.Args[0]), "AUTH") && string(cmd.Args[1]) == "open":
			conn.SetContext(true)
			conn.WriteString("OK")
		case conn.Context() == nil:
			conn.WriteError("NOAUTH Authentication required.")
		default:
			cluster, id, addr := first.PeerInfo()
			conn.WriteArray(3)
			conn.WriteBulkString(cluster)
			conn.WriteBulkString(id)
			conn.WriteBulkString(addr)
		}
	}, nil, nil)
	go server.Serve(ln)
	joiner := newNode(t, "n2")
	joiner.cfg.Join, joiner.cfg.ClientPassword = []string{ln.Addr().String()}, "open"
	joiner.open()
	waitFor(t, "both", func() bool { return settled(first, joiner) })
}

// shortly is a context for what can't succeed.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
