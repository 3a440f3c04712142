package failover

import (
	"strconv"
	"strings"
	"time"
)

// Facts is what a server said about itself at one moment.
type Facts struct {
	// Addr is where it was asked.
	Addr string
	// Product is "redis", or the first part of another server's own version field
	// ("valkey" for valkey_version).
	Product string
	// Version is redis_version: what the server is compatible with. Valkey says
	// 7.2.4 there for ever and its own version in ProductVersion.
	Version, ProductVersion string
	// RunID changes with each start of the process.
	RunID string
	Replication
	// MasterRunID and MasterRole are what the server at MasterAddr said when it was
	// asked from here; empty when that address could not be asked.
	MasterRunID string
	MasterRole  Role
	// Loading says that it reads its data from disk: Keys are not complete.
	Loading        bool
	ClusterEnabled bool
	// Databases is the databases setting; 0 when CONFIG GET is not allowed.
	Databases int
	// Keys is the number of keys by database; databases without keys are absent.
	Keys map[int]int64
	// ClockSkew is its clock minus ours, give or take half a round trip.
	// ClockKnown is false for servers before 6.2, whose INFO has no clock.
	ClockSkew  time.Duration
	ClockKnown bool
}

// TotalKeys is the number of keys in all databases.
func (f Facts) TotalKeys() int64 {
	var n int64
	for _, keys := range f.Keys {
		n += keys
	}
	return n
}

// VersionText is the version for people: "7.0.15", "valkey 8.0.1 (redis 7.2.4)".
func (f Facts) VersionText() string {
	if f.ProductVersion == "" {
		return f.Version
	}
	return f.Product + " " + f.ProductVersion + " (redis " + f.Version + ")"
}

// parseFacts reads the fields of INFO. Bytes from a socket: nothing in them is
// trusted, what is missing stays zero.
func parseFacts(addr string, info map[string]string) Facts {
	f := Facts{
		Addr: addr, Product: "redis", Version: info["redis_version"], RunID: info["run_id"],
		Replication:    parseReplication(info),
		Loading:        info["loading"] == "1",
		ClusterEnabled: info["cluster_enabled"] == "1" || info["redis_mode"] == "cluster",
		Keys:           parseKeyspace(info),
	}
	for _, product := range []string{"valkey", "dragonfly", "kvrocks"} {
		if v := info[product+"_version"]; v != "" {
			f.Product, f.ProductVersion = product, v
		}
	}
	return f
}

// parseKeyspace reads fields such as db0:keys=1,expires=0,avg_ttl=0.
func parseKeyspace(info map[string]string) map[int]int64 {
	keys := map[int]int64{}
	for field, value := range info {
		number, isDB := strings.CutPrefix(field, "db")
		db, err := strconv.Atoi(number)
		if !isDB || err != nil || db < 0 {
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			if count, ok := strings.CutPrefix(part, "keys="); ok {
				if n, err := strconv.ParseInt(count, 10, 64); err == nil && n > 0 {
					keys[db] = n
				}
			}
		}
	}
	return keys
}
