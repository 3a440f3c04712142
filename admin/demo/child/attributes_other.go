//go:build !linux

package child

import "syscall"

// attributes put a child into a process group of its own, so that Ctrl-C in the
// terminal reaches only the parent, which stops its children in order. Only
// Linux can tie the child's life to the parent's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
