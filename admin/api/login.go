package api

import (
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"codis/router/password"
)

// cookieName has the port in it: browsers share cookies among all ports of a host,
// and several nodes may run on one.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(localAddr(r))
	if err != nil {
		return "codis_session"
	}
	return "codis_session_" + port
}

type sessionView struct {
	LoginRequired bool     `json:"login_required"`
	LoggedIn      bool     `json:"logged_in"`
	CSRF          *string  `json:"csrf"`
	ExpiresAt     *int64   `json:"expires_at"`
	Node          nodeView `json:"node"`
}

type nodeView struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// showSession tells whether the caller is logged in, and what changes need.
func (a *API) showSession(w http.ResponseWriter, r *http.Request) error {
	v := sessionView{LoginRequired: a.cfg.Password != "", Node: nodeView{ID: a.cfg.NodeID, Version: a.cfg.Version}}
	if s := sessionOf(r); s != nil {
		at := s.expires.UnixMilli()
		v.LoggedIn, v.ExpiresAt = true, &at
		if !s.bearer {
			v.CSRF = &s.csrf
		}
	}
	return writeValue(w, http.StatusOK, v)
}

type loginBody struct {
	Password string `json:"password"`
	// Bearer asks for a token instead of a cookie.
	Bearer bool `json:"bearer"`
}

type loginView struct {
	CSRF      *string `json:"csrf"`
	Token     *string `json:"token"`
	ExpiresAt int64   `json:"expires_at"`
}

// login opens a session.
func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	body, err := decode[loginBody](r)
	if err != nil {
		return err
	}
	if a.cfg.Password == "" {
		return badRequest("there is no password, so there is nothing to log in to")
	}
	if err := a.checkPassword(w, r, body.Password); err != nil {
		return err
	}
	token, s := a.sessions.open(body.Bearer)
	a.log.Info("logged in", "caller", r.RemoteAddr, "bearer", body.Bearer)
	v := loginView{ExpiresAt: s.expires.UnixMilli()}
	if body.Bearer {
		v.Token = &token
		return writeValue(w, http.StatusOK, v)
	}
	v.CSRF = &s.csrf
	http.SetCookie(w, a.cookie(r, token, int(maxAge/time.Second)))
	return writeValue(w, http.StatusOK, v)
}

// checkPassword answers a wrong password late, later each time that its host gives
// one, and meanwhile takes no other attempt of that host.
func (a *API) checkPassword(w http.ResponseWriter, r *http.Request, given string) error {
	if !a.attempts.begin(r.RemoteAddr) {
		w.Header().Set("Retry-After", "5")
		return problemf(http.StatusTooManyRequests, codeTooMany, "another attempt to log in is under way").hinted("wait for its end")
	}
	defer a.attempts.end(r.RemoteAddr)
	if password.Equal([]byte(given), a.cfg.Password) {
		return nil
	}
	a.log.Warn("wrong password", "caller", r.RemoteAddr)
	select {
	case <-time.After(a.failures.Next(r.RemoteAddr, time.Now())):
	case <-r.Context().Done():
	}
	return problemf(http.StatusUnauthorized, codeLogin, "wrong password")
}

// maxAttempts bounds the hosts that try to log in at the same time.
const maxAttempts = 64

// attempts lets each host try one password at a time.
type attempts struct {
	mu    sync.Mutex
	hosts map[string]bool
}

func (l *attempts) begin(addr string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if host := hostOf(addr); !l.hosts[host] && len(l.hosts) < maxAttempts {
		l.hosts[host] = true
		return true
	}
	return false
}

func (l *attempts) end(addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.hosts, hostOf(addr))
}

// logout ends the caller's session, if there is one.
func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	if s := sessionOf(r); s != nil {
		a.sessions.end(s)
	}
	http.SetCookie(w, a.cookie(r, "", -1))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// cookie is for this node's API only; scripts can't read it, other sites can't have
// it sent.
func (a *API) cookie(r *http.Request, token string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: token, Path: Prefix, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
}

func writeValue(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	writeJSON(w, status, body)
	return nil
}
