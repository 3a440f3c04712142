package api

import (
	"net/http"
	"time"
)

// Bounds of streams.
const (
	maxStreams = 64
	// heartbeat is how often a stream says that it lives, streamWrite how long a client
	// may take for what it is sent, and retryMS when it should come back.
	heartbeat   = 15 * time.Second
	streamWrite = 10 * time.Second
	retryLine   = "retry: 2000\n\n"
)

// events sends server-sent events, named for the GET whose answer they are, until
// the client goes, its session is over, or the node stops.
func (a *API) events(w http.ResponseWriter, r *http.Request) error {
	select {
	case a.streams <- struct{}{}:
		defer func() { <-a.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		return problemf(http.StatusServiceUnavailable, codeTooMany, "%d clients have events already", maxStreams).hinted("close some, or ask another node")
	}
	watcher, ok := a.hub.watch()
	if !ok {
		return problemf(http.StatusServiceUnavailable, "STOPPING", "this node is stopping").hinted("ask another node")
	}
	defer a.hub.leave(watcher)
	s := &stream{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // proxies that collect answers would hold them back
	// The whole request has been read; the listener's deadline is not for streams.
	_ = s.control.SetReadDeadline(time.Time{})
	if s.send([]byte(retryLine)) != nil {
		return nil
	}
	a.follow(r, s, watcher)
	return nil
}

// follow sends what there is until there is a reason to end.
func (a *API) follow(r *http.Request, s *stream, watcher *watcher) {
	var over <-chan struct{}
	login := sessionOf(r)
	if login != nil {
		over = login.over
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var buf []byte
	for {
		select {
		case _, open := <-watcher.ready:
			if !open {
				return
			}
			buf = buf[:0]
			for _, e := range a.hub.take(watcher) {
				buf = e.append(buf)
			}
		case <-beat.C:
			if login != nil && !a.sessions.keep(login) {
				return
			}
			buf = append(buf[:0], ":\n\n"...)
		case <-over:
			return
		case <-r.Context().Done():
			return
		}
		if s.send(buf) != nil {
			return
		}
	}
}

// stream writes to a client that has to keep up.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) send(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(streamWrite)) // a connection that has none is a test's
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
