package router

import "github.com/prometheus/client_golang/prometheus"

// The labels of metrics are bounded: families, codes and states are lists in the
// source, servers are those of the table, loops are few.
var (
	byFamily = []string{"family"}
	byServer = []string{"server"}
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("codis_"+name, help, labels, nil)
}

// Requests of clients.
var (
	requestsDesc = describe("requests_total", "Requests of clients, by command family.", byFamily...)
	errorsDesc   = describe("request_errors_total",
		"Requests that were answered with an error, by command family and first word of the error.", "family", "code")
	latencyDesc = describe("request_seconds",
		"Time until the reply is known, waiting for holds included, by command family.", byFamily...)
	protocolDesc  = describe("protocol_errors_total", "Clients closed for bytes that are no request.")
	leaseLostDesc = describe("lease_lost_requests_total", "Requests whose lease ran out before their reply.")
	slowLogDesc   = describe("slowlog_entries", "Slow requests that SLOWLOG GET shows.")
)

// Clients.
var (
	clientsDesc = describe("clients",
		"Connected clients: idle, waiting for servers, held by a move or a failover, or not reading (unread).", "state")
	maxClientsDesc = describe("maxclients", "Clients that this node takes.")
	acceptedDesc   = describe("client_connections_total", "Client connections served since the start.")
	rejectedDesc   = describe("client_connections_rejected_total", "Client connections turned away, over maxclients.")
	bytesDesc      = describe("client_bytes_total", "Bytes from and to clients.", "direction")
)

// Servers, as this node's event loops use them.
var (
	backendsDesc       = describe("backend_connections", "Connections to servers, by server and state.", "server", "state")
	inflightDesc       = describe("backend_inflight", "Requests that servers owe replies to, by server.", byServer...)
	dialsDesc          = describe("backend_dials_total", "Connections to servers that were tried.", byServer...)
	dialErrorsDesc     = describe("backend_dial_errors_total", "Connections to servers that could not be made.", byServer...)
	backendBytesDesc   = describe("backend_bytes_total", "Bytes from (in) and to (out) servers.", "server", "direction")
	backendLatencyDesc = describe("backend_request_seconds",
		"Time from dispatch to a server's reply, parts of split requests and moves of keys included, by server.", byServer...)
	backendErrorsDesc = describe("backend_request_errors_total", "Error replies of servers, by first word.", "server", "code")
	lostDesc          = describe("backend_lost_requests_total",
		"Requests without a reply of their server: connection closed, timeout, garbage, or never sent.", "server", "reason")
	hauntingsDesc = describe("backend_unsettled_connections",
		"Connections given up whose requests the server may still run; slots can't leave it meanwhile.", byServer...)
)

// Holds and moving slots.
var (
	heldDesc        = describe("held_requests_total", "Requests that waited because their slot was on hold.")
	parkedDesc      = describe("held_requests", "Requests that wait now for the end of a hold or a newer table.")
	holdRefusedDesc = describe("hold_refused_requests_total", "Requests for slots on hold that got -TRYAGAIN, by why.", "reason")
	waitDesc        = describe("request_wait_seconds", "How long requests waited that could not be dispatched at once.")
	holdsDesc       = describe("holds", "Holds of slots and groups that this node knows of now.")
	holdDesc        = describe("hold_seconds", "How long holds of slots and groups lasted that are over.")
	bigReadsDesc    = describe("big_key_reads_total", "Reads of big keys of moving slots that were answered by the group that they leave.")
	bigWaitsDesc    = describe("big_key_waits_total", "Requests that waited for a big key to be moved.")
	accessesDesc    = describe("moved_on_access_total", "Keys of moving slots that were moved because a client asked for them.")
	reachingDesc    = describe("keys_moving_on_access", "Keys that are being moved because a client asked for them.")
	reachDesc       = describe("move_on_access_seconds", "How long it took to move a key that a client asked for, or to find it moved.")
)

// The node.
var (
	buildDesc       = describe("build_info", "1, with the versions of codis and Go.", "version", "go_version")
	readyDesc       = describe("ready", "1 when /readyz says that this node serves.")
	leaseDesc       = describe("lease_seconds", "How long this node may still serve, 0 without a lease.")
	buffersDesc     = describe("buffer_bytes", "Bytes held in buffers for clients and servers.")
	memoryLimitDesc = describe("buffer_limit_bytes", "The setting node-memory-limit; 0 without a limit.")
	delayDesc       = describe("loop_delay_seconds", "How late the ticks of an event loop ran, ten a second.", "loop")
	roundDesc       = describe("loop_round_seconds", "How long rounds of an event loop took; one in seven is measured.", "loop")
	epochDesc       = describe("table_epoch", "Epoch of the slot table that is served.")
	slotsDesc       = describe("slots_served", "Slots that have a group and are not on their way, out of 1024.")
)
