package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// headerCSRF is what changes of a session with a cookie have to bring.
const headerCSRF = "X-CSRF-Token"

// sessionKey is where a request's session is in its context.
type sessionKey struct{}

// sessionOf is the session of a request, nil when there is none.
func sessionOf(r *http.Request) *session {
	s, _ := r.Context().Value(sessionKey{}).(*session)
	return s
}

// admit says whether a request may be answered.
//
// With a password everything but the session itself needs one. Without a password
// whoever reaches the port may read, as with RESP, and only this machine may change;
// then a browser must not be led here under a name that another site owns.
func (a *API) admit(r *http.Request, rt route) error {
	if change(r) {
		if err := sameSite(r); err != nil {
			return err
		}
	}
	if a.cfg.Password == "" {
		return a.admitAll(r)
	}
	s, bearer := a.find(r)
	switch {
	case rt.open:
	case s == nil:
		return problemf(http.StatusUnauthorized, codeLogin, "this needs a session").hinted("log in: POST " + Prefix + "/session")
	case change(r) && !bearer && !s.hasCSRF(r.Header.Get(headerCSRF)):
		return problemf(http.StatusForbidden, codeForbid, "the header %s is missing or wrong", headerCSRF).hinted("GET " + Prefix + "/session tells it")
	}
	if s != nil {
		*r = *r.WithContext(context.WithValue(r.Context(), sessionKey{}, s))
	}
	return nil
}

// change says whether a request could change something.
func change(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }

// find returns the session of a request, and whether it came by bearer token. A token
// is good only the way it was asked for: those of cookies come with CSRF tokens.
func (a *API) find(r *http.Request) (s *session, bearer bool) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		cookie, err := r.Cookie(cookieName(r))
		if err != nil {
			return nil, false
		}
		token = cookie.Value
	}
	if s = a.sessions.find(token); s == nil || s.bearer != bearer {
		return nil, false
	}
	return s, bearer
}

// admitAll is admit without a password.
func (a *API) admitAll(r *http.Request) error {
	host := hostOf(r.Host)
	if !literal(host) && !a.cfg.Ops.KnownHost(host) {
		return problemf(http.StatusForbidden, codeForbid, "%q is not a name of this cluster", host).
			hinted("use an address, localhost, or the name that --advertise-http-addr has; with a password any name will do")
	}
	if change(r) && !(loopback(r.RemoteAddr) && loopback(localAddr(r))) {
		return problemf(http.StatusForbidden, codeForbid, "without a password changes are for this machine only").
			hinted("start the nodes with a password")
	}
	return nil
}

// sameSite refuses changes that a browser makes for a page of another site.
func sameSite(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return problemf(http.StatusForbidden, codeForbid, "the page of %q may change nothing here", origin)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	default:
		return problemf(http.StatusForbidden, codeForbid, "pages of other sites may change nothing here")
	}
}

// hostOf is a host without its port.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// literal says whether nobody else can make a host name mean this node.
func literal(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}

func loopback(hostport string) bool {
	ip, err := netip.ParseAddr(hostOf(hostport))
	return err == nil && ip.Unmap().IsLoopback()
}

// localAddr is where the request came in.
func localAddr(r *http.Request) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return addr.String()
	}
	return ""
}
