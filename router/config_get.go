package router

import (
	"path"
	"strconv"
	"strings"

	"codis/router/resp"
)

// configGet answers CONFIG GET pattern [pattern ...] with those of Redis's
// parameters that mean something here; clients and tools ask for them.
func (r *Router) configGet(patterns [][]byte) []byte {
	limits := &r.table.Load().limits
	output := strconv.FormatInt(limits.outputBuffer, 10)
	parameters := [][2]string{
		{"appendonly", "no"},
		{"bind", r.cfg.Addr},
		{"client-output-buffer-limit", "normal " + output + " 0 0"},
		{"client-query-buffer-limit", strconv.FormatInt(limits.queryBuffer, 10)},
		{"cluster-enabled", "no"},
		{"databases", strconv.Itoa(maxDatabases)},
		{"maxclients", strconv.Itoa(r.maxClients())},
		{"maxmemory", strconv.FormatInt(limits.nodeMemory, 10)},
		{"maxmemory-policy", "noeviction"},
		{"notify-keyspace-events", ""},
		{"port", r.port()},
		{"proto-max-bulk-len", strconv.Itoa(limits.maxBulk)},
		{"save", ""},
		{"slowlog-log-slower-than", slowLogParameter(limits.slowerThan)},
		{"slowlog-max-len", strconv.Itoa(limits.slowLogLen)},
		{"tcp-keepalive", strconv.Itoa(int(limits.keepAlive.Seconds()))},
		{"timeout", strconv.Itoa(int(limits.idleTimeout.Seconds()))},
		{"unixsocket", r.cfg.Unix},
	}
	var found []string
	for _, p := range parameters {
		for _, pattern := range patterns {
			if ok, err := path.Match(strings.ToLower(string(pattern)), p[0]); err == nil && ok {
				found = append(found, p[0], p[1])
				break
			}
		}
	}
	b := resp.AppendArray(nil, len(found))
	for _, text := range found {
		b = resp.AppendBulkString(b, text)
	}
	return b
}

// slowLogParameter is a threshold in Redis's words: microseconds, -1 for none.
func slowLogParameter(slowerThan int64) string {
	if slowerThan == noSlowLog {
		return "-1"
	}
	return strconv.FormatInt(slowerThan/1000, 10)
}
