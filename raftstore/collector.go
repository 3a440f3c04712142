package raftstore

import (
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Collector returns the metrics of this store, for a registry.
func (s *Store) Collector() prometheus.Collector { return collector{s} }

type collector struct{ store *Store }

// commitTimes measure what the leader commits.
type commitTimes struct {
	// change is of commands, lease of the entries that renewals wait for.
	change, lease prometheus.Observer
	all           *prometheus.HistogramVec
}

func newCommitTimes() commitTimes {
	all := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "codis_raft_commit_seconds",
		Help:    "Time from an entry's way into the log until it is committed and applied, at the leader: changes of the table, and entries for leases.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // to 8.2 s
	}, []string{"kind"})
	return commitTimes{change: all.WithLabelValues("change"), lease: all.WithLabelValues("lease"), all: all}
}

// metric is one row of the table of metrics. A value of which ok is false is not
// shown: it is not known here.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(l look) (value float64, ok bool)
}

// look is what the rows are made from, gathered once a scrape.
type look struct {
	*Store
	Status
	// first and last are the log's bounds; 0 when they can't be read.
	first, last uint64
	disk        unix.Statfs_t
	diskErr     error
}

func (s *Store) look() look {
	l := look{Store: s, Status: s.Status()}
	l.first, _ = s.logs.FirstIndex() // 0 on an error
	l.last, _ = s.logs.LastIndex()
	l.diskErr = unix.Statfs(s.cfg.Dir, &l.disk)
	return l
}

func row(name, help string, kind prometheus.ValueType, value func(look) (float64, bool)) metric {
	return metric{prometheus.NewDesc("codis_raft_"+name, help, nil, nil), kind, value}
}

func gauge(name, help string, value func(look) float64) metric {
	return row(name, help, prometheus.GaugeValue, func(l look) (float64, bool) { return value(l), true })
}

func counter(name, help string, value func(look) float64) metric {
	return row(name, help, prometheus.CounterValue, func(l look) (float64, bool) { return value(l), true })
}

var metrics = []metric{
	gauge("is_leader", "1 when this node leads the cluster.", func(l look) float64 { return number(l.Role == RoleLeader) }),
	gauge("has_leader", "1 when this node knows a leader.", func(l look) float64 { return number(l.LeaderID != "") }),
	counter("leader_changes_total", "How often this node has learned of a leader.", func(l look) float64 { return float64(l.leaders.Load()) }),
	gauge("joined", "1 when this node is in the table.", func(l look) float64 { return number(l.Joined) }),
	gauge("failed", "1 when this node has stopped taking part in the cluster.", func(l look) float64 { return number(l.Err() != nil) }),
	gauge("term", "Raft's term.", func(l look) float64 { return float64(l.Term) }),
	gauge("commit_index", "Index of the last entry known to be committed.", func(l look) float64 { return float64(l.CommitIndex) }),
	gauge("applied_index", "Index of the last entry applied, or that has nothing to apply.", func(l look) float64 { return float64(l.AppliedIndex) }),
	gauge("table_epoch", "Epoch of the table that this node serves.", func(l look) float64 { return float64(l.State().Epoch) }),
	gauge("nodes", "Nodes of the table.", func(l look) float64 { return float64(len(l.State().Nodes)) }),
	gauge("voters", "Nodes that count for the quorum.", func(l look) float64 { return float64(len(l.Voters)) }),
	gauge("nonvoters", "Nodes that only learn.", func(l look) float64 { return float64(len(l.Nonvoters)) }),
	gauge("lease_seconds", "How long this node may serve unless its lease is renewed.", func(l look) float64 { return l.LeaseLeft.Seconds() }),
	row("lease_age_seconds", "Time since the renewal was sent that this node's lease was granted for; none before the first.", prometheus.GaugeValue,
		func(l look) (float64, bool) {
			sent := l.RenewedAt()
			return time.Duration(l.now() - sent).Seconds(), sent > 0
		}),
	row("unreachable_nodes", "Nodes whose heartbeats fail; at the leader only.", prometheus.GaugeValue,
		func(l look) (float64, bool) { return float64(len(l.Unreachable)), l.Role == RoleLeader }),
	row("unleased_nodes", "Nodes of the table that have no lease, by the leader's reckoning; at the leader only.", prometheus.GaugeValue, unleased),
	row("last_contact_seconds", "Time since the leader was heard; 0 at the leader, none when never.", prometheus.GaugeValue,
		func(l look) (float64, bool) { return l.LastContact.Seconds(), l.LastContact >= 0 }),
	row("log_entries", "Entries of the log that no snapshot has replaced.", prometheus.GaugeValue,
		func(l look) (float64, bool) { return float64(l.last - l.first + 1), l.first > 0 && l.last >= l.first }),
	row("log_bytes", "Size of the log's file.", prometheus.GaugeValue, func(l look) (float64, bool) {
		info, err := os.Stat(filepath.Join(l.cfg.Dir, raftFile))
		if err != nil {
			return 0, false
		}
		return float64(info.Size()), true
	}),
	row("disk_free_bytes", "What the file system of --dir has left for this process.", prometheus.GaugeValue,
		func(l look) (float64, bool) { return float64(l.disk.Bavail) * float64(l.disk.Bsize), l.diskErr == nil }),
	row("disk_bytes", "Size of the file system of --dir.", prometheus.GaugeValue,
		func(l look) (float64, bool) { return float64(l.disk.Blocks) * float64(l.disk.Bsize), l.diskErr == nil }),
	counter("refused_connections_total", "Connections to the peer port that failed the challenge.", func(l look) float64 { return float64(l.port.Strangers()) }),
}

// unleased counts the nodes of the table that the leader believes without a lease.
func unleased(l look) (float64, bool) {
	if l.Role != RoleLeader || l.Status.Nodes == nil {
		return 0, false
	}
	n := 0
	for id := range l.State().Nodes {
		if l.Status.Nodes[id].Left <= 0 {
			n++
		}
	}
	return float64(n), true
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics {
		out <- m.desc
	}
	c.store.commits.all.Describe(out)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	l := c.store.look()
	for _, m := range metrics {
		if value, ok := m.value(l); ok {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, value)
		}
	}
	c.store.commits.all.Collect(out)
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
