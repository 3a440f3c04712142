package resptest

import "syscall"

// dieWithParent makes the kernel kill a child when the test process ends in any
// way.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
