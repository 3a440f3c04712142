package router

import (
	"fmt"
	"net"
	"slices"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
)

// Health is what the router needs to know of a server to read from it.
type Health struct {
	// Usable says that the server answers, is not loading and, when it is a
	// replica, that its link to the master is up and no full sync is under way.
	Usable bool
	// LagBytes is how far a replica is behind its master's offset.
	LagBytes int64
}

// readFrom says which servers of a group answer read-only commands.
type readFrom uint8

const (
	readDefault readFrom = iota // a session that follows the cluster's setting
	readMaster
	readReplica
	readNearest
)

// target is one server as requests are sent to it.
type target struct {
	group          int
	addr           string
	user, password string
}

// route is where the requests of one group go. Indexes are into table.targets.
type route struct {
	group  int
	master int
	// replicas are those that may be read from now; nearest are the best of all
	// members: on this host, else in this zone, else any.
	replicas, nearest []int
}

// table is the immutable routing table that every loop adopts: the topology and
// the health of the servers, folded into what one request needs to look up.
type table struct {
	epoch uint64
	// slots holds the route of each slot that is served in the plain way; moving
	// those on hold or on their way. A slot in neither is unassigned.
	slots  [topology.SlotCount]*route
	moving map[int]moving
	// fenced says that a move is under way or not cleaned up: there are reserved keys.
	fenced bool
	// turning are the groups that are getting another master.
	turning []int
	// targets are all servers, roles what each of them is.
	targets []target
	roles   []role
	runIDs  []string // as the table knows them, may be empty
	// masters are the masters of all groups, owners of those that own slots.
	masters, owners []int
	readFrom        readFrom
	limits          limits
	// version is the oldest redis_version among the servers.
	version string
}

// limits are the settings that the data plane reads, parsed once per table.
type limits struct {
	flush, dumpRestore bool
	backendTimeout     time.Duration
	dialTimeout        time.Duration
	drainDelay         time.Duration
	durableReplicas    int
	durableTimeout     time.Duration
	holdDeadline       time.Duration
	holdRequests       int
	holdBytes          int64
	// moveCache is how many keys a loop remembers to have moved, over all slots.
	moveCache int
	// big are the limits of keys that move on access, bigWait how long writes wait for
	// larger ones.
	big                fence.Limits
	bigWait            time.Duration
	quorumLoss         quorumLoss
	maxClients         int
	idleTimeout        time.Duration
	keepAlive          time.Duration
	maxBulk, maxInline int
	maxArgs            int
	queryBuffer        int64
	outputBuffer       int64
	nodeMemory         int64
	// slowerThan is in ns; noSlowLog when it is off.
	slowerThan int64
	slowLogLen int
}

// place is where this node runs, for reads from the nearest.
type place struct {
	host, zone string
}

func newTable(s *topology.State, health map[string]Health, here place) *table {
	t := &table{
		epoch:    s.Epoch,
		readFrom: parseReadFrom(s.Settings.Text("read-from")),
		limits:   newLimits(s.Settings),
	}
	t.version = oldestVersion(s)
	auth := topology.Credentials{
		User:     s.Settings.Text("backend-user"),
		Password: s.Settings.Text("backend-password"),
	}
	maxLag := s.Settings.Bytes("replica-max-lag")
	routes := make(map[int]*route, len(s.Groups))
	for _, id := range sortedGroups(s) {
		group := s.Groups[id]
		own := auth
		if group.Auth != nil {
			own = *group.Auth
		}
		routes[id] = t.addGroup(group, own, health, maxLag, here)
		if group.Turn != nil {
			t.turning = append(t.turning, id)
		}
	}
	owning := make(map[int]bool, len(routes))
	own := func(group int) {
		if !owning[group] {
			owning[group] = true
			t.owners = append(t.owners, routes[group].master)
		}
	}
	for i, slot := range s.Slots {
		r := routes[slot.Group]
		if r == nil {
			continue
		}
		own(slot.Group)
		held := heldBy(s, slot)
		if slot.Phase == topology.PhaseServing && held == 0 {
			t.slots[i] = r
			continue
		}
		if t.moving == nil {
			t.moving = make(map[int]moving)
		}
		m := moving{phase: slot.Phase, epoch: slot.Epoch, held: held, from: r, to: r}
		if slot.Phase != topology.PhaseServing {
			t.fenced = true
			m.to, m.reverse = routes[slot.Target], slot.Reverse
			m.turned = max(s.Groups[slot.Group].Turned, s.Groups[slot.Target].Turned)
			own(slot.Target)
		}
		t.moving[i] = m
	}
	slices.Sort(t.owners)
	for _, job := range s.Jobs {
		t.fenced = t.fenced || len(job.Batches) > 0
	}
	return t
}

// unknownVersion is what clients are told while no server is attached.
const unknownVersion = "0.0.0"

func oldestVersion(s *topology.State) string {
	oldest, least := unknownVersion, [3]int{}
	for _, g := range s.Groups {
		for _, server := range g.Servers {
			var v [3]int
			if n, _ := fmt.Sscanf(server.Version, "%d.%d.%d", &v[0], &v[1], &v[2]); n == 0 {
				continue
			}
			if oldest == unknownVersion || slices.Compare(v[:], least[:]) < 0 {
				oldest, least = server.Version, v
			}
		}
	}
	return oldest
}

func sortedGroups(s *topology.State) []int {
	ids := make([]int, 0, len(s.Groups))
	for id := range s.Groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (t *table) addGroup(g topology.Group, auth topology.Credentials, health map[string]Health, maxLag int64, here place) *route {
	r := &route{group: g.ID, master: -1}
	best := 0
	for _, server := range g.Servers {
		index := len(t.targets)
		t.targets = append(t.targets, target{group: g.ID, addr: server.Addr, user: auth.User, password: auth.Password})
		t.roles = append(t.roles, roleOf(g, server.Addr))
		t.runIDs = append(t.runIDs, server.RunID)
		seen := health[server.Addr]
		if server.Addr == g.Master {
			r.master = index
			t.masters = append(t.masters, index)
		} else {
			if !seen.Usable || seen.LagBytes > maxLag {
				continue
			}
			r.replicas = append(r.replicas, index)
		}
		switch score := here.score(server); {
		case score > best:
			best = score
			r.nearest = []int{index}
		case score == best:
			r.nearest = append(r.nearest, index)
		}
	}
	return r
}

// score ranks a server by how near it is: 2 on this host, 1 in this zone, 0 else.
func (p place) score(server topology.Server) int {
	if host, _, err := net.SplitHostPort(server.Addr); err == nil && host == p.host {
		return 2
	}
	if p.zone != "" && server.Zone == p.zone {
		return 1
	}
	return 0
}

func parseReadFrom(text string) readFrom {
	switch text {
	case "replica":
		return readReplica
	case "nearest":
		return readNearest
	default:
		return readMaster
	}
}

// slowerThan is noSlowLog for 0, as the setting has it.
func slowerThan(d time.Duration) int64 {
	if d == 0 {
		return noSlowLog
	}
	return int64(d)
}

func newLimits(s topology.Settings) limits {
	return limits{
		flush:          s.Bool("flush-commands"),
		dumpRestore:    s.Bool("dump-restore"),
		backendTimeout: s.Duration("backend-timeout"),
		dialTimeout:    s.Duration("backend-dial-timeout"),
		drainDelay:     s.Duration("drain-delay"),

		durableReplicas: s.Int("durability-replicas"),
		durableTimeout:  s.Duration("durability-timeout"),

		holdDeadline: s.Duration("hold-deadline"),
		holdRequests: s.Int("hold-max-requests"),
		holdBytes:    s.Bytes("hold-max-bytes"),
		moveCache:    s.Int("move-cache"),
		big:          fence.Limits{Bytes: s.Bytes("migrate-big-bytes"), Elements: int64(s.Int("migrate-big-elements"))},
		bigWait:      s.Duration("migrate-big-wait"),
		quorumLoss:   parseQuorumLoss(s.Text("on-quorum-loss")),
		maxClients:   s.Int("maxclients"),
		idleTimeout:  s.Duration("timeout"),
		keepAlive:    s.Duration("tcp-keepalive"),
		maxBulk:      int(s.Bytes("proto-max-bulk-len")),
		maxInline:    int(s.Bytes("proto-inline-max-size")),
		maxArgs:      s.Int("max-args"),
		queryBuffer:  s.Bytes("client-query-buffer-limit"),
		outputBuffer: s.Bytes("client-output-buffer-limit"),
		nodeMemory:   s.Bytes("node-memory-limit"),
		slowerThan:   slowerThan(s.Duration("slowlog-log-slower-than")),
		slowLogLen:   s.Int("slowlog-max-len"),
	}
}
