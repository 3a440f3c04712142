package raftstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"codis/raftstore/peer"
	"codis/router/resp"
)

// errNotSent is returned when a call never reached the peer.
var errNotSent = errors.New("not sent")

// Code words of the peer RPC, besides those of topology.
const (
	codeNotLeader = "NOTLEADER" // the peer does not lead
	codeUnknown   = "UNKNOWN"   // the peer does not know the command
	codeTwin      = "TWIN"      // errTwin
)

// call runs one command at a node. A connection is made for each: with a pooled
// one nobody could tell whether a command whose connection broke was run.
func (s *Store) call(ctx context.Context, id string, args ...string) (resp.Reply, error) {
	c, err := s.dial(ctx, id, peer.KindRPC)
	if err != nil {
		return resp.Reply{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	defer c.Close()
	reply, err := peer.Call(ctx, c, args...)
	if err == nil {
		err = reply.Err()
	}
	if err != nil {
		return resp.Reply{}, fmt.Errorf("node %s: %w", id, err)
	}
	return reply, nil
}

// callJSON is call with a reply in JSON.
func (s *Store) callJSON(ctx context.Context, into any, id string, args ...string) error {
	reply, err := s.call(ctx, id, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(reply.Str, into); err != nil {
		return fmt.Errorf("node %s: reply of %s: %w", id, args[0], err)
	}
	return nil
}

// isCode says whether a peer answered with that code word.
func isCode(err error, code string) bool {
	var answer *resp.ServerError
	return errors.As(err, &answer) && answer.Code == code
}

// trimCode returns an error reply's text without its code word.
func trimCode(answer *resp.ServerError) string {
	return strings.TrimPrefix(answer.Text, answer.Code+" ")
}
