package raftstore

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"codis/raftstore/topology"
)

// TestCloseLeavesNothing is not parallel: it looks at all goroutines.
func TestCloseLeavesNothing(t *testing.T) {
	before := ours()
	nodes := newCluster(t, 3)
	orphan := newNode(t, "n9", nodes[0])
	orphan.cfg.Secret = "guess"
	orphan.open() // keeps trying to join
	mustPropose(t, nodes[1], group(1))
	nodes[0].close()
	nodes[1].kill()
	nodes[2].close() // without a majority it has nobody to hand over to
	orphan.close()
	for _, n := range append(nodes, orphan) {
		n.client.Close()
	}
	deadline := time.Now().Add(patience)
	for len(ours()) > len(before) {
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", strings.Join(ours(), "\n\n"))
		}
		time.Sleep(10 * time.Millisecond) // redcon ends its connections' goroutines in its own time
	}
}

// ours returns the stacks of goroutines of this module and of what it runs.
func ours() []string {
	buf := make([]byte, 4<<20)
	var found []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		for _, owner := range []string{"codis/raftstore", "hashicorp/raft", "tidwall/redcon", "go.etcd.io/bbolt"} {
			if strings.Contains(stack, owner) && !strings.Contains(stack, "testing.tRunner") {
				found = append(found, stack)
				break
			}
		}
	}
	return found
}

func TestCloseTwice(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	store := n.Store
	n.close()
	if err := store.Close(t.Context()); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if _, err := store.Propose(t.Context(), topology.Command{Body: setting(1)}); !errors.Is(err, ErrClosed) {
		t.Errorf("propose: %v", err)
	}
	if err := store.WaitEpoch(t.Context(), 1<<40); !errors.Is(err, ErrClosed) {
		t.Errorf("wait: %v", err)
	}
	if _, err := store.ForwardAdmin(t.Context(), "x", [][]byte{[]byte("X")}); !errors.Is(err, ErrClosed) {
		t.Errorf("forward: %v", err)
	}
	store.Status() // still answers
}

// TestCloseIsBounded: a disk that hangs does not keep the process from ending.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	let := make(chan struct{})
	hang := func() error { <-let; return nil }
	n.logs.before.Store(&hang)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := n.Propose(ctx, topology.Command{Body: setting(1)}); err == nil {
		t.Error("committed without a disk")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := n.Store.Close(ctx); err == nil {
		t.Error("closed without complaint")
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("closing took %s", took)
	}
	close(let)
	n.Store = nil
}
