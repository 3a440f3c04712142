package failover

import (
	"fmt"
	"strconv"
	"strings"
)

// MinVersion is the oldest redis-server that may be attached: 5.0 has RESTORE
// ABSTTL, UNLINK, REPLICAOF, PSYNC2's second replication ID and scripts that
// replicate by effect; everything newer has a fallback.
var MinVersion = Version{Major: 5}

// Version is a redis_version (or valkey_version). The zero value is unknown.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads as much of "7.0.15" as there is; junk after the numbers
// ("255.255.255-dev", "8.0.0~rc1") is ignored. ok is false without a major number.
func ParseVersion(s string) (v Version, ok bool) {
	parts := []*int{&v.Major, &v.Minor, &v.Patch}
	for i, word := range strings.SplitN(s, ".", len(parts)) {
		end := 0
		for end < len(word) && word[end] >= '0' && word[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(word[:end])
		if err != nil {
			break
		}
		*parts[i], ok = n, true
		if end < len(word) {
			break
		}
	}
	return v, ok
}

// Less says whether v is older than w.
func (v Version) Less(w Version) bool {
	if v.Major != w.Major {
		return v.Major < w.Major
	}
	if v.Minor != w.Minor {
		return v.Minor < w.Minor
	}
	return v.Patch < w.Patch
}

// sameSeries says whether the two differ in the patch number at most: Redis
// keeps its file formats within a series.
func (v Version) sameSeries(w Version) bool { return v.Major == w.Major && v.Minor == w.Minor }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }
