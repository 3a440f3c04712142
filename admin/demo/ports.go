package demo

import (
	"fmt"
	"net"
	"strconv"
)

// picker gives ports to processes: each gets the one it wants if that is free;
// then the others get the next free ones that nobody wants.
type picker struct {
	free   func(port int) bool
	taken  map[int]bool // wanted or given
	wishes []wish
}

type wish struct {
	port int
	who  string
	to   *string
}

func newPicker(free func(int) bool) *picker {
	return &picker{free: free, taken: map[int]bool{}}
}

func (p *picker) want(port int, who string, to *string) {
	p.wishes = append(p.wishes, wish{port: port, who: who, to: to})
}

// pick fills in all addresses; the notes name the ports that were busy.
func (p *picker) pick() (notes []string, err error) {
	var unlucky []wish
	for _, w := range p.wishes {
		if p.taken[w.port] || !p.free(w.port) {
			unlucky = append(unlucky, w)
		} else {
			*w.to = loopback(w.port)
		}
		p.taken[w.port] = true
	}
	for _, w := range unlucky {
		port := w.port
		for p.taken[port] || !p.free(port) {
			if port++; port > 65535 {
				return nil, fmt.Errorf("no port from %d up is free for %s: choose another --port", w.port, w.who)
			}
		}
		p.taken[port] = true
		*w.to = loopback(port)
		notes = append(notes, fmt.Sprintf("port %d is in use: %s gets port %d", w.port, w.who, port))
	}
	return notes, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// portFree says whether a port can be listened on just now.
func portFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
