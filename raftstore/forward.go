package raftstore

import (
	"context"
	"errors"
	"fmt"

	"codis/router/resp"
)

// ForwardAdmin has the leader run an admin command, with the caller's identity,
// and returns the raw RESP reply. The command is run at most once: when the
// leader has got it and does not answer, nobody knows whether it was run, and the
// error says so. How long it may run, the context says; how long to look for a
// leader, ProposeTimeout.
func (s *Store) ForwardAdmin(ctx context.Context, caller string, args [][]byte) ([]byte, error) {
	search, cancel := context.WithTimeoutCause(ctx, s.cfg.ProposeTimeout, ErrNoLeader)
	defer cancel()
	var answer []byte
	err := s.withLeader(search, func(leader string) error {
		var err error
		answer, err = s.forwardTo(ctx, leader, caller, args)
		if err == nil || errors.Is(err, errNotSent) || isCode(err, codeNotLeader) || errors.Is(err, ErrNotLeader) {
			return err
		}
		return permanent{err}
	})
	return answer, err
}

func (s *Store) forwardTo(ctx context.Context, leader, caller string, args [][]byte) ([]byte, error) {
	if leader == s.self.ID {
		handler := s.admin.Load()
		if handler == nil || !s.IsLeader() {
			return nil, ErrNotLeader
		}
		return (*handler)(ctx, caller, args), nil
	}
	words := []string{"ADMIN", caller}
	for _, arg := range args {
		words = append(words, string(arg))
	}
	reply, err := s.call(ctx, leader, words...)
	var answer *resp.ServerError
	if err != nil && !errors.Is(err, errNotSent) && !errors.As(err, &answer) {
		return nil, fmt.Errorf("the leader did not answer, so the command may have been run or not: %w", err)
	}
	return reply.Str, err
}
