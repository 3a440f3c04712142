//go:build !linux

package wire

import (
	"errors"
	"net"
)

func inodeOf(_, _ *net.TCPAddr) (string, error) { return "", errors.ErrUnsupported }
