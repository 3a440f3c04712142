// Package password compares passwords without telling of them by the time that it
// takes, and makes guessing slow. The router uses it for AUTH, the HTTP API for its
// sessions.
package password

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"sync"
	"time"
)

const (
	// A wrong password costs firstDelay, then twice as much each time.
	firstDelay = 50 * time.Millisecond
	maxDelay   = 5 * time.Second
	// forgiveAfter is how long a host's failures are remembered.
	forgiveAfter = time.Minute
	// maxRemembered bounds the hosts that are remembered.
	maxRemembered = 4096
)

// Equal takes the same time whatever the passwords are.
func Equal(given []byte, want string) bool {
	a, b := sha256.Sum256(given), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Failures counts wrong passwords by the client's host. The zero value is ready; its
// methods may be called by any goroutine.
type Failures struct {
	mu    sync.Mutex
	hosts map[string]failure
}

type failure struct {
	count int
	last  time.Time
}

// Next counts a failure of an address, host:port, and returns what it costs: for so
// long the client is not to be answered.
func (f *Failures) Next(addr string, now time.Time) time.Duration {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.hosts[host]
	if now.Sub(seen.last) > forgiveAfter {
		seen.count = 0
	}
	if f.hosts == nil || len(f.hosts) >= maxRemembered {
		f.hosts = make(map[string]failure)
	}
	f.hosts[host] = failure{count: seen.count + 1, last: now}
	return min(firstDelay<<min(seen.count, 10), maxDelay)
}
