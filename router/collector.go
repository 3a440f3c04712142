package router

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"codis/router/command"
)

// scrapeTimeout bounds how long a scrape waits for the loops' figures.
const scrapeTimeout = 2 * time.Second

var (
	requestsDesc = prometheus.NewDesc("codis_requests_total",
		"Requests of clients, by command family.", []string{"family"}, nil)
	errorsDesc = prometheus.NewDesc("codis_request_errors_total",
		"Requests that were answered with an error, by command family and the first word of the error.", []string{"family", "code"}, nil)
	latencyDesc = prometheus.NewDesc("codis_request_seconds",
		"Time from dispatch to reply, by command family.", []string{"family"}, nil)
	clientsDesc = prometheus.NewDesc("codis_clients",
		"Connected clients.", nil, nil)
	acceptedDesc = prometheus.NewDesc("codis_client_connections_total",
		"Client connections served since the start.", nil, nil)
	rejectedDesc = prometheus.NewDesc("codis_client_connections_rejected_total",
		"Client connections turned away, over maxclients.", nil, nil)
	bytesDesc = prometheus.NewDesc("codis_client_bytes_total",
		"Bytes from and to clients.", []string{"direction"}, nil)
	protocolDesc = prometheus.NewDesc("codis_protocol_errors_total",
		"Clients closed for bytes that are no request.", nil, nil)
	dialsDesc = prometheus.NewDesc("codis_backend_dials_total",
		"Connections to servers that were tried.", nil, nil)
	dialErrorsDesc = prometheus.NewDesc("codis_backend_dial_errors_total",
		"Connections to servers that could not be made.", nil, nil)
	lostDesc = prometheus.NewDesc("codis_backend_lost_requests_total",
		"Requests whose server connection broke before the reply.", nil, nil)
	heldDesc = prometheus.NewDesc("codis_held_requests_total",
		"Requests that waited because their slot was on hold.", nil, nil)
	accessesDesc = prometheus.NewDesc("codis_moved_on_access_total",
		"Keys of moving slots that were moved because a client asked for them.", nil, nil)
	leaseLostDesc = prometheus.NewDesc("codis_lease_lost_requests_total",
		"Requests whose lease ran out before their reply.", nil, nil)
	leaseDesc = prometheus.NewDesc("codis_lease_seconds",
		"How long this node may still serve, 0 without a lease.", nil, nil)
	backendsDesc = prometheus.NewDesc("codis_backend_connections",
		"Connections to servers, by server.", []string{"server"}, nil)
	inflightDesc = prometheus.NewDesc("codis_backend_inflight",
		"Requests that servers owe replies to, by server.", []string{"server"}, nil)
	buffersDesc = prometheus.NewDesc("codis_buffer_bytes",
		"Bytes held in buffers for clients and servers.", nil, nil)
	lagDesc = prometheus.NewDesc("codis_loop_lag_seconds",
		"How late the last tick of the slowest event loop ran.", nil, nil)
	epochDesc = prometheus.NewDesc("codis_table_epoch",
		"Epoch of the slot table that is served.", nil, nil)
	slotsDesc = prometheus.NewDesc("codis_slots_served",
		"Slots that have a group, out of 1024.", nil, nil)
)

// Collector returns the router's metrics. A scrape asks each loop for a copy of
// its figures; nothing is counted with locks or atomics on the way of requests.
func (r *Router) Collector() prometheus.Collector { return collector{r} }

type collector struct{ r *Router }

// Describe sends no descriptor: which families and servers there are is only
// known at scrape time.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// serverStats are the gauges of one server over all loops.
type serverStats struct{ connections, inflight int }

// gather sums the figures of all loops.
func (r *Router) gather(ctx context.Context) (loopStats, error) {
	var total loopStats
	err := r.eachLoop(ctx, func(l *loop) { total.add(&l.stats) })
	return total, err
}

func (r *Router) gatherServers(ctx context.Context) (map[string]serverStats, error) {
	servers := make(map[string]serverStats)
	err := r.eachLoop(ctx, func(l *loop) {
		for _, s := range l.servers {
			seen := servers[s.addr]
			for _, b := range s.conns {
				if b != nil {
					seen.connections++
					seen.inflight += b.fifo.len()
				}
			}
			servers[s.addr] = seen
		}
	})
	return servers, err
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	total, err := c.r.gather(ctx)
	if err != nil {
		return // the loops have ended
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for i := range total.family {
		f := &total.family[i]
		if f.count == 0 {
			continue
		}
		name := command.Family(i).String()
		counter(requestsDesc, float64(f.count), name)
		for code, n := range f.errors {
			if n > 0 {
				counter(errorsDesc, float64(n), name, errorCodes[code])
			}
		}
		out <- f.histogram(latencyDesc, name)
	}
	gauge(clientsDesc, float64(c.r.clients.Load()))
	counter(acceptedDesc, float64(total.accepted))
	counter(rejectedDesc, float64(c.r.rejected.Load()))
	counter(bytesDesc, float64(total.bytesIn), "in")
	counter(bytesDesc, float64(total.bytesOut), "out")
	counter(protocolDesc, float64(total.protocolErrors))
	counter(dialsDesc, float64(total.dials))
	counter(dialErrorsDesc, float64(total.dialErrors))
	counter(lostDesc, float64(total.lost))
	counter(heldDesc, float64(total.held))
	counter(accessesDesc, float64(total.accesses))
	counter(leaseLostDesc, float64(total.leaseLost))
	gauge(leaseDesc, max(0, float64(c.r.cfg.LeaseUntil()-c.r.cfg.Clock())/1e9))
	servers, _ := c.r.gatherServers(ctx)
	for addr, s := range servers {
		gauge(backendsDesc, float64(s.connections), addr)
		gauge(inflightDesc, float64(s.inflight), addr)
	}
	var buffers int64
	for i := range c.r.buffered {
		buffers += c.r.buffered[i].Load()
	}
	gauge(buffersDesc, float64(buffers))
	gauge(lagDesc, float64(total.lag)/1e9)
	t := c.r.table.Load()
	served := 0
	for _, route := range t.slots {
		if route != nil {
			served++
		}
	}
	gauge(epochDesc, float64(t.epoch))
	gauge(slotsDesc, float64(served))
}

// histogram shows latencies in Prometheus's cumulative buckets, whose bounds are
// powers of two.
func (h *latencies) histogram(d *prometheus.Desc, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, latencyBounds)
	var sum uint64
	for i := range latencyBounds {
		for _, n := range h.steps[i*stepsPerBound : (i+1)*stepsPerBound] {
			sum += n
		}
		buckets[float64(uint64(1)<<(firstBoundBits+i))/1e9] = sum
	}
	return prometheus.MustNewConstHistogram(d, h.count, float64(h.nanos)/1e9, buckets, labels...)
}
