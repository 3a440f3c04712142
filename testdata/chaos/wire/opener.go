package wire

import (
	"net"
	"os"
	"strconv"
)

// openerOf names the process that has opened a connection, empty when it is none
// of those given.
func openerOf(c *net.TCPConn, processes map[int]string) string {
	inode, err := inodeOf(c.RemoteAddr().(*net.TCPAddr), c.LocalAddr().(*net.TCPAddr))
	if err != nil || inode == "" {
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
