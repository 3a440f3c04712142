package router

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"codis/router/command"
	"codis/router/resp"
)

// infoTimeout bounds what INFO waits for servers.
const infoTimeout = 2 * time.Second

// infoSections are this node's sections of INFO in Redis's order; what it says of
// the cluster is the text of CODIS.INFO, which follows them.
var infoSections = []struct {
	name  string
	write func(r *Router, ctx context.Context, b *strings.Builder)
}{
	{"server", (*Router).infoServer},
	{"clients", (*Router).infoClients},
	{"memory", (*Router).infoMemory},
	{"stats", (*Router).infoStats},
	{"replication", (*Router).infoReplication},
	{"cpu", (*Router).infoCPU},
	{"cluster", (*Router).infoCluster},
	{"keyspace", (*Router).infoKeyspace},
	{"codis", (*Router).infoCodis},
}

// info answers INFO [section ...].
func (s *session) info(cmd *command.Command, args [][]byte) {
	wanted := make([]string, 0, len(args))
	for _, arg := range args[1:] {
		wanted = append(wanted, strings.ToLower(string(arg)))
	}
	r := s.l.r
	s.park(cmd.Family, func(ctx context.Context) []byte {
		ctx, cancel := context.WithTimeout(ctx, infoTimeout)
		defer cancel()
		return resp.AppendBulkString(nil, r.infoText(ctx, wanted))
	})
}

func (r *Router) infoText(ctx context.Context, wanted []string) string {
	all := len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool {
		return w == "all" || w == "default" || w == "everything"
	})
	var b strings.Builder
	for _, section := range infoSections {
		if !all && !slices.Contains(wanted, section.name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		section.write(r, ctx, &b)
	}
	return b.String()
}

func put(b *strings.Builder, name string, value any) {
	fmt.Fprintf(b, "%s:%v\r\n", name, value)
}

func (r *Router) infoServer(_ context.Context, b *strings.Builder) {
	b.WriteString("# Server\r\n")
	put(b, "redis_version", r.redisVersion())
	put(b, "redis_mode", "standalone")
	put(b, "codis_version", r.cfg.Version)
	put(b, "os", runtime.GOOS+" "+runtime.GOARCH)
	put(b, "arch_bits", strconv.IntSize)
	put(b, "go_version", runtime.Version())
	put(b, "process_id", os.Getpid())
	put(b, "run_id", r.cfg.NodeID)
	put(b, "tcp_port", r.port())
	put(b, "server_time_usec", time.Now().UnixMicro())
	up := time.Since(r.started)
	put(b, "uptime_in_seconds", int64(up.Seconds()))
	put(b, "uptime_in_days", int64(up.Hours()/24))
	put(b, "io_threads_active", len(r.loops))
}

func (r *Router) port() string {
	addr := r.Addr()
	return addr[strings.LastIndexByte(addr, ':')+1:]
}

func (r *Router) infoClients(_ context.Context, b *strings.Builder) {
	b.WriteString("# Clients\r\n")
	put(b, "connected_clients", r.clients.Load())
	put(b, "maxclients", r.maxClients())
	put(b, "blocked_clients", 0)
}

func (r *Router) infoMemory(_ context.Context, b *strings.Builder) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var buffers int64
	for i := range r.buffered {
		buffers += r.buffered[i].Load()
	}
	b.WriteString("# Memory\r\n")
	put(b, "used_memory", m.HeapInuse)
	put(b, "used_memory_human", fmt.Sprintf("%.2fM", float64(m.HeapInuse)/(1<<20)))
	put(b, "used_memory_rss", residentBytes())
	put(b, "client_buffers", buffers)
	put(b, "maxmemory", r.table.Load().limits.nodeMemory)
	put(b, "maxmemory_policy", "noeviction")
}

// residentBytes is the process's resident set; 0 where /proc does not tell.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func (r *Router) infoStats(ctx context.Context, b *strings.Builder) {
	v, err := r.gather(ctx)
	if err != nil {
		return
	}
	total := &v.total
	var requests, failed uint64
	for i := range total.family {
		requests += total.family[i].count
		failed += total.family[i].failed()
	}
	b.WriteString("# Stats\r\n")
	put(b, "total_connections_received", total.accepted)
	put(b, "rejected_connections", r.rejected.Load())
	put(b, "total_commands_processed", requests)
	put(b, "total_error_replies", failed)
	put(b, "total_net_input_bytes", total.bytesIn)
	put(b, "total_net_output_bytes", total.bytesOut)
	put(b, "protocol_errors", total.protocolErrors)
	var servers serverStats
	for _, s := range v.servers {
		servers.add(&s.serverStats)
	}
	var lost uint64
	for _, n := range servers.lost {
		lost += n
	}
	put(b, "backend_connections_received", servers.dials)
	put(b, "backend_connection_errors", servers.dialErrors)
	put(b, "backend_lost_requests", lost)
}

func (r *Router) infoReplication(_ context.Context, b *strings.Builder) {
	b.WriteString("# Replication\r\n")
	put(b, "role", "master")
	put(b, "connected_slaves", 0)
}

func (r *Router) infoCPU(_ context.Context, b *strings.Builder) {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return
	}
	b.WriteString("# CPU\r\n")
	put(b, "used_cpu_sys", fmt.Sprintf("%.6f", time.Duration(use.Stime.Nano()).Seconds()))
	put(b, "used_cpu_user", fmt.Sprintf("%.6f", time.Duration(use.Utime.Nano()).Seconds()))
}

func (r *Router) infoCluster(_ context.Context, b *strings.Builder) {
	b.WriteString("# Cluster\r\n")
	put(b, "cluster_enabled", 0)
}

func (r *Router) infoCodis(ctx context.Context, b *strings.Builder) {
	reply, _, err := resp.ParseReply(r.admin.ServeRESP(ctx, "info", [][]byte{[]byte("CODIS.INFO")}))
	if err == nil && reply.Err() == nil {
		b.Write(reply.Str)
	}
}

// keyspace is one database's line of INFO keyspace.
type keyspace struct{ keys, expires, ttl int64 }

// infoKeyspace sums what the masters that own slots say of their databases.
func (r *Router) infoKeyspace(ctx context.Context, b *strings.Builder) {
	t := r.table.Load()
	texts := make([]string, len(t.owners))
	var wg sync.WaitGroup
	for i, index := range t.owners {
		wg.Go(func() { texts[i] = r.askKeyspace(ctx, t.targets[index]) })
	}
	wg.Wait()
	var dbs [maxDatabases]keyspace
	for _, text := range texts {
		for name, value := range resp.ParseInfo(text) {
			db, err := strconv.Atoi(strings.TrimPrefix(name, "db"))
			if err != nil || db < 0 || db >= maxDatabases {
				continue
			}
			var k keyspace
			if n, _ := fmt.Sscanf(value, "keys=%d,expires=%d,avg_ttl=%d", &k.keys, &k.expires, &k.ttl); n == 3 {
				dbs[db].ttl += k.ttl * k.expires
				dbs[db].keys += k.keys
				dbs[db].expires += k.expires
			}
		}
	}
	b.WriteString("# Keyspace\r\n")
	for db, k := range dbs {
		if k.keys > 0 {
			put(b, "db"+strconv.Itoa(db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d", k.keys, k.expires, k.ttl/max(k.expires, 1)))
		}
	}
}

// askKeyspace asks one server on a connection of its own; a server that is away
// has no keys to show.
func (r *Router) askKeyspace(ctx context.Context, at target) string {
	client, err := r.dialTool(ctx, at, 0)
	if err != nil {
		return ""
	}
	defer client.Close()
	reply, err := client.Do(ctx, "INFO", "keyspace")
	if err != nil {
		return ""
	}
	return reply.Text()
}

// dialTool makes a blocking connection to a server, for what runs on a goroutine.
func (r *Router) dialTool(ctx context.Context, at target, db int) (*resp.Client, error) {
	limits := &r.table.Load().limits
	return resp.Dial(ctx, resp.ClientOptions{
		Addr: at.addr, User: at.user, Password: at.password, DB: db,
		Name: r.connName(), DialTimeout: limits.dialTimeout, Timeout: limits.backendTimeout,
	})
}

// redisVersion is what clients are told: the oldest version among the servers,
// since a client may use no more than that.
func (r *Router) redisVersion() string {
	return r.table.Load().version
}
