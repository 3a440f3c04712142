package child

import "syscall"

// attributes put a child into a process group of its own, so that Ctrl-C in the
// terminal reaches only the parent, which stops its children in order; and have
// the kernel kill the child when the parent ends without having stopped it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
