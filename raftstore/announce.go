package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/redcon"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// greeting is what two nodes tell each other: who they are, of which epoch their
// table is, and what they have heard of others.
type greeting struct {
	sighting
	// Run names the process; versions before format 3 do not say.
	Run   string     `json:"run,omitempty"`
	Epoch uint64     `json:"epoch"`
	Heard []sighting `json:"heard,omitempty"`
	// Table, in an answer, has the nodes of a table that is newer than that of the
	// node that greeted.
	Table []topology.Node `json:"table,omitempty"`
	// Removed, in an answer, says that the node that greeted is neither in Raft's
	// configuration nor in a table that is not older than its own.
	Removed bool `json:"removed,omitempty"`
	// Twin, in an answer of the leader, says that another process speaks for that node.
	Twin bool `json:"twin,omitempty"`
}

// announce is a goroutine: at start, and whenever this node has no leader, it
// greets the peers that it knows, so that nodes find each other again after they
// have moved; and it has the table corrected when that says something wrong about
// this node. A node without a leader also learns here that it was removed.
func (s *Store) announce() {
	changed, stop := s.Subscribe()
	defer stop()
	pause := s.cfg.RetryMin
	for {
		leaderChanged := s.leaderChanged.next()
		settled := s.announceOnce()
		if settled {
			pause = s.cfg.RetryMin
		}
		// A settled node looks again when its table changes, and now and then whether
		// it still has a leader.
		wait := pause
		if settled {
			wait = s.cfg.RetryMax
		}
		select {
		case <-changed:
		case <-leaderChanged:
		case <-time.After(wait):
			pause = min(2*pause, s.cfg.RetryMax)
		case <-s.ctx.Done():
			return
		}
	}
}

// announceOnce reports whether all is well: there is a leader, and the table says
// the truth about this node.
func (s *Store) announceOnce() bool {
	if !s.seen.Load() {
		return true // joining has its own loop
	}
	wrong := s.differs()
	if s.leaderID() == "" {
		s.greetAll()
		return false
	}
	if !wrong {
		return true
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.PeerTimeout)
	defer cancel()
	outcome, err := s.Propose(ctx, topology.Command{Who: "node " + s.self.ID, Body: topology.NodeAnnounce{Node: s.self}})
	if err == nil {
		err = outcome.Err()
	}
	if err != nil && s.ctx.Err() == nil {
		s.log.Warn("the cluster does not know this node's new addresses or version yet", "error", err)
		s.greetAll()
		return false
	}
	return err == nil
}

// differs says whether the table is wrong about this node.
func (s *Store) differs() bool {
	known, ok := s.State().Nodes[s.self.ID]
	known.Voter, known.JoinedAt = false, 0
	return ok && known != s.self
}

// greetAll greets every peer, at the join addresses too when one of them does not
// answer: after a move of all nodes those may be all that still leads anywhere.
func (s *Store) greetAll() {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.PeerTimeout)
	defer cancel()
	var greeted sync.WaitGroup
	var mu sync.Mutex
	peers, answers := 0, 0
	for id := range s.State().Nodes {
		if id == s.self.ID {
			continue
		}
		peers++
		greeted.Go(func() {
			if s.greet(ctx, func() (answer greeting, err error) {
				err = s.callJSON(ctx, &answer, id, "ANNOUNCE", s.greeting())
				return answer, err
			}) {
				mu.Lock()
				defer mu.Unlock()
				answers++
			}
		})
	}
	greeted.Wait()
	if answers == peers {
		return
	}
	for _, addr := range s.cfg.Join {
		s.greet(ctx, func() (greeting, error) { return s.greetAt(ctx, addr) })
	}
}

// greetAt greets the node at a client address.
func (s *Store) greetAt(ctx context.Context, addr string) (answer greeting, err error) {
	found, err := s.lookUp(ctx, addr)
	if err != nil {
		return answer, err
	}
	if err := s.checkCluster(addr, found.cluster); err != nil {
		return answer, err
	}
	c, err := s.port.Dial(ctx, found.peerAddr, peer.Identity{ID: found.node}, peer.KindRPC)
	if err != nil {
		return answer, err
	}
	defer c.Close()
	reply, err := peer.Call(ctx, c, "ANNOUNCE", s.greeting())
	if err == nil {
		err = errors.Join(reply.Err(), json.Unmarshal(reply.Str, &answer))
	}
	return answer, err
}

// greet takes the answer of a greeting in, and reports whether there was one.
func (s *Store) greet(ctx context.Context, ask func() (greeting, error)) bool {
	answer, err := ask()
	if err != nil {
		if ctx.Err() == nil {
			s.log.Debug("a peer was not found", "error", err)
		}
		return false
	}
	if answer.Removed {
		s.leaveForGood()
		return true
	}
	if answer.Twin {
		s.refusedAsTwin(errTwin)
		return true
	}
	s.hear(answer)
	return true
}

func (s *Store) greets() greeting {
	s.mu.Lock()
	starts := s.identity.Starts
	s.mu.Unlock()
	return greeting{sighting: sighting{Node: s.self, Starts: starts}, Run: s.run, Epoch: s.State().Epoch, Heard: s.book.hearsay()}
}

func (s *Store) greeting() string {
	text, err := json.Marshal(s.greets())
	if err != nil {
		panic("raftstore: greeting: " + err.Error()) // strings and numbers only
	}
	return string(text)
}

// hear takes in where nodes are. A node speaks for itself; what it has heard of
// others counts as well, since every address is put to the proof when it is used.
func (s *Store) hear(g greeting) {
	for _, seen := range append(g.Heard, g.sighting) {
		if seen.Node.ID != s.self.ID && topology.CheckNode(seen.Node) == nil {
			s.book.hear(seen)
		}
	}
	s.book.tell(g.Table...)
}

// serveAnnounce answers a greeting.
func (s *Store) serveAnnounce(_ context.Context, conn redcon.Conn, args [][]byte) (any, error) {
	var g greeting
	if len(args) != 1 || json.Unmarshal(args[0], &g) != nil || callerOf(conn) != g.Node.ID {
		return nil, errArguments
	}
	s.meetTwin(g)
	state := s.State()
	answer := s.greets()
	if known := state.Nodes[g.Node.ID]; known.Incarnation != g.Node.Incarnation {
		// An older table proves nothing: it may be from before that node joined.
		answer.Removed = state.Epoch >= g.Epoch && s.gone(g.Node.ID)
		return answer, nil
	}
	// Without a leader that speaks to it, a twin asks for no lease; but it greets.
	if book := s.leases.Load(); book != nil && book.isTwin(g) {
		answer.Twin = true
		return answer, nil
	}
	if state.Epoch > g.Epoch {
		answer.Table = slices.Collect(maps.Values(state.Nodes))
	}
	s.hear(g)
	return answer, nil
}
