package raftstore

import (
	"maps"
	"slices"
	"sync"

	"codis/raftstore/topology"
)

// sighting is where a node is, by its own words.
type sighting struct {
	Node topology.Node `json:"node"`
	// Starts counts the starts of its data directory: a higher one is newer,
	// through however many mouths it came.
	Starts uint64 `json:"starts"`
}

// book knows where nodes may be: where the table says, where they themselves have
// said since they were started, and where a peer with a newer table says. It may
// be wrong; who really is at an address, the challenge of the peer port shows.
type book struct {
	table *table

	// mu guards what follows.
	mu    sync.Mutex
	heard map[string]sighting
	told  map[string]topology.Node
}

func newBook(t *table) *book {
	return &book{table: t, heard: map[string]sighting{}, told: map[string]topology.Node{}}
}

// hear remembers sightings, the newest of each node.
func (b *book) hear(sightings ...sighting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range sightings {
		old, ok := b.heard[s.Node.ID]
		if !ok || old.Node.Incarnation != s.Node.Incarnation || old.Starts < s.Starts {
			b.heard[s.Node.ID] = s
		}
	}
}

// tell remembers the nodes of a peer's table.
func (b *book) tell(nodes ...topology.Node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range nodes {
		b.told[node.ID] = node
	}
}

// hearsay returns the sightings, for passing on.
func (b *book) hearsay() []sighting {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.heard))
}

// find returns the records of a node, one an address. What belongs to another
// incarnation than the table's does not count.
func (b *book) find(id string) []topology.Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []topology.Node
	known, member := b.table.state.Load().Nodes[id]
	if member {
		found = append(found, known)
	}
	for _, node := range []topology.Node{b.heard[id].Node, b.told[id]} {
		if node.ID == "" || member && node.Incarnation != known.Incarnation {
			continue
		}
		if !slices.ContainsFunc(found, func(other topology.Node) bool { return other.PeerAddr == node.PeerAddr }) {
			found = append(found, node)
		}
	}
	return found
}
