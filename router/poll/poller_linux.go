package poll

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller is epoll. The token of a descriptor is its slot in Fd and its
// generation in Pad, so that a late event for a slot that was given away again
// is known as such.
type poller struct {
	epoll, event int
	generation   int32
}

// event is one ready descriptor.
type event struct{ unix.EpollEvent }

// wakeSlot is the slot of the descriptor that wakes the loop.
const wakeSlot = -1

func openPoller() (poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return poller{}, os.NewSyscallError("epoll_create1", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return poller{}, os.NewSyscallError("eventfd", err)
	}
	p := poller{epoll: epoll, event: wake}
	// Edge-triggered: the counter need not be read back.
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeSlot}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &e); err != nil {
		p.close()
		return poller{}, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

func (p *poller) close() {
	_ = unix.Close(p.event)
	_ = unix.Close(p.epoll)
}

// wait blocks until something is ready. It is the one system call of the loop
// that may block, and the only one that tells Go's scheduler of itself.
func (p *poller) wait(events []event) (int, error) {
	n, _, errno := syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_wait", errno)
}

func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// EAGAIN means that the counter is full, so the loop is awake as it is.
	_, _ = unix.Write(p.event, one[:])
}

func (p *poller) add(fd int, slot, generation int32) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: slot, Pad: generation}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

func (p *poller) modify(c *Conn, read, write bool) error {
	e := unix.EpollEvent{Fd: c.slot, Pad: c.generation}
	if read {
		e.Events |= unix.EPOLLIN
	}
	if write {
		e.Events |= unix.EPOLLOUT
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, c.fd, &e))
}

// token returns the slot and generation of the connection; the waker has a
// negative slot, which as uint32 is beyond any connection.
func (e *event) token() (slot uint32, generation int32) { return uint32(e.Fd), e.Pad }

func (e *event) ready() (readable, writable, hangup bool) {
	return e.Events&unix.EPOLLIN != 0, e.Events&unix.EPOLLOUT != 0,
		e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
}

// The sockets never block, so these calls are short and need not tell Go's
// scheduler: that costs as much as a third of a small one.

func read(fd int, b []byte) (int, error) {
	return raw(syscall.SYS_READ, fd, unsafe.Pointer(&b[0]), len(b))
}

func write(fd int, b []byte) (int, error) {
	return raw(syscall.SYS_WRITE, fd, unsafe.Pointer(&b[0]), len(b))
}

func writev(fd int, a, b []byte) (int, error) {
	iov := [2]unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	iov[0].SetLen(len(a))
	iov[1].SetLen(len(b))
	return raw(syscall.SYS_WRITEV, fd, unsafe.Pointer(&iov[0]), len(iov))
}

func raw(trap uintptr, fd int, p unsafe.Pointer, n int) (int, error) {
	r, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(p), uintptr(n))
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}

func dupCloseOnExec(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

func setKeepAlive(fd, seconds int) {
	if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds) != nil {
		return // not TCP
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, max(1, seconds/3))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}
