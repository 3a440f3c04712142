package raftstore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"codis/raftstore/topology"
)

// ofFormat makes a node say that it knows a format and no newer one.
func ofFormat(f topology.Format) func(*Config) {
	return func(cfg *Config) { cfg.seams.format = f }
}

// propose is mustPropose for what may be refused.
func propose(t *testing.T, n *node, body topology.Body) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	outcome, err := n.Propose(ctx, topology.Command{Who: "test", Body: body})
	if err != nil {
		return err
	}
	return outcome.Err()
}

// TestFormatFollowsTheNodes: a cluster of older nodes refuses what they don't know,
// by name, as long as one of them is there, and goes by the newer format once the
// last one is upgraded; one that is older then is not let in.
func TestFormatFollowsTheNodes(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, ofFormat(2))
	newer := settingOf("failover", "no")
	for i, n := range nodes {
		for j, other := range nodes {
			err := propose(t, other, newer)
			if !errors.Is(err, &topology.Error{Code: topology.CodeUpgrade}) {
				t.Fatalf("with %d nodes upgraded: %v", i, err)
			}
			// A restarted node is silent until it has been heard in the present term.
			if j > i && !strings.Contains(err.Error(), other.cfg.ID) {
				t.Errorf("with %d nodes upgraded, %s is not named: %v", i, other.cfg.ID, err)
			}
		}
		mustPropose(t, n, setting(i+1)) // the rest goes on
		n.close()
		n.cfg.seams.format = 0
		n.open()
		waitFor(t, "the node to be back", func() bool { return settled(nodes...) })
	}
	waitFor(t, "the cluster to follow", func() bool { return nodes[0].State().Format == topology.StateFormat })
	mustPropose(t, nodes[1], newer)
	sameTables(t, nodes...)

	late := newNode(t, "n9", nodes[0])
	late.cfg.seams.format = 2
	_, err := Open(t.Context(), late.cfg)
	if !errors.Is(err, ErrJoinRefused) || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("an older version joins: %v", err)
	}
}

// TestFormatWaitsForTheSilent: who can't be asked may be of an older version.
func TestFormatWaitsForTheSilent(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, ofFormat(2))
	nodes[2].kill()
	for _, n := range nodes[:2] {
		n.close()
		n.cfg.seams.format = 0
		n.open()
	}
	waitFor(t, "the silent one to be named, and nobody else", func() bool {
		err := propose(t, nodes[0], settingOf("failover", "no"))
		return err != nil && strings.Contains(err.Error(), "n3 (silent, last seen with version 1.0)") && !strings.Contains(err.Error(), "n2 (")
	})
	if got := nodes[0].State().Format; got != 2 {
		t.Errorf("format %d", got)
	}
	if err := nodes[0].RemoveNode(t.Context(), "n3", true); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the others to go on", func() bool { return nodes[1].State().Format == topology.StateFormat })
}

// TestNewClusterHasTheNewestFormat: the founder knows no older nodes.
func TestNewClusterHasTheNewestFormat(t *testing.T) {
	t.Parallel()
	n := newNode(t, "n1").open()
	waitFor(t, "a cluster of one", func() bool { return settled(n) })
	if got := n.State().Format; got != topology.StateFormat {
		t.Errorf("format %d", got)
	}
}
