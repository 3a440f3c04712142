package failover

// Role is a redis-server's part in replication, as it says itself.
type Role uint8

const (
	// RoleUnknown is the role of a server that has not said it.
	RoleUnknown Role = iota
	// RoleMaster takes writes.
	RoleMaster
	// RoleReplica follows another server.
	RoleReplica
)

func (r Role) String() string {
	switch r {
	case RoleMaster:
		return "master"
	case RoleReplica:
		return "replica"
	default:
		return "unknown"
	}
}
