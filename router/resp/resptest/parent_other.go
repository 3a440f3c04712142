//go:build !linux

package resptest

import "syscall"

// dieWithParent has no means here: a test that is killed leaves its children.
func dieWithParent() *syscall.SysProcAttr { return nil }
