package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// openerOf names the process that has opened a connection, empty when it is none
// of those given.
func openerOf(c *net.TCPConn, processes map[int]string) string {
	inode := inodeOf(c.RemoteAddr().(*net.TCPAddr), c.LocalAddr().(*net.TCPAddr))
	if inode == "" {
		return ""
	}
	want := "socket:[" + inode + "]"
	for pid, name := range processes {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd"
		d, err := os.Open(dir)
		if err != nil {
			continue // it has ended
		}
		files, _ := d.Readdirnames(-1) // what could be read will do
		d.Close()
		for _, file := range files {
			if link, err := os.Readlink(dir + "/" + file); err == nil && link == want {
				return name
			}
		}
	}
	return ""
}

// inodeOf finds the socket of a connection's other end, by its addresses, in the
// kernel's list.
func inodeOf(local, remote *net.TCPAddr) string {
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return ""
	}
	want := " " + kernelAddr(local) + " " + kernelAddr(remote) + " "
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, want) {
			if fields := strings.Fields(line); len(fields) > 9 {
				return fields[9]
			}
		}
	}
	return ""
}

// kernelAddr writes an IPv4 address as /proc/net/tcp does: the bytes as one
// number of this machine, in hex.
func kernelAddr(a *net.TCPAddr) string {
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(a.IP.To4()), a.Port)
}
