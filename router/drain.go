package router

import (
	"context"
	"time"
)

const (
	// drainingText answers PING while the node shuts down: load balancers take the
	// node out, and pools of connections throw theirs away.
	drainingText = "-ERR this node is shutting down, connect to another one\r\n"
	// leaveTime is how long Drain waits for clients to come to the end of what they
	// have asked for. Clients that are never there are closed by Stop.
	leaveTime = time.Second
	// lingerTime is how long Stop lets a client take its last replies that has sent
	// more requests than were taken.
	lingerTime = 500 * time.Millisecond
)

// Drain is the first part of a graceful end. From now on Ready says no and PING is
// answered with an error. For drain-delay everything else is as before, so that
// load balancers notice; then nobody new is let in, and each client is closed where
// nothing of its is under way: no request, no part of one, no reply. Drain returns
// when all clients have gone, at most leaveTime after the delay, or when ctx ends.
// A second call returns at once.
func (r *Router) Drain(ctx context.Context) {
	if r.draining.Swap(true) {
		return
	}
	r.wait(ctx, r.table.Load().limits.drainDelay)
	r.closeListeners()
	if !r.startedLoops {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTime)
	defer cancel()
	r.accepting.Wait()
	_ = r.eachLoop(ctx, func(l *loop) {
		l.parting = true
		for _, s := range l.sessions {
			s.markDirty() // the flush closes it if it is at a boundary
		}
	})
	r.waitForClients(ctx)
}

// wait waits for d, less when ctx or the router ends.
func (r *Router) wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-r.ctx.Done():
	case <-time.After(d):
	}
}

func (r *Router) closeListeners() {
	for _, ln := range r.listeners {
		_ = ln.Close()
	}
}

// Stop lets what is in flight end until ctx does, closes all connections and
// returns when every goroutine of the router has ended. It does not wait for
// drain-delay: Drain does. The second call returns nil at once.
func (r *Router) Stop(ctx context.Context) error {
	r.mu.Lock()
	stopped := r.stopped
	r.stopped = true
	r.mu.Unlock()
	if stopped {
		return nil
	}
	r.draining.Store(true)
	r.closeListeners()
	if r.startedLoops {
		r.accepting.Wait() // a client that came after closeClients would not be closed
		r.closeClients(ctx)
	}
	r.cancel()
	r.wg.Wait()
	for _, l := range r.loops {
		if r.startedLoops {
			l.poll.Stop()
		} else {
			l.poll.Discard()
		}
	}
	r.running.Wait()
	return nil
}

// closeClients closes every client once it has its replies, and waits for that.
func (r *Router) closeClients(ctx context.Context) {
	_ = r.eachLoop(ctx, func(l *loop) {
		l.parting = true
		for _, s := range l.sessions {
			s.finish()
		}
	})
	r.waitForClients(ctx)
}

func (r *Router) waitForClients(ctx context.Context) {
	for r.clients.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond): // sessions close on their own loops
		}
	}
}

// atBoundary says whether nothing of the session is under way: no request, no byte
// of one, here or in the kernel, and no reply that its client has not been sent.
func (s *session) atBoundary() bool {
	return s.head == nil && s.pause == 0 && s.scan == nil && s.inPos == len(s.in) &&
		s.unsent == 0 && !s.conn.HasUnread()
}

// hangUp closes a session whose last reply has been written. Closing while bytes of
// the client are unread would reset the connection, and take replies from the
// client that are still on their way: such a session only stops writing, and is
// closed when its client has seen that, or after lingerTime.
func (s *session) hangUp() {
	switch {
	case s.lingers:
	case !s.l.parting || s.aborted || !s.conn.HasUnread():
		s.conn.Close()
	default:
		s.lingers = true
		s.pause |= pauseClosing // what still comes is dropped
		s.l.lingering = append(s.l.lingering, lingering{s, s.l.now + int64(lingerTime)})
		s.conn.CloseWrite()
		s.conn.ResumeReading()
	}
}

// lingering is a session that waits for its client to hang up as well.
type lingering struct {
	s     *session
	until int64
}

// checkLingering closes the sessions whose clients took too long.
func (l *loop) checkLingering() {
	for len(l.lingering) > 0 && l.now >= l.lingering[0].until {
		l.lingering[0].s.conn.Close()
		l.lingering = l.lingering[1:]
	}
}
