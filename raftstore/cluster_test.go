package raftstore

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/redcon"

	"codis/raftstore/topology"
)

// patience is how long a test waits for what must happen. Tests share machines.
const patience = 30 * time.Second

// node is a Store with a client port that answers CODIS.PEER, as the router does.
type node struct {
	*Store
	tb     testing.TB
	cfg    Config
	client net.Listener
	store  atomic.Pointer[Store]
}

// testConfig has short times, and a new directory.
func testConfig(tb testing.TB, id string) Config {
	cfg := DefaultConfig()
	cfg.ID, cfg.Dir = id, filepath.Join(tb.TempDir(), id)
	cfg.PeerAddr, cfg.Version, cfg.Secret = "127.0.0.1:0", "1.0", "hush"
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaseTimeout = 250*time.Millisecond, 250*time.Millisecond, 200*time.Millisecond
	cfg.PeerTimeout, cfg.ReconcileInterval = time.Second, 100*time.Millisecond
	cfg.RetryMin, cfg.RetryMax = 10*time.Millisecond, 200*time.Millisecond
	cfg.DiskTimeout = 500 * time.Millisecond
	cfg.LockTimeout = 100 * time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() && os.Getenv("RAFTSTORE_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("node", id)
	}
	return cfg
}

// newNode makes a node that is not open yet. Its client port is there already,
// since others may be told to join at it.
func newNode(tb testing.TB, id string, join ...*node) *node {
	tb.Helper()
	n := &node{tb: tb, cfg: testConfig(tb, id)}
	for _, other := range join {
		n.cfg.Join = append(n.cfg.Join, other.client.Addr().String())
	}
	n.listen()
	tb.Cleanup(func() { n.client.Close(); n.kill() })
	return n
}

// listen opens a client port that knows CODIS.PEER.
func (n *node) listen() {
	n.tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.tb.Fatal(err)
	}
	n.client, n.cfg.ClientAdvertise = ln, ln.Addr().String()
	server := redcon.NewServer("", func(conn redcon.Conn, cmd redcon.Command) {
		store := n.store.Load()
		if store == nil || !strings.EqualFold(string(cmd.Args[0]), "CODIS.PEER") {
			conn.WriteError("ERR not now")
			return
		}
		cluster, id, peerAddr := store.PeerInfo()
		conn.WriteArray(3)
		conn.WriteBulkString(cluster)
		conn.WriteBulkString(id)
		conn.WriteBulkString(peerAddr)
	}, nil, nil)
	go server.Serve(ln) // ends when ln is closed
}

// open opens the store; it must succeed.
func (n *node) open() *node {
	n.tb.Helper()
	if err := n.tryOpen(); err != nil {
		n.tb.Fatalf("open %s: %v", n.cfg.ID, err)
	}
	return n
}

func (n *node) tryOpen() error {
	store, err := Open(n.tb.Context(), n.cfg)
	if err != nil {
		return err
	}
	n.Store = store
	n.cfg.PeerAddr = store.self.PeerAddr // a node keeps its port, unless a test says otherwise
	n.store.Store(store)
	return nil
}

// kill stops without handing anything over, as kill -9 does.
func (n *node) kill() {
	n.tb.Helper()
	if n.Store == nil {
		return
	}
	n.store.Store(nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Store.stop(ctx); err != nil {
		n.tb.Errorf("kill %s: %v", n.cfg.ID, err)
	}
	n.Store = nil
}

// close is what SIGTERM does.
func (n *node) close() {
	n.tb.Helper()
	n.store.Store(nil)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Store.Close(ctx); err != nil {
		n.tb.Errorf("close %s: %v", n.cfg.ID, err)
	}
	n.Store = nil
}

// newCluster starts nodes n1, n2, ..., all members.
func newCluster(tb testing.TB, size int) []*node {
	tb.Helper()
	return newClusterWith(tb, size, func(*Config) {})
}

// calm has times that no busy machine exceeds, for tests that would take an
// election for the failure that they look for.
func calm(cfg *Config) {
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaseTimeout = 3*time.Second, 3*time.Second, 3*time.Second
}

func newClusterWith(tb testing.TB, size int, change func(*Config)) []*node {
	tb.Helper()
	var nodes []*node
	for i := range size {
		n := newNode(tb, fmt.Sprintf("n%d", i+1))
		if i > 0 {
			// At different nodes, so that joins are forwarded.
			n.cfg.Join = []string{nodes[(i-1)%len(nodes)].client.Addr().String()}
		}
		change(&n.cfg)
		nodes = append(nodes, n.open())
	}
	waitFor(tb, "all nodes to be settled", func() bool { return settled(nodes...) })
	return nodes
}

// settled says whether all nodes agree that all of them are members, with as many
// voters as there can be.
func settled(nodes ...*node) bool {
	voters := min(len(nodes), topology.MaxVoters)
	epoch := nodes[0].State().Epoch
	for _, n := range nodes {
		status, state := n.Status(), n.State()
		if !status.Joined || status.LeaderID == "" || len(state.Nodes) != len(nodes) || state.Voters() != voters ||
			len(status.Voters) != voters || len(status.Nonvoters) != len(nodes)-voters || state.Epoch != epoch {
			return false
		}
	}
	return true
}

func leaderOf(tb testing.TB, nodes []*node) *node {
	tb.Helper()
	var leader *node
	waitFor(tb, "a leader that is agreed on", func() bool {
		for _, n := range nodes {
			if n.Store != nil && n.IsLeader() {
				leader = n
			}
		}
		if leader == nil || leader.Store == nil {
			return false
		}
		for _, n := range nodes {
			if n.Store != nil && n.leaderID() != leader.cfg.ID {
				return false
			}
		}
		return true
	})
	return leader
}

// others returns the nodes without one of them.
func others(nodes []*node, without *node) []*node {
	var rest []*node
	for _, n := range nodes {
		if n != without {
			rest = append(rest, n)
		}
	}
	return rest
}

func waitFor(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			tb.Fatalf("gave up waiting for %s", what)
		}
		time.Sleep(5 * time.Millisecond) // what is waited for has no event of its own
	}
}

// mustPropose has a command applied through a node.
func mustPropose(tb testing.TB, n *node, body topology.Body) topology.Outcome {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	outcome, err := n.Propose(ctx, topology.Command{Who: "test", Body: body})
	if err == nil {
		err = outcome.Err()
	}
	if err != nil {
		tb.Fatalf("propose %T through %s: %v", body, n.cfg.ID, err)
	}
	return outcome
}

func setting(i int) topology.Body {
	return topology.SettingSet{Name: "maxclients", Value: fmt.Sprint(i)}
}

func settingOf(name, value string) topology.Body {
	return topology.SettingSet{Name: name, Value: value}
}

func group(id int) topology.Body {
	return topology.GroupAdd{ID: id, Servers: []topology.Server{{Addr: fmt.Sprintf("127.0.0.1:%d", 7000+id)}}}
}

// tableOf returns the table as bytes.
func tableOf(tb testing.TB, n *node) string {
	tb.Helper()
	data, err := n.State().Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// sameTables waits until all nodes have the same table, and returns it.
func sameTables(tb testing.TB, nodes ...*node) string {
	tb.Helper()
	waitFor(tb, "equal tables", func() bool {
		for _, n := range nodes {
			if n.State().Epoch != nodes[0].State().Epoch {
				return false
			}
		}
		return true
	})
	want := tableOf(tb, nodes[0])
	for _, n := range nodes {
		if got := tableOf(tb, n); got != want {
			tb.Errorf("%s has another table than %s:\n%s\n%s", n.cfg.ID, nodes[0].cfg.ID, got, want)
		}
	}
	return want
}
