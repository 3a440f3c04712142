package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"time"
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
	if !a.rightPassword(body.Password) {
		return problemf(http.StatusUnauthorized, codeLogin, "wrong password")
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

// rightPassword takes the same time whatever the password is.
func (a *API) rightPassword(password string) bool {
	given, right := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(a.cfg.Password))
	return subtle.ConstantTimeCompare(given[:], right[:]) == 1
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
