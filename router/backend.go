package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"codis/router/poll"
	"codis/router/resp"
)

var (
	// errBackendTimeout is returned to requests whose backend made no progress
	// for backend-timeout.
	errBackendTimeout = errors.New("no answer in time, outcome unknown")
	// errBackendClosed is returned to requests whose connection broke first.
	errBackendClosed = errors.New("connection lost before the reply, outcome unknown")
	// errBackendGarbage is returned when a backend sent what no request asked for.
	errBackendGarbage = errors.New("unexpected bytes from the server, connection closed, outcome unknown")
	// errBackendUnproven is returned to requests that are not sent, because the
	// last connection ended without a single reply and the next one has to wait.
	errBackendUnproven = errors.New("not sent, the last connection ended before its first reply")
	// errBackendNoLease is returned to requests that waited for a connection until
	// the lease had run out: they were not sent.
	errBackendNoLease = errors.New("this node has lost the cluster, nothing was sent")
	// errBackendBusy is returned when too many bytes wait for a backend already.
	errBackendBusy = errors.New("too many bytes are waiting for this server")
)

const (
	// directWrite is the size from which bytes are written at once, behind what
	// is pending, instead of being copied and written at the end of the round.
	directWrite = 16 << 10
	// backendQueueLimit bounds the bytes that wait for one backend connection; a
	// single command may exceed it.
	backendQueueLimit = 256 << 20
	// Back-off of connection attempts to one server.
	backoffMin = 50 * time.Millisecond
	backoffMax = time.Second
)

// server is one redis-server as one loop sees it.
type server struct {
	l *loop
	target
	stats *serverStats
	// conns are the shared connections, one per database; durables take writes that
	// wait for replicas.
	conns, durables []*backend
	// failures in a row, the time of the next attempt and why the last one failed.
	failures int
	retryAt  int64
	lastErr  error
	// runID is what the last connection was told; life counts its changes.
	runID string
	life  int
	// stamp and part are scratch of the split that is being made: the part of
	// this server is valid when stamp is that of the loop.
	stamp uint64
	part  int
	// role is what the table says of it, recordedID the run ID that it has of it;
	// refused is the run ID of a process that the table did not get to know in time.
	role                role
	recordedID, refused string
	// hauntings are connections that were given up with requests under way; reaper is
	// the goroutine that makes sure of them, nil when there is none.
	hauntings []haunting
	reaper    *reaper
	// retired servers are out of the table; they close once nothing waits.
	retired bool
}

// backendState is the life of a shared connection:
//
//	opening ─► ready ─► closed
//	      └─► unrecorded ─► ready or closed
type backendState uint8

const (
	// backendOpening: dialed on a goroutine; requests queue meanwhile.
	backendOpening backendState = iota
	// backendUnrecorded: connected to a process that the table does not know as the
	// master yet; requests queue.
	backendUnrecorded
	// backendReady: registered with the loop, and used.
	backendReady
	// backendClosed: broken or retired; the server makes another when needed.
	backendClosed
)

func (s backendState) String() string {
	switch s {
	case backendOpening:
		return "opening"
	case backendUnrecorded:
		return "unrecorded"
	case backendReady:
		return "ready"
	case backendClosed:
		return "closed"
	}
	return "unknown"
}

// backend is a shared, pipelined connection of one loop to one database of one
// server. Replies come in the order of the requests: fifo.
type backend struct {
	l     *loop
	srv   *server
	db    int
	state backendState
	conn  socket
	// clientID is the server's CLIENT ID of this connection, 0 when it did not
	// tell: what a drain names in CLIENT KILL ID.
	clientID int64
	// runID is the server's when the connection was made, life how often this loop
	// had seen the server change it when the connection was asked for.
	runID string
	life  int
	// lapses is that of the loop when the connection was asked for, opening when it
	// was connected to a process that the table does not know.
	lapses  uint64
	opening int64
	fifo    fifo
	// out holds requests until the end of the round; in a reply that is not whole.
	out, in []byte
	scan    resp.ReplyScanner
	dirty   bool
	// durable is there on connections for writes that wait for replicas.
	durable *durable
	// proven says that a reply has come: only then is the back-off over.
	proven bool
	// progress is when bytes last moved; unsent what the kernel had not taken then.
	progress int64
	unsent   int
}

// connect returns the connection of a database among those of one kind, making it
// when there is none.
func (s *server) connect(conns *[]*backend, db int) (*backend, error) {
	for db >= len(*conns) {
		*conns = append(*conns, nil)
	}
	if b := (*conns)[db]; b != nil {
		return b, nil
	}
	if s.role == roleAbandoned {
		return nil, errBackendAbandoned
	}
	if s.lastErr != nil && s.l.now < s.retryAt {
		return nil, s.lastErr
	}
	b := &backend{l: s.l, srv: s, db: db, life: s.life, lapses: s.l.lapses}
	(*conns)[db] = b
	s.stats.dials++
	s.l.r.spawn(b.dial)
	return b, nil
}

// ready returns the connection of a database, unless it can't take a request now.
func (s *server) ready(db int) (*backend, error) {
	b, err := s.connect(&s.conns, db)
	if err == nil && b.busy() {
		err = errBackendBusy
	}
	return b, err
}

// dial runs on a goroutine: it connects, authenticates, names the connection and
// selects the database, and hands the socket to the loop, which calls opened.
func (b *backend) dial(ctx context.Context) {
	limits := &b.l.r.table.Load().limits
	opts := resp.ClientOptions{
		Addr: b.srv.addr, User: b.srv.user, Password: b.srv.password,
		Name: b.l.r.connName(), DB: b.db,
		DialTimeout: limits.dialTimeout, Timeout: limits.dialTimeout,
	}
	if err := b.connect(ctx, opts); err != nil {
		b.l.post(func() { b.failed(err) })
	}
}

func (b *backend) connect(ctx context.Context, opts resp.ClientOptions) error {
	client, err := resp.Dial(ctx, opts)
	if err != nil {
		return err
	}
	if reply, err := client.Do(ctx, "CLIENT", "ID"); err == nil {
		b.clientID = reply.Int
	}
	if b.runID, err = askRunID(ctx, client); err == nil {
		err = b.l.r.scripts.load(ctx, client, b.runID)
	}
	if err != nil {
		_ = client.Close()
		return err
	}
	conn, err := client.Detach()
	if err != nil {
		_ = client.Close()
		return err
	}
	return b.l.poll.Take(conn, func(c *poll.Conn) poll.Handler {
		b.opened(c)
		return b
	})
}

// opened is called by the loop once the connection is registered.
func (b *backend) opened(c *poll.Conn) {
	if b.state == backendClosed {
		c.Close()
		return
	}
	b.conn = c
	if s := b.srv; s.runID != b.runID {
		if s.runID != "" {
			s.life++
			b.l.forgetMoved()
		}
		s.runID = b.runID
	}
	if !b.recorded() {
		b.awaitRecord()
		return
	}
	b.begin()
}

// begin sends what has queued, if it may still be sent.
func (b *backend) begin() {
	b.state, b.progress = backendReady, b.l.now
	if b.lapsed() && b.carriesBound() && !b.l.r.faults.trustOpened {
		// A node that was silent has had its connections killed at the servers; what
		// queued for this one, before or while it was silent, must not follow them
		// (SAFETY L4), also when the node is heard again: its slots may have left
		// meanwhile. The clock was read after the connection was made.
		b.giveUp(errBackendNoLease)
		return
	}
	if b.life != b.srv.life {
		b.dropStale()
	}
	b.markDirty()
}

// failed is called in the loop when the connection could not be made.
func (b *backend) failed(err error) {
	b.srv.stats.dialErrors++
	b.srv.backOff(err)
	b.drop(err)
}

// backOff puts the next attempt to connect off, longer each time in a row.
func (s *server) backOff(err error) {
	s.failures++
	delay := min(backoffMin<<min(s.failures-1, 10), backoffMax)
	s.retryAt = s.l.now + int64(delay)
	s.lastErr = err
}

// send queues one command for this connection.
func (b *backend) send(q *request, raw []byte) {
	b.fifo.push(q)
	if len(raw) >= directWrite && b.state == backendReady && b.durable == nil {
		b.writeNow(raw)
		return
	}
	b.out = b.l.pool.append(b.out, raw)
	b.markDirty()
}

// busy says whether too much waits already to take another request.
func (b *backend) busy() bool {
	return len(b.out)+b.unsent > backendQueueLimit
}

func (b *backend) markDirty() {
	if !b.dirty {
		b.dirty = true
		b.l.dirtyBackends = append(b.l.dirtyBackends, b)
	}
}

// flush writes what the round has gathered.
func (b *backend) flush() {
	b.dirty = false
	if b.state == backendReady && len(b.out) > 0 && (b.durable == nil || b.seal()) {
		b.writeNow(nil)
	}
}

// writeNow writes what is pending and then raw, with one system call. The
// connection keeps a copy of what the kernel does not take.
func (b *backend) writeNow(raw []byte) {
	b.srv.stats.bytesOut += uint64(len(b.out) + len(raw))
	b.conn.WriteBoth(b.out, raw)
	b.l.pool.put(b.out)
	b.out = nil
	b.unsent = b.conn.Unsent()
}

// Drained is called by the loop when the kernel has taken all that waited.
func (b *backend) Drained() { b.unsent = 0 }

// Closed is called by the loop when the connection is gone.
func (b *backend) Closed(error) {
	b.drop(errBackendClosed)
}

// Ended is called by the loop when the server sends no more.
func (b *backend) Ended() { b.giveUp(errBackendClosed) }

// giveUp answers all that waits with an error and closes the connection.
func (b *backend) giveUp(err error) {
	b.drop(err)
	if b.conn != nil { // else it is still being dialed, see opened
		b.conn.Close()
	}
}

// allConns returns the connections that the server has now; some may be opening.
func (s *server) allConns() []*backend {
	var all []*backend
	for _, conns := range [][]*backend{s.conns, s.durables} {
		for _, b := range conns {
			if b != nil {
				all = append(all, b)
			}
		}
	}
	return all
}

// Readable hands the replies in data to the requests that wait for them.
func (b *backend) Readable(data []byte) {
	b.progress = b.l.now
	b.srv.stats.bytesIn += uint64(len(data))
	if len(b.in) > 0 {
		b.in = b.l.pool.append(b.in, data)
		data = b.in
	}
	used := 0
	for used < len(data) {
		if b.fifo.len() == 0 || b.state != backendReady {
			b.giveUp(errBackendGarbage)
			return
		}
		n, err := b.scan.Next(data[used:])
		if err != nil {
			b.giveUp(fmt.Errorf("%w: %v", errBackendGarbage, err))
			return
		}
		if n == 0 {
			break
		}
		if !b.proven { // not when it opens: a server may accept and then fail every request
			b.proven = true
			b.srv.failures, b.srv.lastErr = 0, nil
		}
		q, reply := b.fifo.pop(), data[used:used+n]
		took := b.l.now - q.start
		b.srv.stats.observe(took, reply)
		if took+q.waited >= b.l.slowerThan {
			b.srv.noteSlow(q)
		}
		if b.durable != nil {
			b.take(q, reply)
		} else {
			b.l.complete(q, reply)
		}
		used += n
	}
	b.keep(data, used)
	if b.srv.retired {
		b.srv.closeIdle()
	}
}

// keep holds on to the bytes behind used: the start of a reply.
func (b *backend) keep(data []byte, used int) {
	rest := data[used:]
	switch {
	case len(rest) == 0:
		b.l.pool.put(b.in)
		b.in = nil
	case len(b.in) == 0:
		b.in = b.l.pool.append(nil, rest)
	case used > 0:
		b.in = b.in[:copy(b.in, rest)]
	}
}

// drop answers all that waits with an error and forgets the connection; the
// caller closes the socket. Outside this connection nothing is touched.
func (b *backend) drop(err error) {
	if b.state == backendClosed {
		return
	}
	sent := b.state == backendReady && err != errBackendNoLease
	if sent && !b.proven && !b.srv.retired && b.srv.role != roleAbandoned {
		b.srv.backOff(errBackendUnproven)
	}
	b.state = backendClosed
	for _, conns := range [][]*backend{b.srv.conns, b.srv.durables} {
		if b.db < len(conns) && conns[b.db] == b {
			conns[b.db] = nil
		}
	}
	if sent {
		b.haunt(b.slotsOf())
	}
	text := b.srv.appendError(nil, err)
	if b.durable != nil {
		b.giveHeld(text)
	}
	why := lossOf(err, sent)
	for q := b.fifo.pop(); q != nil; q = b.fifo.pop() {
		b.srv.stats.lost[why]++
		if b.l.now-q.start+q.waited >= b.l.slowerThan {
			b.srv.noteSlow(q)
		}
		if q.isWait {
			b.l.freeRequest(q)
		} else {
			b.l.complete(q, text)
		}
	}
	b.l.pool.put(b.out)
	b.l.pool.put(b.in)
	b.out, b.in = nil, nil
}

// lossOf is why the requests of a connection that ends with err got no reply; sent
// says whether they may have reached the server.
func lossOf(err error, sent bool) loss {
	switch {
	case !sent:
		return lossUnsent
	case errors.Is(err, errBackendTimeout):
		return lossTimeout
	case errors.Is(err, errBackendGarbage):
		return lossGarbage
	}
	return lossClosed
}

// appendError writes an error reply that names group and server. What the client
// package returns names the server already.
func (s *server) appendError(dst []byte, err error) []byte {
	text := err.Error()
	if !strings.HasPrefix(text, s.addr) {
		text = s.addr + ": " + text
	}
	return resp.AppendError(dst, fmt.Sprintf("ERR group %d server %s", s.group, text))
}

// check is called at every tick: a connection that owes replies and moves no
// byte for timeout is given up.
func (b *backend) check(timeout time.Duration) {
	if b.state == backendUnrecorded && b.l.now-b.opening >= int64(b.l.table.limits.holdDeadline) {
		b.refuse()
	}
	if b.state != backendReady || b.fifo.len() == 0 {
		return
	}
	if unsent := b.conn.Unsent(); unsent < b.unsent {
		b.unsent, b.progress = unsent, b.l.now
	}
	if b.durable != nil {
		timeout += b.l.table.limits.durableTimeout
	}
	if b.l.now-max(b.progress, b.fifo.peek().start) < int64(timeout) {
		return
	}
	b.giveUp(errBackendTimeout)
}

// closeIdle closes the connections of a retired server that owe nothing.
func (s *server) closeIdle() {
	for _, b := range s.allConns() {
		if b.fifo.len() == 0 && b.state == backendReady {
			b.giveUp(errBackendClosed)
		}
	}
}
