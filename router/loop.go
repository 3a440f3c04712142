package router

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/panjf2000/gnet/v2"

	"codis/router/resp"
)

// readBuffer is how much one read takes from a socket, in bytes.
const readBuffer = 256 << 10

// fairShare is how many buffered bytes a client may hold while the node is over
// its memory limit.
const fairShare = 64 << 10

// loop is one event loop: it owns its sessions and its own connections to every
// server, and everything below it is touched by this loop alone, without a lock.
// It is the handler of an event engine with exactly one loop.
type loop struct {
	gnet.BuiltinEventEngine
	r      *Router
	index  int
	log    *slog.Logger
	engine *gnet.Client
	el     gnet.EventLoop
	anchor net.Conn

	// now is the loop's clock in nanoseconds: read once per batch of bytes.
	now   int64
	table *table
	// servers is parallel to table.targets; byTarget finds them across tables.
	servers  []*server
	byTarget map[target]*server
	// retired are servers that left the table and still owe replies.
	retired  []*server
	sessions map[int64]*session

	// What the end of the round flushes; flushing says that it is at it.
	dirtyBackends  []*backend
	dirtySessions  []*session
	resumable      []*session
	flushScheduled bool
	flushing       bool
	flushTask      gnet.Runnable
	// watched are sessions whose output is looked at every tick.
	watched []*session

	pool         bufferPool
	freeRequests *request
	freeJoins    *join
	scan         *resp.Scanner
	scanners     []*resp.Scanner
	unsent       int64 // bytes that clients have not taken yet
	turn         uint64
	ticks        uint64
	stats        loopStats

	// Scratch, valid during one dispatch.
	frame  []byte
	keys   []int
	order  []uint16
	pieces []piece
	stamp  uint64
	picked map[int]picked
	iov    [2][]byte
}

// picked is which server of a group a split reads from.
type picked struct {
	stamp  uint64
	server int
}

// anchorContext marks the connection that tells a loop its handle.
type anchorContext struct{ ready chan struct{} }

func newLoop(r *Router, index int) (*loop, error) {
	l := &loop{
		r: r, index: index, log: r.log, table: r.table.Load(),
		byTarget: make(map[target]*server),
		sessions: make(map[int64]*session),
		picked:   make(map[int]picked),
		scan:     new(resp.Scanner),
	}
	l.flushTask = runnable(l.flush)
	engine, err := gnet.NewClient(l,
		gnet.WithNumEventLoop(1), gnet.WithReadBufferCap(readBuffer),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithLogger(engineLogger{r.log}))
	if err != nil {
		return nil, err
	}
	l.engine = engine
	return l, nil
}

// runnable lets a plain function be a task of the event library.
type runnable func()

func (f runnable) Run(context.Context) error {
	f()
	return nil
}

// start runs the loop. A loop has no handle before it has a connection, so it
// gets one end of a socket pair; the other end is never written to.
func (l *loop) start() error {
	if err := l.engine.Start(); err != nil {
		return err
	}
	mine, theirs, err := socketPair()
	if err != nil {
		return err
	}
	l.anchor = mine
	at := &anchorContext{ready: make(chan struct{})}
	if err := l.enroll(theirs, at); err != nil {
		return err
	}
	<-at.ready
	return nil
}

// stop ends the loop and closes all its connections.
func (l *loop) stop() error {
	err := l.engine.Stop()
	if l.anchor != nil {
		_ = l.anchor.Close()
	}
	return err
}

// enroll hands a connected socket to the loop, which calls OnOpen before enroll
// returns. It may be called from any goroutine but the loop's own.
func (l *loop) enroll(conn net.Conn, ctx any) error {
	// The event library puts the zone of link-local addresses into a buffer pool
	// when it closes a connection, though the text is shared: give it none.
	for _, addr := range []net.Addr{conn.RemoteAddr(), conn.LocalAddr()} {
		if tcp, ok := addr.(*net.TCPAddr); ok {
			tcp.Zone = ""
		}
	}
	_, err := l.engine.EnrollContext(conn, ctx)
	return err
}

// post runs f in the loop. It may be called from any goroutine. After the loop
// has ended f is not run.
func (l *loop) post(f func()) {
	_ = l.el.Execute(context.Background(), runnable(func() {
		l.now = l.r.clock()
		f()
	}))
}

// OnOpen is called by the event library for every enrolled connection.
func (l *loop) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	l.now = l.r.clock()
	switch owner := c.Context().(type) {
	case *session:
		return nil, owner.opened(c)
	case *backend:
		return nil, owner.opened(c)
	case *anchorContext:
		l.el = c.EventLoop()
		close(owner.ready)
	}
	return nil, gnet.None
}

// OnTraffic is called by the event library when bytes have come in. It takes all
// of them, so that the library never keeps any.
func (l *loop) OnTraffic(c gnet.Conn) gnet.Action {
	data, _ := c.Next(-1)
	l.now = l.r.clock()
	switch owner := c.Context().(type) {
	case *session:
		return owner.traffic(data)
	case *backend:
		return owner.traffic(data)
	}
	return gnet.None
}

// OnClose is called by the event library for every connection that ends,
// whoever closed it, also from inside a write.
func (l *loop) OnClose(c gnet.Conn, _ error) gnet.Action {
	switch owner := c.Context().(type) {
	case *session:
		owner.connClosed()
	case *backend:
		owner.drop(errBackendClosed)
	}
	return gnet.None
}

// wantFlush makes sure that a flush follows: the task runs after the ready events
// of this poll (and of the next, which is under way by then) have been handled.
// That is where requests and replies of many clients meet in one system call.
func (l *loop) wantFlush() {
	if l.flushScheduled || l.flushing {
		return
	}
	l.flushScheduled = true
	_ = l.el.Execute(context.Background(), l.flushTask)
}

// flush ends a round: sessions that may go on do, then backends get their
// requests first, since they have work to do, then clients their replies. The
// lists grow while they are walked; what is added is part of the round.
func (l *loop) flush() {
	l.flushScheduled, l.flushing = false, true
	for len(l.resumable)+len(l.dirtyBackends)+len(l.dirtySessions) > 0 {
		for i := 0; i < len(l.resumable); i++ {
			if s := l.resumable[i]; s.pause == 0 && s.inPos < len(s.in) {
				s.resume()
			}
		}
		clear(l.resumable)
		l.resumable = l.resumable[:0]
		for i := 0; i < len(l.dirtyBackends); i++ {
			l.dirtyBackends[i].flush()
		}
		clear(l.dirtyBackends)
		l.dirtyBackends = l.dirtyBackends[:0]
		for i := 0; i < len(l.dirtySessions); i++ {
			l.dirtySessions[i].flush()
		}
		clear(l.dirtySessions)
		l.dirtySessions = l.dirtySessions[:0]
	}
	l.flushing = false
}

// discard closes a client at once; what it did not take is lost.
func (l *loop) discard(s *session) {
	if !s.closed {
		_ = l.el.Close(s.conn)
	}
}

// watch has a session's output looked at every tick, until all of it is taken.
func (l *loop) watch(s *session) {
	if !s.watched {
		s.watched = true
		l.watched = append(l.watched, s)
		l.r.hurry.Store(true)
	}
}

// adopt takes a new table: connections to servers that stay are kept.
func (l *loop) adopt(t *table) {
	if t == l.table {
		return
	}
	l.table = t
	known := l.byTarget
	l.byTarget = make(map[target]*server, len(t.targets))
	l.servers = make([]*server, len(t.targets))
	for i, at := range t.targets {
		s := known[at]
		if s == nil {
			s = &server{l: l, target: at}
		}
		delete(known, at)
		l.servers[i], l.byTarget[at] = s, s
	}
	for _, gone := range known {
		gone.retired = true
		l.retired = append(l.retired, gone)
		gone.closeIdle()
	}
	clear(l.picked)
}

// tick is called every tickInterval, or sooner while a client is watched.
func (l *loop) tick(posted time.Time) {
	l.ticks++
	l.stats.lag = int64(time.Since(posted))
	timeout := l.table.limits.backendTimeout
	for _, s := range l.servers {
		s.check(timeout)
	}
	kept := l.retired[:0]
	for _, s := range l.retired {
		s.check(timeout)
		if s.closeIdle(); s.open() {
			kept = append(kept, s)
		}
	}
	clear(l.retired[len(kept):])
	l.retired = kept
	l.checkWatched()
	if l.ticks%trimTicks == 0 {
		l.pool.trim()
		l.trimScratch()
		l.closeIdleClients()
	}
	l.r.buffered[l.index].Store(l.pool.lent + l.unsent)
}

func (s *server) check(timeout time.Duration) {
	for _, b := range s.conns {
		if b != nil {
			b.check(timeout)
		}
	}
}

// open says whether any connection is left.
func (s *server) open() bool {
	for _, b := range s.conns {
		if b != nil {
			return true
		}
	}
	return false
}

// checkWatched looks whether slow readers have taken their replies.
func (l *loop) checkWatched() {
	watched := l.watched
	l.watched = nil
	for _, s := range watched {
		s.watched = false
		if s.closed {
			continue
		}
		s.checkOutput()
		switch {
		case s.closed:
		case s.unsent > 0:
			l.watch(s)
		case s.pause&pauseClosing != 0:
			s.markDirty()
		}
	}
}

func (l *loop) closeIdleClients() {
	limit := int64(l.table.limits.idleTimeout)
	if limit <= 0 {
		return
	}
	for _, s := range l.sessions {
		if s.head == nil && l.now-s.active > limit {
			s.close()
		}
	}
}

// trimScratch lets go of what a huge command has made large.
func (l *loop) trimScratch() {
	const keep = 4096
	if cap(l.keys) > keep {
		l.keys = nil
	}
	if cap(l.order) > keep {
		l.order = nil
	}
	if cap(l.frame) > keep {
		l.frame = nil
	}
}

// overMemory says whether the buffers of all loops are over node-memory-limit.
func (l *loop) overMemory() bool {
	limit := l.table.limits.nodeMemory
	if limit <= 0 {
		return false
	}
	total := l.pool.lent + l.unsent
	for i := range l.r.buffered {
		if i != l.index {
			total += l.r.buffered[i].Load()
		}
	}
	return total > limit
}

// scanLimits are the limits of what a client may send; strangers get less.
func (l *loop) scanLimits(authed bool) resp.Limits {
	if !authed {
		return resp.UnauthenticatedLimits()
	}
	limits := &l.table.limits
	return resp.Limits{MaxBulk: limits.maxBulk, MaxInline: limits.maxInline, MaxArgs: limits.maxArgs}
}

func (l *loop) lendScanner() *resp.Scanner {
	if n := len(l.scanners); n > 0 {
		s := l.scanners[n-1]
		l.scanners = l.scanners[:n-1]
		return s
	}
	return new(resp.Scanner)
}

func (l *loop) returnScanner(s *resp.Scanner) {
	if len(l.scanners) < 64 {
		s.Reset()
		l.scanners = append(l.scanners, s)
	}
}
