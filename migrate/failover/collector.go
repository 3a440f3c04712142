package failover

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"codis/raftstore/topology"
)

var (
	ofServer = []string{"server", "group"}
	ofGroup  = []string{"group"}
)

func describe(name, help string, labels []string) *prometheus.Desc {
	return prometheus.NewDesc("codis_"+name, help, labels, nil)
}

// Servers, as this node's probes see them.
var (
	serverUpDesc     = describe("server_up", "1 when the server answers this node and serves what its role lets it serve.", ofServer)
	serverDownDesc   = describe("server_down", "1 when this node holds the server for down: no answer for several probes.", ofServer)
	serverMasterDesc = describe("server_master", "1 when the table names the server as its group's master.", ofServer)
	roleWrongDesc    = describe("server_role_wrong", "1 when the server answers and its role is not what the table says.", ofServer)
	silentDesc       = describe("server_silent_seconds", "Time since the server last answered this node; none before the first answer.", ofServer)
	probeDesc        = describe("server_probe_seconds", "How long the last answered probe took.", ofServer)
	linkDesc         = describe("server_link_up", "1 when the replica is connected to its master and past its sync.", ofServer)
	keysDesc         = describe("server_keys", "Keys of the server, in all databases; none while not known.", ofServer)
	memoryDesc       = describe("server_memory_bytes", "What the server uses; none while not known.", ofServer)
	maxMemoryDesc    = describe("server_memory_limit_bytes", "The server's maxmemory; 0 without a limit.", ofServer)
	persistentDesc   = describe("server_persistent", "1 when the server writes a log or snapshots to its disk, 0 when it starts empty after a crash; none while not known.", ofServer)
	lagDesc          = describe("server_lag_bytes", "How far the replica is behind its master, in bytes of the replication stream; none while that can't be told.", ofServer)
)

// Groups, by the table and the probes.
var (
	groupMasterDesc   = describe("group_master_up", "1 when the group's master answers this node.", ofGroup)
	groupReplicasDesc = describe("group_replicas_in_sync", "Replicas that answer and are connected to the group's master.", ofGroup)
	groupPossibleDesc = describe("group_failover_possible", "1 when a replica would be promoted if the group's master died now, as this node sees it.", ofGroup)
	groupSlotsDesc    = describe("group_slots", "Slots that the group owns.", ofGroup)
	groupTurnDesc     = describe("group_turn_seconds", "How long a change of the group's master has been under way; 0 when there is none.", ofGroup)
	groupTurnedDesc   = describe("group_turned_epoch", "Epoch of the last change of the group's master; 0 for never.", ofGroup)
	groupFailedDesc   = describe("group_last_failover_timestamp_seconds", "When the group's last failover ended that nobody asked for; 0 for never.", ofGroup)
	groupForksDesc    = describe("group_unmeasured_losses", "Former masters whose write loss is not known yet: they have not come back.", ofGroup)
)

// NewCollector returns the metrics of servers and groups, for a registry. state
// returns the table; it must not block.
func NewCollector(p *Prober, state func() *topology.State) prometheus.Collector {
	return collector{p, state}
}

type collector struct {
	prober *Prober
	state  func() *topology.State
}

// Describe sends no descriptor: which servers there are is only known at scrape time.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	out, s, seen, now := metrics(ch), c.state(), c.prober.Snapshot(), time.Now()
	prospects := Prospects(s, seen, now)
	owned := map[int]int{}
	for i := range s.Slots {
		owned[s.Slots[i].Group]++
	}
	for id, g := range s.Groups {
		label := strconv.Itoa(id)
		inSync := 0
		for _, server := range g.Servers {
			h, known := seen[server.Addr]
			if !known {
				h = Health{Addr: server.Addr, LagBytes: LagUnknown, Load: Load{Keys: -1, Memory: -1}}
			}
			isMaster := server.Addr == g.Master
			out.server(h, isMaster, now, server.Addr, label)
			if !isMaster && h.State == StateUp && h.LinkUp && h.Follows == g.Master {
				inSync++
			}
		}
		out.gauge(groupMasterDesc, number(seen[g.Master].State == StateUp), label)
		out.gauge(groupReplicasDesc, float64(inSync), label)
		out.gauge(groupPossibleDesc, number(prospects[id].Possible), label)
		out.gauge(groupSlotsDesc, float64(owned[id]), label)
		out.turn(g, now, label)
	}
}

type metrics chan<- prometheus.Metric

func (out metrics) gauge(d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (out metrics) server(h Health, isMaster bool, now time.Time, labels ...string) {
	out.gauge(serverUpDesc, number(h.State == StateUp), labels...)
	out.gauge(serverDownDesc, number(h.State == StateDown), labels...)
	out.gauge(serverMasterDesc, number(isMaster), labels...)
	wrong := h.State.Alive() && (isMaster && h.Role == RoleReplica || !isMaster && h.Role == RoleMaster)
	out.gauge(roleWrongDesc, number(wrong), labels...)
	if !h.AliveAt.IsZero() {
		out.gauge(silentDesc, max(0, now.Sub(h.AliveAt).Seconds()), labels...)
		out.gauge(probeDesc, h.RTT.Seconds(), labels...)
	}
	if h.Keys >= 0 {
		out.gauge(keysDesc, float64(h.Keys), labels...)
	}
	if h.Memory >= 0 {
		out.gauge(memoryDesc, float64(h.Memory), labels...)
		out.gauge(maxMemoryDesc, float64(h.MaxMemory), labels...)
	}
	if h.Durable != DurableUnknown {
		out.gauge(persistentDesc, number(h.Durable == DurableYes), labels...)
	}
	if !isMaster {
		out.gauge(linkDesc, number(h.LinkUp), labels...)
		if h.LagBytes != LagUnknown {
			out.gauge(lagDesc, float64(h.LagBytes), labels...)
		}
	}
}

// turn is what the table says of the changes of a group's master.
func (out metrics) turn(g topology.Group, now time.Time, label string) {
	turning := 0.0
	if g.Turn != nil {
		turning = max(0, now.Sub(time.UnixMilli(g.Turn.At)).Seconds())
	}
	out.gauge(groupTurnDesc, turning, label)
	out.gauge(groupTurnedDesc, float64(g.Turned), label)
	out.gauge(groupFailedDesc, float64(g.FailoverAt)/1000, label)
	out.gauge(groupForksDesc, float64(len(g.Forks)), label)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
