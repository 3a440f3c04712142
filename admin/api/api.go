// Package api is the HTTP skin of the operations: every CODIS.* command as JSON
// under /api/v1, sessions for people and programs, and live updates as server-sent
// events. A request becomes the words of one command, which admin.Ops runs as it
// does for RESP, so that both have one grammar, one set of checks and one history;
// what is here is HTTP: routes, bodies, status codes, problems (RFC 9457), who may
// ask, and limits. The main package mounts it, and the web page is its client.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"codis/admin"
	"codis/router/password"
)

// Ops is the operations. Its methods are called by any number of goroutines at a
// time, and block on the network until their context ends.
type Ops interface {
	// JSON runs one CODIS.* command and returns its answer, or a *topology.Error.
	JSON(ctx context.Context, caller string, words ...string) (json.RawMessage, error)
	// Nodes lists all nodes, with what is known of them.
	Nodes(ctx context.Context, q admin.NodesQuery) (admin.NodeList, error)
	// Subscribe gives a channel that gets a value after the table has changed, and what
	// ends the subscription. It does not block.
	Subscribe() (changed <-chan struct{}, end func())
	// KnownHost says whether a host name is one by which the cluster's nodes are
	// reached. It does not block.
	KnownHost(host string) bool
}

// Config holds what the API stands on.
type Config struct {
	Ops Ops
	// NodeID and Version are told to everyone who asks for a session.
	NodeID, Version string
	// Password opens a session; empty: everyone may read, and who is on this machine
	// may change.
	Password string
	Logger   *slog.Logger
}

// API serves /api/v1. It owns the goroutines of live updates.
type API struct {
	cfg      Config
	log      *slog.Logger
	mux      *http.ServeMux
	sessions *sessions
	attempts attempts
	failures password.Failures
	hub      *hub
	series   series
	// streams has a place for each client that gets events.
	streams chan struct{}
	stop    context.CancelFunc
	running sync.WaitGroup
}

// Prefix is where the API is.
const Prefix = "/api/v1"

// New starts the API; Close ends it.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Ops == nil:
		return nil, errors.New("api config: Ops is missing")
	case cfg.Logger == nil:
		return nil, errors.New("api config: Logger is missing")
	}
	a := &API{cfg: cfg, log: cfg.Logger.With("component", "api"), sessions: newSessions(time.Now), attempts: attempts{hosts: map[string]bool{}}, hub: newHub(cfg.Ops),
		streams: make(chan struct{}, maxStreams)}
	a.mux = a.newMux(routes())
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	// Both end with ctx; Close waits.
	a.running.Go(func() { a.hub.run(ctx) })
	a.running.Go(func() { a.series.run(ctx, cfg.Ops) })
	return a, nil
}

// Close ends all live updates, and with them the requests that get them. It may be
// called again.
func (a *API) Close() {
	a.stop()
	a.running.Wait()
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	a.mux.ServeHTTP(w, r)
}

// writeJSON answers with a value that is JSON already.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client that went away is the only error, and it is gone.
	_, _ = w.Write(append(body, '\n'))
}
