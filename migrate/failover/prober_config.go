package failover

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ProberConfig says how servers are watched.
type ProberConfig struct {
	// Name is how the connections are seen in CLIENT LIST.
	Name string
	// Interval is the time between two probes of one server, Timeout the longest
	// that a dial or a probe may take.
	Interval, Timeout time.Duration
	// DownFailures is the number of probes without an answer in a row after which
	// a server is called down.
	DownFailures int
	// MaxBackoff is the longest time between two dials of a server that is down or
	// denies us. The first ones are Interval apart, then it doubles.
	MaxBackoff time.Duration
	// PublishEvery is the shortest time between two snapshots: hundreds of servers
	// share one, instead of each making its own.
	PublishEvery time.Duration
	// Logger gets one line for each change of a server's state; nil means none.
	Logger *slog.Logger
}

// DefaultProberConfig is what SAFETY's rule F.1 asks for: each server each second.
func DefaultProberConfig() ProberConfig {
	return ProberConfig{
		Name:         "codis-probe",
		Interval:     time.Second,
		Timeout:      time.Second,
		DownFailures: 2,
		MaxBackoff:   2 * time.Second,
		PublishEvery: 100 * time.Millisecond,
	}
}

// Validate returns what is wrong, and changes nothing.
func (c ProberConfig) Validate() error {
	var errs []error
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Interval", c.Interval}, {"Timeout", c.Timeout}, {"PublishEvery", c.PublishEvery}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("prober: %s is %v, must be positive", d.name, d.value))
		}
	}
	if c.MaxBackoff < c.Interval {
		errs = append(errs, fmt.Errorf("prober: MaxBackoff %v is below Interval %v", c.MaxBackoff, c.Interval))
	}
	if c.DownFailures < 1 {
		errs = append(errs, fmt.Errorf("prober: DownFailures is %d, must be at least 1", c.DownFailures))
	}
	return errors.Join(errs...)
}
