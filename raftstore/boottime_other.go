//go:build !linux

package raftstore

import "time"

// started is the zero of Boottime.
var started = time.Now()

// Boottime is the clock of leases, in nanoseconds: it only goes forward. On this
// system it may stand still while the machine is suspended, so a node that wakes
// up may believe in its lease for too long: systems other than Linux are for
// development.
func Boottime() int64 { return int64(time.Since(started)) + 1 }
