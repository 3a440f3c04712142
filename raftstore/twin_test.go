package raftstore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// copyOf makes a node with a copy of another one's directory, which is stopped.
func copyOf(t *testing.T, n *node) *node {
	t.Helper()
	twin := newNode(t, n.cfg.ID)
	if err := os.CopyFS(twin.cfg.Dir, os.DirFS(n.cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	return twin
}

// logs collects what a node logs.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// TestCopyDoesNotStart: a copy of the directory of a node that runs is refused at
// once, and the node that runs says so too.
func TestCopyDoesNotStart(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, 3)
	n := nodes[1]
	n.kill()
	twin := copyOf(t, n)
	var log logs
	n.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	n.open()
	if err := twin.tryOpen(); !errors.Is(err, ErrTwin) || !strings.Contains(err.Error(), n.cfg.ClientAdvertise) {
		t.Errorf("the copy: %v", err)
	}
	waitFor(t, "the original to tell", func() bool { return log.contains(twin.cfg.ClientAdvertise) })
	waitFor(t, "all to be well", func() bool { return settled(nodes...) })
}

// TestCopyIsFoundOut: a copy that could not find the original when it started is found
// out by the leader; one of the two stops, the other one is told.
func TestCopyIsFoundOut(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 3, 2*time.Second, calm)
	nodes := c.nodes
	n := others(nodes, leaderOf(t, nodes))[0]
	n.kill()
	twin := copyOf(t, n)
	var log logs
	n.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	twin.cfg.Logger = n.cfg.Logger
	// Where the table says, there is nobody for the copy, and nobody for the original.
	n.cfg.PeerAddr = "127.0.0.1:0"
	c.route(n.open())
	switch err := twin.tryOpen(); {
	case err == nil:
		c.route(twin)
	case !errors.Is(err, ErrTwin):
		t.Fatal(err)
	}
	waitFor(t, "one of them to stop", func() bool {
		return errors.Is(n.Err(), ErrTwin) || twin.Store == nil || errors.Is(twin.Err(), ErrTwin)
	})
	if twin.Store != nil && errors.Is(n.Err(), ErrTwin) && errors.Is(twin.Err(), ErrTwin) {
		t.Error("both have stopped")
	}
	waitFor(t, "the other one to be told", func() bool { return log.contains("with a copy of this node's directory") })
	mustPropose(t, nodes[0], setting(1))
}
