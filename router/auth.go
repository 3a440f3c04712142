package router

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"sync"
	"time"

	"codis/router/command"
)

const (
	wrongPassText = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
	noPassText    = "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n"
	// A wrong password costs firstDelay, then twice as much each time.
	firstDelay = 50 * time.Millisecond
	maxDelay   = 5 * time.Second
	// forgiveAfter is how long an address's failures are remembered.
	forgiveAfter = time.Minute
	// maxRemembered bounds the addresses that are remembered.
	maxRemembered = 4096
)

// auth answers AUTH [user] password. There is one user, "default".
func (s *session) auth(cmd *command.Command, args [][]byte) {
	user, password := "default", args[1]
	switch len(args) {
	case 2:
		if s.l.r.cfg.Password == "" {
			s.answer(cmd, []byte(noPassText))
			return
		}
	case 3:
		user, password = string(args[1]), args[2]
	default:
		s.answer(cmd, []byte(syntaxText))
		return
	}
	if refusal := s.checkPassword(user, password); refusal != nil {
		s.answer(cmd, refusal)
		s.delay()
		return
	}
	s.answer(cmd, []byte(okText))
}

// checkPassword authenticates the session, or returns the refusal. It takes the
// same time whatever the password is.
func (s *session) checkPassword(user string, password []byte) (refusal []byte) {
	want := s.l.r.cfg.Password
	given, right := sha256.Sum256(password), sha256.Sum256([]byte(want))
	same := subtle.ConstantTimeCompare(given[:], right[:]) == 1
	if user != "default" || want != "" && !same {
		return []byte(wrongPassText)
	}
	s.authed = true
	return nil
}

// delay makes the session wait after a wrong password, longer each time that its
// host gives one.
func (s *session) delay() {
	wait := s.l.r.failures.next(s.addr, time.Now())
	s.pause |= pauseDelay
	s.l.r.spawn(func(ctx context.Context) {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			s.l.post(func() { s.unpause(pauseDelay) })
		}
	})
}

// authFailures counts wrong passwords by the client's host.
type authFailures struct {
	mu    sync.Mutex
	hosts map[string]authFailure
}

type authFailure struct {
	count int
	last  time.Time
}

// next counts a failure of an address and returns what it costs.
func (f *authFailures) next(addr string, now time.Time) time.Duration {
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
		f.hosts = make(map[string]authFailure)
	}
	f.hosts[host] = authFailure{count: seen.count + 1, last: now}
	return min(firstDelay<<min(seen.count, 10), maxDelay)
}
