package migrate

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"codis/raftstore/topology"
)

// moved counts what this process's mover has moved.
type moved struct{ keys, bytes atomic.Int64 }

var (
	slotsDesc = prometheus.NewDesc("codis_slots",
		"Slots of the table by phase: unassigned, serving, holding, migrating.", []string{"phase"}, nil)
	jobsDesc = prometheus.NewDesc("codis_jobs",
		"Jobs by state; of finished ones those that are remembered.", []string{"state"}, nil)
	hinderedDesc = prometheus.NewDesc("codis_jobs_hindered",
		"Running jobs that say why they do not get on, see CODIS.JOBS.", nil, nil)
	leftDesc = prometheus.NewDesc("codis_job_slots_left",
		"Slots that unfinished jobs have still to move.", nil, nil)
	quietDesc = prometheus.NewDesc("codis_job_quiet_seconds",
		"Longest time since a running job has reported keys moved or a reason; 0 without one.", nil, nil)
	keysDesc = prometheus.NewDesc("codis_mover_keys_total",
		"Keys that this node's mover has moved, while it led.", nil, nil)
	bytesDesc = prometheus.NewDesc("codis_mover_bytes_total",
		"Bytes of keys that this node's mover has moved, while it led.", nil, nil)
	rateDesc = prometheus.NewDesc("codis_mover_keys_per_second",
		"Keys that this node's mover moves a second, over all jobs.", nil, nil)
	etaDesc = prometheus.NewDesc("codis_mover_eta_seconds",
		"In how long the last of the jobs that this node works on will be done; NaN while that can't be told.", nil, nil)
)

// Collector returns metrics of slots and jobs, for a registry: those of the table,
// which every node shows, and those of the mover, which is at work on the leader.
func (c *Controller) Collector() prometheus.Collector { return collector{c} }

type collector struct{ c *Controller }

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{slotsDesc, jobsDesc, hinderedDesc, leftDesc, quietDesc, keysDesc, bytesDesc, rateDesc, etaDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := c.c.store.State()
	sum := summarize(s, time.Now())
	for phase, n := range sum.slots {
		gauge(slotsDesc, float64(n), topology.Phase(phase).String())
	}
	for _, state := range jobStates {
		gauge(jobsDesc, float64(sum.jobs[state]), string(state))
	}
	gauge(hinderedDesc, float64(sum.hindered))
	gauge(leftDesc, float64(sum.left))
	gauge(quietDesc, sum.quiet.Seconds())
	rate, eta := 0.0, 0.0
	for id := range s.Jobs {
		live, ok := c.c.Live(id)
		switch {
		case !ok:
		case live.ETA < 0:
			eta = math.NaN()
		default:
			eta = max(eta, float64(live.ETA)) // NaN stays
		}
		rate += live.KeysPerSecond
	}
	gauge(rateDesc, rate)
	gauge(etaDesc, eta)
	out <- prometheus.MustNewConstMetric(keysDesc, prometheus.CounterValue, float64(c.c.moved.keys.Load()))
	out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(c.c.moved.bytes.Load()))
}

var jobStates = []topology.JobState{
	topology.JobRunning, topology.JobPaused, topology.JobCancelling, topology.JobDone, topology.JobCancelled, topology.JobFailed,
}

// summary is what metrics show of a table.
type summary struct {
	slots          [topology.PhaseMigrating + 1]int
	jobs           map[topology.JobState]int
	hindered, left int
	// quiet is the longest time since a running job reported anything.
	quiet time.Duration
}

func summarize(s *topology.State, now time.Time) summary {
	sum := summary{jobs: map[topology.JobState]int{}}
	for i := range s.Slots {
		sum.slots[s.Slots[i].Phase]++
	}
	for _, j := range s.Jobs {
		sum.jobs[j.State]++
		if j.State.Finished() {
			continue
		}
		sum.left += max(0, j.Progress.SlotsTotal-j.Progress.SlotsDone)
		if j.State == topology.JobPaused {
			continue
		}
		if j.Reason != "" {
			sum.hindered++
		}
		sum.quiet = max(sum.quiet, now.Sub(time.UnixMilli(max(j.CreatedAt, j.Progress.At))))
	}
	return sum
}
