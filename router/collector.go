package router

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"codis/router/command"
)

// scrapeTimeout bounds how long a scrape waits for the loops' figures.
const scrapeTimeout = 2 * time.Second

// Collector returns the router's metrics. A scrape asks each loop for a copy of
// its figures; nothing is counted with locks or atomics on the way of requests.
func (r *Router) Collector() prometheus.Collector { return collector{r} }

type collector struct{ r *Router }

// Describe sends no descriptor: which families and servers there are is only
// known at scrape time.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// view is a copy of what all loops have counted, and how they stand.
type view struct {
	total   loopStats
	servers map[string]*serverView
	// loops are the figures that are shown loop by loop.
	loops []loopView
	// clients are connections by state.
	clients [numClientStates]int
	// parked are the requests that wait for a hold's end, reaching the keys of moving
	// slots that are asked for.
	parked, reaching int
}

// serverView is one server over all loops.
type serverView struct {
	serverStats
	opening, ready int
	// inflight is how many replies it owes, hauntings how many connections were given
	// up whose requests it may still run.
	inflight, hauntings int
}

type loopView struct{ delays, rounds latencies }

// clientState is what a client's connection is doing, for the figures.
type clientState uint8

const (
	clientIdle    clientState = iota // owed nothing
	clientWaiting                    // waits for replies of servers
	clientHeld                       // its next request waits for a hold's end or a key on its way
	clientUnread                     // does not take its replies
	numClientStates
)

func (c clientState) String() string {
	switch c {
	case clientIdle:
		return "idle"
	case clientWaiting:
		return "waiting"
	case clientHeld:
		return "held"
	case clientUnread:
		return "unread"
	}
	return "unknown"
}

func (s *session) state() clientState {
	switch {
	case s.pause&(pauseHeld|pauseAccess) != 0:
		return clientHeld
	case s.unsent > 0:
		return clientUnread
	case s.head != nil:
		return clientWaiting
	}
	return clientIdle
}

// gather asks all loops, one after the other.
func (r *Router) gather(ctx context.Context) (*view, error) {
	v := &view{servers: make(map[string]*serverView)}
	err := r.eachLoop(ctx, v.take)
	return v, err
}

// take is called in a loop.
func (v *view) take(l *loop) {
	v.total.add(&l.stats)
	v.loops = append(v.loops, loopView{l.stats.delays, l.stats.rounds})
	for addr, counted := range l.serverStats {
		seen := v.servers[addr]
		if seen == nil {
			seen = new(serverView)
			v.servers[addr] = seen
		}
		seen.add(counted)
	}
	for _, s := range l.servers {
		v.servers[s.addr].connections(s)
	}
	for _, s := range l.sessions {
		v.clients[s.state()]++
	}
	v.parked += len(l.waiting)
	v.reaching += len(l.keyAccess)
}

func (v *serverView) connections(s *server) {
	v.hauntings += len(s.hauntings)
	for _, b := range s.allConns() {
		if b.state != backendReady {
			v.opening++
		} else {
			v.ready++
		}
		v.inflight += b.fifo.len()
	}
}

// metrics sends metrics of one kind after the other.
type metrics chan<- prometheus.Metric

func (out metrics) counter(d *prometheus.Desc, v uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (out metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// errors sends the codes that have been met.
func (out metrics) errors(d *prometheus.Desc, counts *[numErrorCodes]uint64, label string) {
	for code, n := range counts {
		if n > 0 {
			out.counter(d, n, label, errorCodes[code])
		}
	}
}

// histogram shows latencies in Prometheus's cumulative buckets, whose bounds are
// powers of two.
func (out metrics) histogram(d *prometheus.Desc, h *latencies, labels ...string) {
	buckets := make(map[float64]uint64, latencyBounds)
	var sum uint64
	for i := range latencyBounds {
		for _, n := range h.steps[i*stepsPerBound : (i+1)*stepsPerBound] {
			sum += n
		}
		buckets[float64(uint64(1)<<(firstBoundBits+i))/1e9] = sum
	}
	out <- prometheus.MustNewConstHistogram(d, h.count, float64(h.nanos)/1e9, buckets, labels...)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	v, err := c.r.gather(ctx)
	if err != nil {
		return // the loops have ended
	}
	out := metrics(ch)
	out.requests(&v.total)
	out.clients(v, c.r)
	for addr, s := range v.servers {
		out.server(addr, s)
	}
	out.moves(v, c.r)
	for i := range v.loops {
		out.histogram(delayDesc, &v.loops[i].delays, strconv.Itoa(i))
		out.histogram(roundDesc, &v.loops[i].rounds, strconv.Itoa(i))
	}
	out.node(c.r)
}

func (out metrics) requests(total *loopStats) {
	for i := range total.family {
		f := &total.family[i]
		if f.count == 0 {
			continue
		}
		name := command.Family(i).String()
		out.counter(requestsDesc, f.count, name)
		out.errors(errorsDesc, &f.errors, name)
		out.histogram(latencyDesc, &f.latencies, name)
	}
	out.counter(protocolDesc, total.protocolErrors)
	out.counter(leaseLostDesc, total.leaseLost)
}

func (out metrics) clients(v *view, r *Router) {
	for state, n := range v.clients {
		out.gauge(clientsDesc, float64(n), clientState(state).String())
	}
	out.gauge(maxClientsDesc, float64(r.maxClients()))
	out.counter(acceptedDesc, v.total.accepted)
	out.counter(rejectedDesc, uint64(r.rejected.Load()))
	out.counter(bytesDesc, v.total.bytesIn, "in")
	out.counter(bytesDesc, v.total.bytesOut, "out")
	out.gauge(slowLogDesc, float64(r.slowLog.len()))
}

func (out metrics) server(addr string, s *serverView) {
	out.gauge(backendsDesc, float64(s.opening), addr, backendOpening.String())
	out.gauge(backendsDesc, float64(s.ready), addr, backendReady.String())
	out.gauge(inflightDesc, float64(s.inflight), addr)
	out.gauge(hauntingsDesc, float64(s.hauntings), addr)
	out.counter(dialsDesc, s.dials, addr)
	out.counter(dialErrorsDesc, s.dialErrors, addr)
	out.counter(backendBytesDesc, s.bytesIn, addr, "in")
	out.counter(backendBytesDesc, s.bytesOut, addr, "out")
	for why, n := range s.lost {
		out.counter(lostDesc, n, addr, loss(why).String())
	}
	out.errors(backendErrorsDesc, &s.errors, addr)
	out.histogram(backendLatencyDesc, &s.latencies, addr)
}

// moves is what holds and moving slots cost clients.
func (out metrics) moves(v *view, r *Router) {
	out.counter(heldDesc, v.total.held)
	out.gauge(parkedDesc, float64(v.parked))
	for why, n := range v.total.holdRefused {
		out.counter(holdRefusedDesc, n, holdRefusal(why).String())
	}
	out.histogram(waitDesc, &v.total.waits)
	out.counter(accessesDesc, v.total.accesses)
	out.counter(bigReadsDesc, v.total.bigReads)
	out.counter(bigWaitsDesc, v.total.bigWaits)
	out.gauge(reachingDesc, float64(v.reaching))
	out.histogram(reachDesc, &v.total.reaches)
	r.mu.Lock()
	holds, lasted := len(r.holds.since), r.holds.lasted
	r.mu.Unlock()
	out.gauge(holdsDesc, float64(holds))
	out.histogram(holdDesc, &lasted)
}

// node is what concerns the node as a whole.
func (out metrics) node(r *Router) {
	out.gauge(buildDesc, 1, r.cfg.Version, runtime.Version())
	out.gauge(leaseDesc, max(0, float64(r.cfg.LeaseUntil()-r.cfg.Clock())/1e9))
	ready, _ := r.Ready()
	out.gauge(readyDesc, map[bool]float64{true: 1}[ready])
	var buffers int64
	for i := range r.buffered {
		buffers += r.buffered[i].Load()
	}
	t := r.table.Load()
	out.gauge(buffersDesc, float64(buffers))
	out.gauge(memoryLimitDesc, float64(t.limits.nodeMemory))
	served := 0
	for _, route := range t.slots {
		if route != nil {
			served++
		}
	}
	out.gauge(epochDesc, float64(t.epoch))
	out.gauge(slotsDesc, float64(served))
}
