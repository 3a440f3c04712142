package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Deadlines of the HTTP listener. The write deadline leaves room for a pprof
// profile of a minute, the longest answer there is.
const (
	httpReadHeaderTimeout = 5 * time.Second
	httpReadTimeout       = 15 * time.Second
	httpWriteTimeout      = 90 * time.Second
	httpIdleTimeout       = 2 * time.Minute
	httpMaxHeaderBytes    = 16 << 10
)

// HTTPServer is a running HTTP listener. It owns the goroutine that accepts.
type HTTPServer struct {
	server *http.Server
	addr   net.Addr
	done   chan struct{}
	// err is what ended the accept loop; it is read after done is closed.
	err error
}

// StartHTTP serves h on ln, which it then owns. A listener that breaks is
// logged, for nobody may be waiting for it.
func StartHTTP(ln net.Listener, h http.Handler, logger *slog.Logger) *HTTPServer {
	logger = logger.With("component", "http")
	s := &HTTPServer{
		server: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: httpReadHeaderTimeout,
			ReadTimeout:       httpReadTimeout,
			WriteTimeout:      httpWriteTimeout,
			IdleTimeout:       httpIdleTimeout,
			MaxHeaderBytes:    httpMaxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		},
		addr: ln.Addr(),
		done: make(chan struct{}),
	}
	go s.accept(ln, logger) // ends when Close shuts the server down; Close waits for it
	return s
}

// accept runs until the listener is closed.
func (s *HTTPServer) accept(ln net.Listener, logger *slog.Logger) {
	defer close(s.done)
	err := s.server.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		return
	}
	s.err = fmt.Errorf("http listener %s: %w", s.addr, err)
	logger.Error("listener stopped", "addr", s.addr.String(), "error", err)
}

// Addr is where the server listens.
func (s *HTTPServer) Addr() net.Addr { return s.addr }

// Close stops accepting, waits for the requests in flight until ctx ends, then
// cuts them. It may be called again, and returns after the accept goroutine.
func (s *HTTPServer) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("http listener %s: shut down: %w", s.addr, err), s.server.Close())
	}
	<-s.done
	return errors.Join(err, s.err)
}
