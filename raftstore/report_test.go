package raftstore

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// reporter makes a node report a text that changes with each renewal.
func reporter(cfg *Config) {
	var count atomic.Int64
	id := cfg.ID
	cfg.Report = func() []byte { return fmt.Appendf(nil, "%s %d", id, count.Add(1)) }
}

// TestReports: the leader, and nobody else, has the last report of every member,
// its own too, and a new leader gets them anew.
func TestReports(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 3, reporter)
	for range 2 {
		leader := leaderOf(t, nodes)
		waitFor(t, "a report of everyone", func() bool { return len(leader.Reports()) == 3 })
		for _, n := range nodes {
			if got := leader.Reports()[n.cfg.ID]; !bytes.HasPrefix(got.Data, []byte(n.cfg.ID+" ")) || got.At == 0 {
				t.Errorf("report of %s: %q at %d", n.cfg.ID, got.Data, got.At)
			}
			if n != leader && !n.IsLeader() && n.Reports() != nil {
				t.Errorf("%s, a follower, has reports", n.cfg.ID)
			}
		}
		if err := leader.TransferLeadership(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRenewNow: what is to be told at once is told long before the next renewal.
func TestRenewNow(t *testing.T) {
	t.Parallel()
	nodes := newClusterWith(t, 2, func(cfg *Config) { calm(cfg); reporter(cfg) })
	leader := leaderOf(t, nodes)
	sender := others(nodes, leader)[0]
	// The lease is longer than the test: no other renewal can be what is seen.
	mustPropose(t, leader, settingOf("lease", "10m"))
	mustPropose(t, leader, settingOf("lease-renew", "1m"))
	report := func() string { return string(leader.Reports()[sender.cfg.ID].Data) }
	waitFor(t, "a first report", func() bool { sender.RenewNow(); return report() != "" })
	for range 3 {
		before := report()
		sender.RenewNow()
		waitFor(t, "the next report", func() bool { return report() != before })
	}
}

// TestReportsAreBookedByProcess: a pure look at what is kept and what is not.
func TestReportsAreBookedByProcess(t *testing.T) {
	t.Parallel()
	tell := func(starts uint64, text string) renewal {
		return renewal{ID: "n1", Incarnation: "i", Starts: starts, Report: []byte(text)}
	}
	me := holder{"n1", "i"}
	for name, c := range map[string]struct {
		do   func(reports)
		want string
	}{
		"the last one counts":                {func(b reports) { b.hear(1, tell(1, "a")); b.hear(2, tell(1, "b")) }, "b"},
		"an acknowledgement changes nothing": {func(b reports) { b.hear(1, tell(1, "a")); b.hear(2, tell(1, "")) }, "a"},
		"a new process begins anew":          {func(b reports) { b.hear(1, tell(1, "a")); b.hear(2, tell(2, "")) }, ""},
		"a process that has ended":           {func(b reports) { b.hear(1, tell(1, "a")); b.forget(tell(1, "")) }, ""},
		"the end of the one before":          {func(b reports) { b.hear(1, tell(2, "a")); b.forget(tell(1, "")) }, "a"},
		"too long":                           {func(b reports) { b.hear(1, tell(1, "a")); b.hear(2, tell(1, string(make([]byte, MaxReport+1)))) }, "a"},
	} {
		b := reports{}
		c.do(b)
		if got := string(b[me].Data); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestReportTooLong: it is dropped, and the lease is renewed all the same.
func TestReportTooLong(t *testing.T) {
	t.Parallel()
	c := newLeased(t, 1, time.Second, func(cfg *Config) {
		cfg.Report = func() []byte { return make([]byte, MaxReport+1) }
	})
	before := c.nodes[0].RenewedAt()
	waitFor(t, "another renewal", func() bool { return c.nodes[0].RenewedAt() > before })
	if got := c.nodes[0].Reports(); len(got) != 0 {
		t.Errorf("%d reports", len(got))
	}
}
