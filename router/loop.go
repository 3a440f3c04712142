package router

import (
	"log/slog"
	"time"

	"codis/raftstore/topology"
	"codis/router/poll"
	"codis/router/resp"
)

// fairShare is how many buffered bytes a client may hold while the node is over
// its memory limit.
const fairShare = 64 << 10

// maxComplaints is how many lines about clients one loop logs in a second.
const maxComplaints = 10

// loop is one event loop: it owns its sessions and its own connections to every
// server, and everything below it is touched by this loop alone, without a lock.
type loop struct {
	r     *Router
	index int
	log   *slog.Logger
	poll  *poll.Loop

	// now is the loop's time in nanoseconds, by Config.Clock, read once a round.
	now   int64
	table *table
	// lease is until when the node may serve, in the same time.
	lease int64
	// servers is parallel to table.targets; byTarget finds them across tables.
	servers  []*server
	byTarget map[target]*server
	// serverStats are by address; see there.
	serverStats map[string]*serverStats
	// retired are servers that left the table and still owe replies.
	retired  []*server
	sessions map[int64]*session

	// hadLease says that it held once, in this process.
	hadLease bool
	// lapses counts the times that the lease may have run out, as seen from round to
	// round.
	lapses uint64
	// inflight counts requests by slot, accesses the key accesses under way by slot.
	inflight [topology.SlotCount + 1]int32 // see everySlot
	accesses [topology.SlotCount]int32
	// moves are the slots on hold or on their way; leaving are those that have
	// arrived while accesses of their plan were under way, with the epoch of that
	// table; keyAccess are the accesses themselves. movedCount is over all moves.
	moves map[int]*move
	// turnSince is when this loop saw the turns under way begin, by group.
	turnSince  map[int]int64
	leaving    map[int]uint64
	keyAccess  map[accessKey]*access
	started    []*access
	movedCount int
	// reached counts the sessions that have reached their keys and wait to go on.
	reached int
	// waiting are the sessions that wait for a hold's end or a newer table; heldBytes
	// is what they had sent as of the last tick, by which the wait is bounded.
	waiting   []waitingSession
	heldBytes int64
	// parting loops close their sessions where nothing is under way; lingering are
	// sessions that wait for their clients to hang up.
	parting   bool
	lingering []lingering
	// drained is the epoch up to which this loop has nothing left of older tables.
	drained uint64

	// What the end of the round flushes.
	dirtyBackends []*backend
	dirtySessions []*session
	resumable     []*session

	pool         bufferPool
	freeRequests *request
	freeJoins    *join
	scan         *resp.Scanner
	scanners     []*resp.Scanner
	unsent       int64 // bytes that clients have not taken yet
	turn         uint64
	ticks        uint64
	rounds       uint64
	roundBegan   time.Time // of a round that is measured, else zero
	stats        loopStats
	// complained is when the second began in which complaints were counted.
	complained int64
	complaints int

	// slowerThan is from when on a request is slow, in ns.
	slowerThan int64

	// Scratch, valid during one dispatch: the request at hand is current.
	current []byte
	frame   []byte
	script  []byte
	keys    []int
	order   []uint16
	slots   []uint16
	pieces  []piece
	stamp   uint64
	picked  map[int]picked
}

// picked is which server of a group a split reads from.
type picked struct {
	stamp  uint64
	server int
}

func newLoop(r *Router, index int) (*loop, error) {
	l := &loop{
		r: r, index: index, log: r.log, table: r.table.Load(),
		byTarget: make(map[target]*server),
		sessions: make(map[int64]*session),
		picked:   make(map[int]picked),
		leaving:  make(map[int]uint64), keyAccess: make(map[accessKey]*access),
		scan: new(resp.Scanner),
	}
	var err error
	l.poll, err = poll.New(l)
	return l, err
}

// post runs f in the loop, behind the events of the round. It may be called from
// any goroutine. A loop that has ended does not run f.
func (l *loop) post(f func()) {
	l.poll.Post(f)
}

// BeginRound is called by the poller before the events of a round.
func (l *loop) BeginRound() {
	l.now = l.r.cfg.Clock()
	if l.rounds++; l.rounds%measuredRounds == 0 {
		l.roundBegan = time.Now()
	}
	had := l.now < l.lease // that of the last round, whether or not there is a new one
	if !had {
		l.lapses++
	}
	if l.lease = l.r.cfg.LeaseUntil(); !had && l.leased() {
		l.recheckRecords()
	}
	if !l.hadLease && l.leased() {
		l.hadLease = true
		l.r.hadLease.Store(true)
		l.resumeWaiting()
	}
}

// EndRound is called by the poller after them.
func (l *loop) EndRound() {
	l.flush()
	if l.drained < l.table.epoch {
		l.checkDrained()
	}
	if !l.roundBegan.IsZero() {
		l.stats.rounds.observe(int64(time.Since(l.roundBegan)))
		l.roundBegan = time.Time{}
	}
}

// flush ends a round, when all events of one wait have been handled: that is where
// requests and replies of many clients meet in one system call. Sessions that may
// go on do, then backends get their requests first, since they have work to do,
// then clients their replies. The lists grow while they are walked; what is added
// is part of the round.
func (l *loop) flush() {
	for len(l.resumable)+len(l.started)+len(l.dirtyBackends)+len(l.dirtySessions) > 0 {
		for i := 0; i < len(l.resumable); i++ {
			if s := l.resumable[i]; s.pause == 0 && s.inPos < len(s.in) {
				s.resume()
			}
		}
		clear(l.resumable)
		l.resumable = l.resumable[:0]
		l.startAccesses()
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
}

// adopt takes a new table: connections to servers that stay are kept.
func (l *loop) adopt(t *table) {
	if t == l.table {
		return
	}
	first := l.table.epoch == 0 && t.epoch > 0
	l.table = t
	known, old := l.byTarget, l.servers
	counted := l.serverStats
	l.serverStats = make(map[string]*serverStats, len(t.targets))
	l.byTarget = make(map[target]*server, len(t.targets))
	l.servers = make([]*server, len(t.targets))
	for i, at := range t.targets {
		if f := l.r.faults.resolve; f != nil {
			at = f(at)
		}
		s := known[at]
		if s == nil {
			s = &server{l: l, target: at, stats: counted[at.addr]}
		}
		if s.stats == nil {
			s.stats = new(serverStats)
		}
		l.serverStats[at.addr] = s.stats
		delete(known, at)
		l.servers[i], l.byTarget[at] = s, s
	}
	l.adoptMoves(t, old)
	l.adoptTurns(t)
	l.adoptRoles(t)
	l.adoptRecords(t)
	for _, gone := range known {
		gone.retired = true
		gone.turnOver()
		l.retired = append(l.retired, gone)
		gone.closeIdle()
	}
	for _, s := range l.retired {
		if next := s.successor(); next != nil && next.role == roleAbandoned {
			s.breakOff()
		}
	}
	clear(l.picked)
	l.slowerThan = t.limits.slowerThan
	if first && l.index == 0 {
		l.hauntAll()
	}
	l.resumeWaiting()
}

// tick is called every tickInterval.
func (l *loop) tick(posted time.Time) {
	l.ticks++
	l.stats.delays.observe(int64(time.Since(posted)))
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
	l.checkWaiting()
	l.checkLingering()
	if l.overMemory() {
		l.closeLargest()
	}
	if l.ticks%figuresTicks == 0 {
		l.r.served[l.index].Store(l.stats.served())
	}
	if l.ticks%trimTicks == 0 {
		l.pool.trim()
		l.trimScratch()
		l.closeIdleClients()
	}
	l.r.buffered[l.index].Store(l.pool.lent + l.unsent)
}

func (s *server) check(timeout time.Duration) {
	for _, b := range s.allConns() {
		b.check(timeout)
	}
}

// open says whether any connection is left.
func (s *server) open() bool { return len(s.allConns()) > 0 }

func (l *loop) closeIdleClients() {
	limit := int64(l.table.limits.idleTimeout)
	for _, s := range l.sessions {
		idle := l.now - s.active
		switch {
		case s.head != nil:
		case limit > 0 && idle > limit, s.reserved && idle > int64(reservedIdle) && !s.leaveReserve():
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
	if cap(l.slots) > keep {
		l.slots = nil
	}
	if cap(l.frame) > keep {
		l.frame = nil
	}
}

// closeLargest closes the client that holds the most, one a tick: clients that wait
// for nothing but their reader are not looked at otherwise.
func (l *loop) closeLargest() {
	var largest *session
	most := fairShare
	for _, s := range l.sessions {
		if held := s.unsent + s.shelved + cap(s.in) + cap(s.out); held > most && !s.closed {
			largest, most = s, held
		}
	}
	if largest != nil {
		l.complain("client closed: this node's memory for buffers is used up (node-memory-limit)", "client", largest.addr, "bytes", most)
		largest.discard()
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

// complain logs what a client has done to be closed. Clients can do it often, so
// only some lines a second are written; the last of them says so.
func (l *loop) complain(text string, args ...any) {
	if l.now-l.complained > int64(time.Second) {
		l.complained, l.complaints = l.now, 0
	}
	switch l.complaints++; {
	case l.complaints < maxComplaints:
		l.log.Warn(text, args...)
	case l.complaints == maxComplaints:
		l.log.Warn(text+" (more of these in this second are not logged)", args...)
	}
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
