package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"sync"
	"time"
)

// Bounds of sessions. They live in the memory of one node: other nodes do not know
// them, and a restart ends them.
const (
	maxSessions = 256
	// maxIdle ends a session that is not used, maxAge any.
	maxIdle = time.Hour
	maxAge  = 12 * time.Hour
)

// session is one login.
type session struct {
	csrf string
	// bearer says that its token travels in a header, not in a cookie.
	bearer  bool
	expires time.Time
	// over is closed when the session is over, used is when it was last asked for;
	// the mutex of sessions guards used.
	over chan struct{}
	used time.Time
}

// hasCSRF compares in constant time.
func (s *session) hasCSRF(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.csrf)) == 1
}

// sessions keeps sessions by the hash of their tokens, so that a look at the memory
// of a map's keys or the time of a lookup tells nothing of a token.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	live map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, live: map[[sha256.Size]byte]*session{}}
}

// open makes a session and returns its token. Beyond maxSessions the one that was
// used least lately is over.
func (l *sessions) open(bearer bool) (token string, s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweepLocked(now)
	if len(l.live) >= maxSessions {
		l.endLocked(l.oldestLocked())
	}
	token = newToken()
	s = &session{csrf: newToken(), bearer: bearer, expires: now.Add(maxAge), over: make(chan struct{}), used: now}
	l.live[sha256.Sum256([]byte(token))] = s
	return token, s
}

// find returns the session of a token, nil when there is none, and counts as use.
func (l *sessions) find(token string) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	key := sha256.Sum256([]byte(token))
	s := l.live[key]
	if s == nil {
		return nil
	}
	if s.endedAt(now) {
		l.endLocked(key)
		return nil
	}
	s.used = now
	return s
}

// keep counts as use of a session, and says whether it is still good.
func (l *sessions) keep(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-s.over:
		return false
	default:
	}
	now := l.now()
	if s.endedAt(now) {
		return false
	}
	s.used = now
	return true
}

// end ends the session of a token, if there is one.
func (l *sessions) end(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, other := range l.live {
		if other == s {
			l.endLocked(key)
		}
	}
}

func (s *session) endedAt(now time.Time) bool {
	return !now.Before(s.expires) || now.Sub(s.used) >= maxIdle
}

func (l *sessions) sweepLocked(now time.Time) {
	for key, s := range l.live {
		if s.endedAt(now) {
			l.endLocked(key)
		}
	}
}

func (l *sessions) oldestLocked() (oldest [sha256.Size]byte) {
	var used time.Time
	for key, s := range l.live {
		if used.IsZero() || s.used.Before(used) {
			oldest, used = key, s.used
		}
	}
	return oldest
}

func (l *sessions) endLocked(key [sha256.Size]byte) {
	if s := l.live[key]; s != nil {
		close(s.over)
		delete(l.live, key)
	}
}

// newToken is 256 random bits.
func newToken() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails, it says
	return base64.RawURLEncoding.EncodeToString(bits[:])
}
