//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package poll

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller is kqueue. Filters carry no token that fits all of these systems, so
// byFd finds the connection; a closed descriptor leaves the queue by itself.
type poller struct {
	queue      int
	pipe       [2]int
	generation int32
	byFd       map[int]token
}

type token struct{ slot, generation int32 }

// event is one ready descriptor.
type event struct {
	unix.Kevent_t
	at token
}

func openPoller() (poller, error) {
	queue, err := unix.Kqueue()
	if err != nil {
		return poller{}, os.NewSyscallError("kqueue", err)
	}
	p := poller{queue: queue, byFd: make(map[int]token)}
	if err := unix.Pipe(p.pipe[:]); err != nil {
		_ = unix.Close(queue)
		return poller{}, os.NewSyscallError("pipe", err)
	}
	for _, fd := range []int{queue, p.pipe[0], p.pipe[1]} {
		unix.CloseOnExec(fd)
	}
	_ = unix.SetNonblock(p.pipe[0], true)
	_ = unix.SetNonblock(p.pipe[1], true)
	if err := p.change(p.pipe[0], unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR); err != nil {
		p.close()
		return poller{}, err
	}
	return p, nil
}

func (p *poller) close() {
	_ = unix.Close(p.pipe[0])
	_ = unix.Close(p.pipe[1])
	_ = unix.Close(p.queue)
}

func (p *poller) change(fd, filter, flags int) error {
	var e unix.Kevent_t
	unix.SetKevent(&e, fd, filter, flags)
	_, err := unix.Kevent(p.queue, []unix.Kevent_t{e}, nil, nil)
	return os.NewSyscallError("kevent", err)
}

// wait blocks until something is ready.
func (p *poller) wait(events []event) (int, error) {
	raw := make([]unix.Kevent_t, len(events))
	n, err := unix.Kevent(p.queue, nil, raw, nil)
	if err == syscall.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, os.NewSyscallError("kevent", err)
	}
	for i := range n {
		fd := int(raw[i].Ident)
		events[i] = event{Kevent_t: raw[i], at: token{slot: -1}}
		if fd == p.pipe[0] {
			var drained [64]byte
			_, _ = unix.Read(fd, drained[:])
		} else if at, ok := p.byFd[fd]; ok {
			events[i].at = at
		}
	}
	return n, nil
}

func (p *poller) wake() {
	// EAGAIN means that the pipe is full, so the loop is awake as it is.
	_, _ = unix.Write(p.pipe[1], []byte{0})
}

func (p *poller) add(fd int, slot, generation int32) error {
	p.byFd[fd] = token{slot, generation}
	return p.change(fd, unix.EVFILT_READ, unix.EV_ADD)
}

func (p *poller) modify(c *Conn, read, write bool) error {
	flags := func(on bool) int {
		if on {
			return unix.EV_ADD
		}
		return unix.EV_DELETE
	}
	for filter, on := range map[int]bool{unix.EVFILT_READ: read, unix.EVFILT_WRITE: write} {
		// Deleting a filter that is not there is no error worth a connection.
		if err := p.change(c.fd, filter, flags(on)); err != nil && on {
			return err
		}
	}
	return nil
}

func (e *event) token() (slot uint32, generation int32) { return uint32(e.at.slot), e.at.generation }

func (e *event) ready() (readable, writable, hangup bool) {
	return e.Filter == unix.EVFILT_READ, e.Filter == unix.EVFILT_WRITE, e.Flags&unix.EV_EOF != 0
}

func read(fd int, b []byte) (int, error)  { return unix.Read(fd, b) }
func write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

// writev without the call of that name, which not all of these systems offer here:
// the second write is only tried when the first one was taken whole.
func writev(fd int, a, b []byte) (int, error) {
	n, err := unix.Write(fd, a)
	if err != nil || n < len(a) {
		return n, err
	}
	m, err := unix.Write(fd, b)
	if err == syscall.EAGAIN {
		err = nil
	}
	return n + max(m, 0), err
}

func dupCloseOnExec(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
}

// setKeepAlive leaves the times to the system, which all of these set differently.
func setKeepAlive(fd, _ int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}
