package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/redcon"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// contact is what a node answers to CODIS.PEER.
type contact struct{ cluster, node, peerAddr string }

// lookUp asks the node at a client address which cluster it is in and where its
// peer port is. What it answers proves nothing yet.
func (s *Store) lookUp(ctx context.Context, addr string) (contact, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PeerTimeout)
	defer cancel()
	answer, err := askPeer(ctx, resp.ClientOptions{Addr: addr})
	if errors.Is(err, resp.ErrAuth) && s.cfg.ClientPassword != "" {
		answer, err = askPeer(ctx, resp.ClientOptions{Addr: addr, Password: s.cfg.ClientPassword})
	}
	if err != nil {
		return contact{}, err
	}
	words := answer.Strings()
	if len(words) != 3 || topology.CheckAddr(words[2]) != nil {
		return contact{}, fmt.Errorf("%s: the answer to CODIS.PEER is not one of a codis node", addr)
	}
	if words[0] == "" {
		return contact{}, fmt.Errorf("%s: node %s is not a member of a cluster itself yet", addr, words[1])
	}
	return contact{cluster: words[0], node: words[1], peerAddr: words[2]}, nil
}

func askPeer(ctx context.Context, options resp.ClientOptions) (resp.Reply, error) {
	c, err := resp.Dial(ctx, options)
	if err != nil {
		return resp.Reply{}, err
	}
	defer c.Close()
	return c.Do(ctx, "CODIS.PEER")
}

// checkJoin is for a member that was given join addresses all the same: it must
// not start when they lead elsewhere. Addresses that do not answer do not matter.
func (s *Store) checkJoin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.HeartbeatTimeout)
	defer cancel()
	errs := make([]error, len(s.cfg.Join))
	var asked sync.WaitGroup
	for i, addr := range s.cfg.Join {
		asked.Go(func() {
			if found, err := s.lookUp(ctx, addr); err == nil {
				errs[i] = s.checkCluster(addr, found.cluster)
			}
		})
	}
	asked.Wait()
	return errors.Join(errs...)
}

func (s *Store) checkCluster(addr, cluster string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := s.identity.ClusterID
	if peer.RecoveredFrom(cluster, ours) {
		return fmt.Errorf("%w: cluster %s at %s was recovered from cluster %s, to which %s belongs; delete the directory to join again",
			ErrOtherCluster, cluster, addr, ours, s.cfg.Dir)
	}
	if ours != "" && ours != cluster {
		return fmt.Errorf("%w: %s belongs to node %s of cluster %s, the node at %s is in cluster %s; give the right address, or another directory",
			ErrOtherCluster, s.cfg.Dir, s.identity.NodeID, ours, addr, cluster)
	}
	return nil
}

// beginJoin tries every address once, so that a refusal is an error of Open, and
// leaves the rest to a goroutine.
func (s *Store) beginJoin(ctx context.Context) error {
	// Long enough for the leader to find out whether a node of the same name lives.
	ctx, cancel := context.WithTimeout(ctx, 2*s.cfg.PeerTimeout)
	defer cancel()
	err := s.tryJoin(ctx)
	if err == nil {
		return nil
	}
	if final(err) {
		return err
	}
	s.log.Warn("waiting to join a cluster", "addresses", s.cfg.Join, "reason", err)
	s.spawn(s.keepJoining)
	return nil
}

// keepJoining is a goroutine: it tries until the node is a member or can't be one.
func (s *Store) keepJoining() {
	logged := time.Now()
	for pause := s.cfg.RetryMin; ; pause = min(2*pause, s.cfg.RetryMax) {
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
		err := s.tryJoin(s.ctx)
		switch {
		case err == nil:
			return
		case s.ctx.Err() != nil:
			return
		case final(err):
			s.fail(err)
			return
		case time.Since(logged) >= s.cfg.RetryMax:
			logged = time.Now()
			s.log.Warn("still waiting to join a cluster", "addresses", s.cfg.Join, "reason", err, "next_try_in", pause)
		}
	}
}

// final says whether another try can't help.
func final(err error) bool {
	return errors.Is(err, ErrJoinRefused) || errors.Is(err, ErrOtherCluster)
}

// tryJoin asks at each address, until one has let this node in or said no.
func (s *Store) tryJoin(ctx context.Context) error {
	var errs []error
	for _, addr := range s.cfg.Join {
		err := s.joinAt(ctx, addr)
		if err == nil || final(err) {
			return err
		}
		errs = append(errs, fmt.Errorf("join at %s: %w", addr, err))
	}
	return errors.Join(errs...)
}

func (s *Store) joinAt(ctx context.Context, addr string) error {
	found, err := s.lookUp(ctx, addr)
	if err != nil {
		return err
	}
	if err := s.checkCluster(addr, found.cluster); err != nil {
		return err
	}
	s.port.SetCluster(found.cluster)
	nodes, err := s.askToJoin(ctx, found)
	if refused(err) {
		// Nothing of this node is in the cluster: the directory is new again, so that
		// it may be used with another ID.
		if err := s.disk.forget(); err != nil {
			s.log.Error("can't forget the identity of a node that was refused", "error", err)
		}
		return fmt.Errorf("%w: %w", ErrJoinRefused, err)
	}
	if err != nil {
		return err
	}
	s.book.tell(nodes...)
	if err := s.setPhase(phaseMember); err != nil {
		return err
	}
	s.log.Info("joined", "cluster", found.cluster, "id", s.self.ID, "through", addr)
	return nil
}

// askToJoin records the cluster before it asks: from then on the cluster may have
// this node in its table, whether the answer arrives or not.
func (s *Store) askToJoin(ctx context.Context, through contact) ([]topology.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProposeTimeout+s.cfg.PeerTimeout)
	defer cancel()
	c, err := s.port.Dial(ctx, through.peerAddr, peer.Identity{ID: through.node}, peer.KindRPC)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := s.setCluster(through.cluster); err != nil {
		return nil, err
	}
	text, err := json.Marshal(newcomer{s.self, int(s.format())})
	if err != nil {
		return nil, err
	}
	reply, err := peer.Call(ctx, c, "JOIN", string(text))
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return nil, err
	}
	var nodes []topology.Node
	if err := json.Unmarshal(reply.Str, &nodes); err != nil {
		return nil, fmt.Errorf("reply of JOIN: %w", err)
	}
	return nodes, nil
}

// setCluster binds a joining directory to the cluster that has proven to share
// the secret.
func (s *Store) setCluster(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.identity
	next.ClusterID = id
	if err := s.disk.setIdentity(next); err != nil {
		return err
	}
	s.identity = next
	return nil
}

// refused says whether the cluster has said no for good.
func refused(err error) bool {
	return isCode(err, string(topology.CodeExists)) || isCode(err, string(topology.CodeBadArg)) || isCode(err, codeUnknown)
}

const forwarded = "FORWARDED"

// newcomer is what a node says that wants to join.
type newcomer struct {
	topology.Node
	// Format is the newest one that it knows, maybe newer than what is known here;
	// versions before format 3 do not say.
	Format int `json:"format,omitempty"`
}

// check refuses a version that could not read the cluster's log.
func (n newcomer) check(cluster topology.Format) error {
	if known := max(topology.Format(n.Format), lastSilentFormat); known < cluster {
		return &topology.Error{Code: topology.CodeBadArg,
			Message: fmt.Sprintf("node %s runs version %s, which knows format %d, and the cluster goes by format %d", n.ID, n.Version, known, cluster),
			Hint:    "start it with the version that the other nodes run"}
	}
	return nil
}

// serveJoin adds a node to the table; Raft's configuration follows. Any node may
// be asked and passes the question on to the leader, once.
func (s *Store) serveJoin(ctx context.Context, conn redcon.Conn, args [][]byte) (any, error) {
	if len(args) < 1 || len(args) > 2 {
		return nil, errArguments
	}
	var node newcomer
	if err := json.Unmarshal(args[0], &node); err != nil {
		return nil, errArguments
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ProposeTimeout, ErrNoLeader)
	defer cancel()
	if s.IsLeader() {
		return s.admit(ctx, node)
	}
	if len(args) == 2 {
		return nil, ErrNotLeader
	}
	var nodes []topology.Node
	err := s.withLeader(ctx, func(leader string) error {
		if leader == s.self.ID {
			var err error
			nodes, err = s.admit(ctx, node)
			return err
		}
		err := s.callJSON(ctx, &nodes, leader, "JOIN", string(args[0]), forwarded)
		if refused(err) {
			return permanent{asTopologyError(err)}
		}
		return err
	})
	return nodes, err
}

// admit is what the leader does about a node that wants to join.
func (s *Store) admit(ctx context.Context, node newcomer) ([]topology.Node, error) {
	if err := node.check(s.State().Format); err != nil {
		return nil, permanent{err}
	}
	if old, ok := s.State().Nodes[node.ID]; ok && old.Incarnation != node.Incarnation {
		return nil, permanent{s.taken(ctx, old)}
	}
	data, err := topology.Command{Who: "node " + node.ID, At: time.Now().UnixMilli(), Body: topology.NodeJoin{Node: node.Node}}.Encode()
	if err != nil {
		return nil, permanent{err}
	}
	done, err := s.applyHere(ctx, data)
	if err != nil {
		return nil, err
	}
	if err := done.Outcome.Err(); err != nil {
		return nil, permanent{err}
	}
	s.wake()
	var nodes []topology.Node
	for _, member := range s.State().Nodes {
		nodes = append(nodes, member)
	}
	return nodes, nil
}

// taken explains that an ID belongs to another node, which is alive or not.
func (s *Store) taken(ctx context.Context, old topology.Node) *topology.Error {
	refusal := &topology.Error{Code: topology.CodeExists}
	if _, err := s.ask(ctx, old.ID); err == nil {
		refusal.Message = fmt.Sprintf("node ID %s is taken by the node at %s, which is running", old.ID, old.Addr)
		refusal.Hint = "choose another ID"
		return refusal
	}
	refusal.Message = fmt.Sprintf("node ID %s is taken by the node at %s, which does not answer", old.ID, old.Addr)
	refusal.Hint = fmt.Sprintf("choose another ID, or run CODIS.NODE REMOVE %s if that node is gone for good and try again", old.ID)
	return refusal
}

// asTopologyError makes a refusal of another node one of this node.
func asTopologyError(err error) error {
	var answer *resp.ServerError
	if !errors.As(err, &answer) {
		return err
	}
	return &topology.Error{Code: topology.Code(answer.Code), Message: trimCode(answer)}
}
