package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tidwall/redcon"

	"codis/raftstore/peer"
	"codis/raftstore/topology"
)

// peerStatus is what a node tells a peer about itself.
type peerStatus struct {
	Node    topology.Node `json:"node"`
	Leader  string        `json:"leader"`
	Applied uint64        `json:"applied"` // by its FSM
	Epoch   uint64        `json:"epoch"`   // of the table that it serves
}

// startRPC serves what nodes ask each other, on connections of the peer port that
// have passed the challenge:
//
//	STATUS                       -> peerStatus
//	JOIN node [FORWARDED]        -> the nodes of the cluster
//	ANNOUNCE greeting            -> greeting
//	PROPOSE command              -> applied; by the leader only
//	ADMIN caller arg [arg ...]   -> the raw reply; by the leader only
//	RENEW renewal                -> granted; by the leader only
//	ACK renewal                  -> an empty granted; by the leader only
//	GIVEBACK renewal             -> an empty granted; by the leader only
func (s *Store) startRPC() {
	mux := redcon.NewServeMux()
	for name, handle := range map[string]func(context.Context, redcon.Conn, [][]byte) (any, error){
		"status": s.serveStatus, "join": s.serveJoin, "announce": s.serveAnnounce, "propose": s.servePropose, "admin": s.serveAdmin,
		"renew": s.serveLease("RENEW"), "ack": s.serveLease("ACK"), "giveback": s.serveLease("GIVEBACK"),
	} {
		mux.HandleFunc(name, func(conn redcon.Conn, cmd redcon.Command) {
			answer, err := handle(s.ctx, conn, cmd.Args[1:])
			reply(conn, answer, err)
		})
	}
	s.rpc = redcon.NewServer(s.port.Addr(), mux.ServeRESP, nil, nil)
	s.spawn(func() {
		// It ends when the port closes its listener.
		if err := s.rpc.Serve(s.port.RPC()); err != nil {
			s.log.Error("the peer RPC server has ended", "error", err)
		}
	})
}

// errArguments is answered to a peer of another version.
var errArguments = errors.New("wrong arguments")

// reply writes an answer: bytes as they are, anything else in JSON. An error
// begins with a code word.
func reply(conn redcon.Conn, answer any, err error) {
	raw, isRaw := answer.([]byte)
	if err == nil && !isRaw {
		raw, err = json.Marshal(answer)
	}
	var refusal *topology.Error
	switch {
	case err == nil:
		conn.WriteBulk(raw)
	case errors.As(err, &refusal):
		conn.WriteError(refusal.Error())
	case errors.Is(err, ErrNotLeader):
		conn.WriteError(codeNotLeader + " " + err.Error())
	case errors.Is(err, errTwin):
		conn.WriteError(codeTwin + " " + err.Error())
	case errors.Is(err, topology.ErrUnknownCommand), errors.Is(err, errArguments):
		conn.WriteError(codeUnknown + " " + err.Error())
	default:
		conn.WriteError("ERR " + err.Error())
	}
}

func (s *Store) serveStatus(context.Context, redcon.Conn, [][]byte) (any, error) {
	return peerStatus{Node: s.self, Leader: s.leaderID(), Applied: s.table.applied.Load(), Epoch: s.State().Epoch}, nil
}

// ask asks a node for its status.
func (s *Store) ask(ctx context.Context, id string) (peerStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PeerTimeout)
	defer cancel()
	var status peerStatus
	err := s.callJSON(ctx, &status, id, "STATUS")
	return status, err
}

func (s *Store) servePropose(ctx context.Context, _ redcon.Conn, args [][]byte) (any, error) {
	if len(args) != 1 {
		return nil, errArguments
	}
	if !s.IsLeader() {
		return nil, ErrNotLeader
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ProposeTimeout, ErrNoLeader)
	defer cancel()
	done, err := s.applyHere(ctx, args[0])
	if err != nil {
		return nil, err
	}
	return done, nil
}

func (s *Store) serveAdmin(ctx context.Context, conn redcon.Conn, args [][]byte) (any, error) {
	if len(args) < 2 {
		return nil, errArguments
	}
	if !s.IsLeader() {
		return nil, ErrNotLeader
	}
	handler := s.admin.Load()
	if handler == nil {
		return nil, fmt.Errorf("node %s does not take admin commands yet", s.self.ID)
	}
	return (*handler)(ctx, string(args[0]), args[1:]), nil
}

// callerOf returns the ID of the node that a connection comes from.
func callerOf(conn redcon.Conn) string { return peer.From(conn.NetConn()) }
