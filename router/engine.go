package router

import (
	"fmt"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// engineLogger passes the event library's log lines on. What it warns of is the
// daily life of sockets (an event for one that was just closed), hence Debug.
type engineLogger struct{ log *slog.Logger }

func (e engineLogger) Debugf(format string, args ...any) { e.log.Debug(fmt.Sprintf(format, args...)) }
func (e engineLogger) Infof(format string, args ...any)  { e.log.Debug(fmt.Sprintf(format, args...)) }
func (e engineLogger) Warnf(format string, args ...any)  { e.log.Debug(fmt.Sprintf(format, args...)) }
func (e engineLogger) Errorf(format string, args ...any) { e.log.Error(fmt.Sprintf(format, args...)) }
func (e engineLogger) Fatalf(format string, args ...any) { e.log.Error(fmt.Sprintf(format, args...)) }

// socketPair returns two connected Unix sockets.
func socketPair() (a, b net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if a, err = fileConn(fds[0], "anchor"); err != nil {
		_ = unix.Close(fds[1])
		return nil, nil, err
	}
	if b, err = fileConn(fds[1], "loop"); err != nil {
		_ = a.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// fileConn makes a connection of a descriptor, which it takes over.
func fileConn(fd int, name string) (net.Conn, error) {
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	return net.FileConn(file)
}
