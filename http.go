package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/collectors"

	"codis/admin"
	"codis/admin/api"
	"codis/admin/config"
	"codis/admin/web"
)

// startHTTP serves health, metrics and the page, and later the API; it is the first to start
// and the last to stop, so that the node can be watched while it does.
func (n *Node) startHTTP(_ context.Context, p *config.Ports) error {
	n.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	page, err := web.New()
	if err != nil {
		return err
	}
	server := admin.StartHTTP(p.HTTP, admin.NewHTTP(admin.HTTPConfig{
		Gatherer: n.metrics, Ready: n.ready, API: &n.api, Page: page, Pprof: n.Config.Pprof,
	}), n.log)
	p.HTTP = nil // it is the server's now
	n.onStop("the HTTP listener", server.Close)
	return nil
}

// startAPI opens the API over the operations.
func (n *Node) startAPI(ops *admin.Ops) error {
	a, err := api.New(api.Config{
		Ops: ops, NodeID: n.store.Status().ID, Version: versionText(), Password: cmp.Or(n.Config.AdminPassword, n.Config.Password), Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.api.serve(a)
	n.onStop("the HTTP API", func(context.Context) error {
		a.Close()
		return nil
	})
	return nil
}

// lateHandler answers once there is something that answers.
type lateHandler struct{ handler atomic.Pointer[http.Handler] }

func (l *lateHandler) serve(h http.Handler) { l.handler.Store(&h) }

// ServeHTTP implements http.Handler.
func (l *lateHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := l.handler.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the node is starting","code":"STARTING"}`+"\n")
}
