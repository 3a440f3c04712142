package router

import (
	"bytes"
	"context"
	"sync"

	"codis/router/command"
	"codis/router/resp"
)

const (
	// maxScripts and maxScriptBytes bound the scripts that a node remembers; older
	// ones are forgotten first.
	maxScripts     = 1000
	maxScriptBytes = 4 << 20
	// maxScripted bounds the servers that a node remembers to have loaded them into.
	maxScripted = 1000
)

// scripts are what clients have had loaded through this node (SCRIPT LOAD). Servers
// keep scripts in memory alone and do not send them to their replicas, so a master
// that was promoted, has restarted or is new would answer NOSCRIPT: a node loads
// what it remembers into a server when it connects to it, before any request. Its
// methods may be called from every goroutine.
type scripts struct {
	mu    sync.Mutex
	texts [][]byte // oldest first
	bytes int
	// version counts the changes; loaded is the version that a server has, by run ID.
	version uint64
	loaded  map[string]uint64
}

// learn remembers a script.
func (s *scripts) learn(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.texts {
		if bytes.Equal(known, text) {
			return
		}
	}
	if len(text) > maxScriptBytes {
		return
	}
	s.texts = append(s.texts, bytes.Clone(text))
	s.bytes += len(text)
	s.version++
	for len(s.texts) > maxScripts || s.bytes > maxScriptBytes {
		s.bytes -= len(s.texts[0])
		s.texts = s.texts[1:]
	}
}

// forget drops all scripts (SCRIPT FLUSH).
func (s *scripts) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts, s.bytes = nil, 0
	s.version++
}

// load loads all scripts into a server that does not have them. Errors of the server
// do not matter: who uses a script that it has refused is told so.
func (s *scripts) load(ctx context.Context, client *resp.Client, runID string) error {
	s.mu.Lock()
	texts, version := s.texts, s.version
	known := s.loaded[runID] == version
	s.mu.Unlock()
	if known {
		return nil
	}
	cmds := make([][]string, len(texts))
	for i, text := range texts {
		cmds[i] = []string{"SCRIPT", "LOAD", string(text)}
	}
	if _, err := client.Pipeline(ctx, cmds...); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded == nil || len(s.loaded) >= maxScripted {
		s.loaded = make(map[string]uint64)
	}
	s.loaded[runID] = version
	return nil
}

// shareScript takes note of SCRIPT LOAD and SCRIPT FLUSH, and sends them to replicas
// too, so that one that is promoted knows what its master knew. Nobody waits for
// replicas.
func (s *session) shareScript(cmd *command.Command, args [][]byte, frame []byte) {
	switch cmd.Name {
	case "script|load":
		s.l.r.scripts.learn(args[2])
	case "script|flush":
		s.l.r.scripts.forget()
	default:
		return
	}
	for _, srv := range s.l.servers {
		if srv.role != roleReplica {
			continue
		}
		b, err := srv.ready(0)
		if err != nil {
			continue // it gets them when it is connected to
		}
		q := s.l.newRequest(nil, uint8(cmd.Family))
		q.readonly = true
		b.send(q, frame)
	}
}
