package raftstore

import "github.com/prometheus/client_golang/prometheus"

// Collector returns the metrics of this store, for a registry.
func (s *Store) Collector() prometheus.Collector { return collector{s} }

type collector struct{ store *Store }

// metric is one row of the table of metrics.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(s *Store, status Status) float64
}

func gauge(name, help string, value func(*Store, Status) float64) metric {
	return metric{prometheus.NewDesc("codis_raft_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

var metrics = []metric{
	gauge("is_leader", "1 when this node leads the cluster.", func(_ *Store, st Status) float64 { return number(st.Role == RoleLeader) }),
	gauge("has_leader", "1 when this node knows a leader.", func(_ *Store, st Status) float64 { return number(st.LeaderID != "") }),
	gauge("joined", "1 when this node is in the table.", func(_ *Store, st Status) float64 { return number(st.Joined) }),
	gauge("failed", "1 when this node has stopped taking part in the cluster.", func(s *Store, _ Status) float64 { return number(s.Err() != nil) }),
	gauge("term", "Raft's term.", func(_ *Store, st Status) float64 { return float64(st.Term) }),
	gauge("commit_index", "Index of the last entry known to be committed.", func(_ *Store, st Status) float64 { return float64(st.CommitIndex) }),
	gauge("applied_index", "Index of the last entry applied to the state.", func(_ *Store, st Status) float64 { return float64(st.AppliedIndex) }),
	gauge("table_epoch", "Epoch of the table that this node serves.", func(s *Store, _ Status) float64 { return float64(s.State().Epoch) }),
	gauge("voters", "Nodes that count for the quorum.", func(_ *Store, st Status) float64 { return float64(len(st.Voters)) }),
	gauge("nonvoters", "Nodes that only learn.", func(_ *Store, st Status) float64 { return float64(len(st.Nonvoters)) }),
	gauge("lease_seconds", "How long this node may serve unless its lease is renewed.", func(_ *Store, st Status) float64 { return st.LeaseLeft.Seconds() }),
	gauge("unreachable_nodes", "Nodes whose heartbeats fail; at the leader only.", func(_ *Store, st Status) float64 { return float64(len(st.Unreachable)) }),
	gauge("last_contact_seconds", "Time since the leader was heard; 0 at the leader, -1 when never.", func(_ *Store, st Status) float64 {
		if st.LastContact < 0 {
			return -1
		}
		return st.LastContact.Seconds()
	}),
	{prometheus.NewDesc("codis_raft_refused_connections_total", "Connections to the peer port that failed the challenge.", nil, nil),
		prometheus.CounterValue, func(s *Store, _ Status) float64 { return float64(s.port.Strangers()) }},
}

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	status := c.store.Status()
	for _, m := range metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(c.store, status))
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
