package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports of a Lab are below those that the kernel gives to outgoing connections:
// a process that is killed and started again must find its port free. They are
// apart from those of the tests (12500-19500) and of the demo.
const firstPort, lastPort = 20000, 28500

var (
	handedOutMu sync.Mutex
	handedOut   = make(map[int]bool)
)

// FreePort is a port of 127.0.0.1 that nobody listens on, and no other call has
// returned.
func FreePort() (int, error) {
	handedOutMu.Lock()
	defer handedOutMu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if handedOut[port] {
			continue
		}
		l, err := net.Listen("tcp", Address(port))
		if err != nil {
			continue
		}
		l.Close()
		handedOut[port] = true
		return port, nil
	}
	return 0, errors.New("no free port")
}

// FreePorts returns n of them.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		var err error
		if ports[i], err = FreePort(); err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// Address is a port of this machine.
func Address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
