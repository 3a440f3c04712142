package failover

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// Replication is the replication section of a server's INFO.
type Replication struct {
	Role Role
	// ReplID names the history of writes that Offset counts in bytes: two servers
	// with the same ReplID have the same data up to the smaller Offset.
	ReplID string
	Offset int64
	// ReplID2 names the history that this server had before it was promoted last, or
	// before it followed a promoted one: up to Offset2 its data is of that one too.
	// Empty when there is none.
	ReplID2 string
	Offset2 int64
	// Priority is what the operator has given a replica: the lowest is promoted
	// first, 0 never.
	Priority int
	// IdleFor is how long a replica's link has brought nothing; 0 when it is down.
	IdleFor time.Duration
	// MasterAddr is host:port as the replica was told it; the host may be a name
	// or an address that means nothing elsewhere. Empty on a master.
	MasterAddr string
	// LinkUp says that the replica is connected to its master and past its sync.
	LinkUp bool
	// LinkDownFor is how long the link has been down; 0 when up or not known.
	LinkDownFor time.Duration
	// Syncing says that a full copy is asked for or under way. A replica that its
	// master refuses (wrong masterauth) asks over and over, and says so between
	// its attempts. SyncRead and SyncTotal are the copy's bytes, 0 when the server
	// does not know: a diskless copy has no known size.
	Syncing             bool
	SyncRead, SyncTotal int64
	// Replicas is the number of servers that follow this one.
	Replicas int
}

// parseReplication reads the fields of INFO replication. Missing or strange
// fields give zero values: the bytes come from a socket.
func parseReplication(info map[string]string) Replication {
	r := Replication{
		ReplID:   info["master_replid"],
		Replicas: int(infoInt(info, "connected_slaves")),
	}
	if other := info["master_replid2"]; strings.Trim(other, "0") != "" {
		// The field is the first offset that is not common.
		r.ReplID2, r.Offset2 = other, infoInt(info, "second_repl_offset")-1
	}
	switch info["role"] {
	case "master":
		r.Role = RoleMaster
		r.Offset = infoInt(info, "master_repl_offset")
	case "slave", "replica":
		r.Role = RoleReplica
		// What the replica has applied; its master_repl_offset is about its own feed
		// to replicas below it.
		r.Offset = infoInt(info, "slave_repl_offset")
		r.MasterAddr = net.JoinHostPort(info["master_host"], info["master_port"])
		r.LinkUp = info["master_link_status"] == "up"
		r.Syncing = info["master_sync_in_progress"] == "1"
		r.Priority = 100 // Redis's default, for a server that does not say
		if text, ok := info["slave_priority"]; ok {
			r.Priority, _ = strconv.Atoi(text)
		}
		if !r.LinkUp {
			// -1 means that the link was never up.
			r.LinkDownFor = time.Duration(max(0, infoInt(info, "master_link_down_since_seconds"))) * time.Second
		} else {
			r.IdleFor = time.Duration(max(0, infoInt(info, "master_last_io_seconds_ago"))) * time.Second
		}
		if r.Syncing {
			r.SyncTotal = max(0, infoInt(info, "master_sync_total_bytes"))
			r.SyncRead = max(0, infoInt(info, "master_sync_read_bytes"))
		}
	}
	return r
}

// infoInt is the number in a field, 0 when there is none.
func infoInt(info map[string]string, field string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(info[field]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
