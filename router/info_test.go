package router

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"codis/router/resp"
)

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// infoAdmin answers CODIS.INFO as the admin package does: with text.
type infoAdmin struct{}

func (infoAdmin) ServeRESP(_ context.Context, _ string, args [][]byte) []byte {
	return resp.AppendBulkString(nil, "# Codis\r\ncluster_id:c1\r\nleader:n1\r\n")
}

func (a infoAdmin) ServeReadOnly(ctx context.Context, caller string, args [][]byte) []byte {
	return a.ServeRESP(ctx, caller, args)
}

// infoKeys are the fields that redis_exporter and dashboards made for it read.
var infoKeys = map[string][]string{
	"Server":      {"redis_version", "redis_mode", "os", "process_id", "run_id", "tcp_port", "uptime_in_seconds", "uptime_in_days"},
	"Clients":     {"connected_clients", "blocked_clients", "maxclients"},
	"Memory":      {"used_memory", "used_memory_rss", "maxmemory", "maxmemory_policy"},
	"Stats":       {"total_connections_received", "total_commands_processed", "total_net_input_bytes", "total_net_output_bytes", "rejected_connections"},
	"Replication": {"role", "connected_slaves"},
	"CPU":         {"used_cpu_sys", "used_cpu_user"},
	"Cluster":     {"cluster_enabled"},
	"Keyspace":    {"db0"},
}

// parseSections reads INFO line by line as redis_exporter does: sections begin
// with "# ", all other lines are empty or name:value.
func parseSections(tb testing.TB, text string) map[string]map[string]string {
	tb.Helper()
	sections := make(map[string]map[string]string)
	var section map[string]string
	for line := range strings.SplitSeq(text, "\r\n") {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			if sections[title] != nil {
				tb.Errorf("section %s comes twice", title)
			}
			section = make(map[string]string)
			sections[title] = section
			continue
		}
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || section == nil || strings.ContainsAny(line, "\r\n") {
			tb.Errorf("line %q", line)
			continue
		}
		if _, twice := section[name]; twice {
			tb.Errorf("%s comes twice", name)
		}
		section[name] = value
	}
	return sections
}

func TestInfoSections(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{Version: "1.2.3"})
	r.admin = infoAdmin{} // before any client is there
	w := dialWire(t, r)
	w.wantReply("+OK\r\n", "MSET", "a", "1", "b", "2", "c", "3", "d", "4")
	all := parseSections(t, bulkText(t, w.do("INFO")))
	for title, names := range infoKeys {
		for _, name := range names {
			if all[title][name] == "" {
				t.Errorf("%s: no %s in %v", title, name, all[title])
			}
		}
		one := parseSections(t, bulkText(t, w.do("INFO", strings.ToLower(title))))
		if len(one) != 1 || one[title] == nil {
			t.Errorf("INFO %s: sections %v", title, one)
		}
	}
	if all["Server"]["redis_version"] != "7.0.15" || all["Server"]["codis_version"] != "1.2.3" || all["Codis"]["leader"] != "n1" {
		t.Errorf("got %v %v", all["Server"], all["Codis"])
	}
	if addr := r.Addr(); !strings.HasSuffix(addr, ":"+all["Server"]["tcp_port"]) {
		t.Errorf("tcp_port %s, listening on %s", all["Server"]["tcp_port"], addr)
	}
	for _, words := range [][]string{{"INFO", "all"}, {"INFO", "everything"}, {"INFO", "default"}, {"INFO", "server", "all"}} {
		if got := parseSections(t, bulkText(t, w.do(words...))); len(got) != len(all) {
			t.Errorf("%q: %d sections, want %d", words, len(got), len(all))
		}
	}
	if got := parseSections(t, bulkText(t, w.do("INFO", "CPU", "nosuch", "Clients"))); len(got) != 2 {
		t.Errorf("two sections: got %v", got)
	}
	if got := bulkText(t, w.do("INFO", "nosuch")); got != "" {
		t.Errorf("an unknown section: got %q", got)
	}
	for _, c := range []struct{ section, name, want string }{
		{"Clients", "connected_clients", "1"}, {"Cluster", "cluster_enabled", "0"}, {"Replication", "role", "master"},
	} {
		if got := all[c.section][c.name]; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// keyspaceLine is the pattern of redis_exporter.
var keyspaceLine = regexp.MustCompile(`^keys=(\d+),expires=(\d+),avg_ttl=(\d+)$`)

// TestInfoKeyspace compares the sums with what was written.
func TestInfoKeyspace(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 3, Config{})
	w := dialWire(t, r)
	if got := parseSections(t, bulkText(t, w.do("INFO", "keyspace"))); len(got["Keyspace"]) != 0 {
		t.Errorf("empty: %v", got)
	}
	want := map[int][2]int{0: {50, 10}, 3: {20, 0}, 15: {7, 7}}
	for db, n := range want {
		w.wantReply("+OK\r\n", "SELECT", strconv.Itoa(db))
		for i := range n[0] {
			words := []string{"SET", fmt.Sprintf("key%d", i), "v"}
			if i < n[1] {
				words = append(words, "EX", "1000")
			}
			w.wantReply("+OK\r\n", words...)
		}
	}
	got := parseSections(t, bulkText(t, w.do("INFO", "KEYSPACE")))["Keyspace"]
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for db, n := range want {
		m := keyspaceLine.FindStringSubmatch(got[fmt.Sprintf("db%d", db)])
		if m == nil || m[1] != strconv.Itoa(n[0]) || m[2] != strconv.Itoa(n[1]) {
			t.Errorf("db%d: got %q, want %v", db, got[fmt.Sprintf("db%d", db)], n)
			continue
		}
		// Each server estimates the average now and then, beginning with 0.
		if ttl, _ := strconv.Atoi(m[3]); ttl > 1000_000 || ttl > 0 && n[1] == 0 {
			t.Errorf("db%d: average ttl %d ms", db, ttl)
		}
		w.wantReply("+OK\r\n", "SELECT", strconv.Itoa(db))
		w.wantReply(fmt.Sprintf(":%d\r\n", n[0]), "DBSIZE")
	}
	servers[0].Kill() // INFO goes on with the others
	if got := parseSections(t, bulkText(t, w.do("INFO"))); got["Server"] == nil || got["Keyspace"] == nil {
		t.Errorf("one server away: %v", got)
	}
}

// TestInfoOfTools asks as go-redis and as tools do.
func TestInfoOfTools(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 2, Config{})
	ctx := t.Context()
	c := redis.NewClient(&redis.Options{Addr: r.Addr()})
	defer c.Close()
	if err := c.Set(ctx, "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	info, err := c.InfoMap(ctx).Result()
	if err != nil || info["Server"]["redis_version"] != "7.0.15" || info["Keyspace"]["db0"] == "" {
		t.Errorf("InfoMap: %v, %v", info, err)
	}
	config, err := c.ConfigGet(ctx, "*").Result()
	if err != nil || config["maxclients"] != "10000" || config["databases"] != "16" || config["cluster-enabled"] != "no" {
		t.Errorf("ConfigGet: %v, %v", config, err)
	}
	for pattern, want := range map[string]int{"max*": 3, "MAXCLIENTS": 1, "nosuch": 0, "time???": 1, "[dp]atabases": 1, "[": 0} {
		if got, err := c.ConfigGet(ctx, pattern).Result(); err != nil || len(got) != want {
			t.Errorf("CONFIG GET %s: %v, %v, want %d", pattern, got, err, want)
		}
	}
	if got, err := c.Do(ctx, "CONFIG", "GET", "port", "max*", "maxclients").Slice(); err != nil || len(got) != 8 {
		t.Errorf("CONFIG GET of three patterns: %v, %v", got, err)
	}
	if n, err := c.DBSize(ctx).Result(); err != nil || n != 1 {
		t.Errorf("DBSIZE: %d, %v", n, err)
	}
	if keys, err := c.Command(ctx).Result(); err != nil || keys["get"] == nil || keys["get"].FirstKeyPos != 1 {
		t.Errorf("COMMAND: %v", err)
	}
	// These are asked at connect by GUIs; an error must leave the connection alone.
	pinned := c.Conn()
	defer pinned.Close()
	for _, words := range [][]any{{"LATENCY", "LATEST"}, {"MODULE", "LIST"}, {"ACL", "WHOAMI"}, {"CLUSTER", "INFO"}, {"MEMORY", "STATS"}} {
		if err := pinned.Do(ctx, words...).Err(); err == nil || !strings.HasPrefix(err.Error(), "ERR ") {
			t.Errorf("%v: %v", words, err)
		}
	}
	if err := pinned.Ping(ctx).Err(); err != nil {
		t.Error(err)
	}
}
