package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// What asks the kernel for one socket, from linux/sock_diag.h and inet_diag.h.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	requestSize      = 16 + 56
	inodeAt          = 16 + 68
)

// inodeOf asks the kernel for the socket of a connection's other end. The list in
// /proc/net/tcp would tell it too, but takes long where there are thousands of others.
func inodeOf(local, remote *net.TCPAddr) (string, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return "", fmt.Errorf("ask the kernel for a socket: %w", err)
	}
	defer syscall.Close(fd)
	q := make([]byte, requestSize)
	host, network := binary.NativeEndian, binary.BigEndian
	host.PutUint32(q[0:], requestSize)
	host.PutUint16(q[4:], sockDiagByFamily)
	host.PutUint16(q[6:], syscall.NLM_F_REQUEST)
	q[16], q[17] = syscall.AF_INET, syscall.IPPROTO_TCP
	host.PutUint32(q[20:], ^uint32(0)) // in any state
	network.PutUint16(q[24:], uint16(local.Port))
	network.PutUint16(q[26:], uint16(remote.Port))
	copy(q[28:], local.IP.To4())
	copy(q[44:], remote.IP.To4())
	host.PutUint64(q[64:], ^uint64(0)) // no cookie
	if err := syscall.Sendto(fd, q, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return "", fmt.Errorf("ask the kernel for a socket: %w", err)
	}
	var answer [512]byte
	n, _, err := syscall.Recvfrom(fd, answer[:], 0)
	if err != nil {
		return "", fmt.Errorf("ask the kernel for a socket: %w", err)
	}
	if kind := host.Uint16(answer[4:]); n < inodeAt+4 || kind != sockDiagByFamily {
		return "", nil // it is gone
	}
	return strconv.FormatUint(uint64(host.Uint32(answer[inodeAt:])), 10), nil
}
