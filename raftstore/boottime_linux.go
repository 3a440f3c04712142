package raftstore

import (
	"time"

	"golang.org/x/sys/unix"
)

// Boottime is the clock of leases, in nanoseconds: it only goes forward, and it
// counts the time in which the machine is suspended, which Go's own clock does
// not. Its zero is different on each machine, and on each start of one.
func Boottime() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		// Linux has it since 2.6.39, on every machine.
		panic("raftstore: CLOCK_BOOTTIME: " + err.Error())
	}
	return now.Sec*int64(time.Second) + now.Nsec
}
