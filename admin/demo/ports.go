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

// holder keeps ports from everyone else until the processes that they are meant
// for start: seconds may pass, and the kernel gives ports as high as those of
// HTTP to outgoing connections too.
type holder map[int]net.Listener

// take says whether a port is free, and holds it when it is.
func (h holder) take(port int) bool {
	if h[port] != nil {
		return true
	}
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	h[port] = l
	return true
}

// release lets go of ports, just before their process starts.
func (h holder) release(addrs ...string) {
	for _, addr := range addrs {
		if port, err := strconv.Atoi(portOf(addr)); err == nil && h[port] != nil {
			h[port].Close()
			delete(h, port)
		}
	}
}

// releaseAll lets go of all that is still held.
func (h holder) releaseAll() {
	for _, l := range h {
		l.Close()
	}
	clear(h)
}
