package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const secret = "correct horse"

// mustLogin opens a session with a cookie.
func mustLogin(t *testing.T, s *httptest.Server) (*http.Cookie, string) {
	t.Helper()
	r := send(t, s, request{method: "POST", path: "/session", body: `{"password":"` + secret + `"}`})
	var v loginView
	if err := json.Unmarshal(r.body, &v); err != nil || r.StatusCode != 200 || v.CSRF == nil || len(r.Cookies()) != 1 {
		t.Fatalf("log in: %d %s", r.StatusCode, r.body)
	}
	return r.Cookies()[0], *v.CSRF
}

func TestCookieSession(t *testing.T) {
	s, _ := newServer(t, newFakeOps(), secret)
	cookie, csrf := mustLogin(t, s)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != Prefix || cookie.MaxAge <= 0 {
		t.Errorf("the cookie is %s", cookie)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	if cookie.Name != "codis_session_"+port {
		t.Errorf("the cookie of port %s is %s: nodes on one host would share it", port, cookie.Name)
	}
	with := []*http.Cookie{cookie}
	tests := []struct {
		name string
		q    request
		want int
	}{
		{"read", request{method: "GET", path: "/slots", cookies: with}, 200},
		{"read without", request{method: "GET", path: "/slots"}, 401},
		{"events without", request{method: "GET", path: "/events"}, 401},
		{"change", request{method: "POST", path: "/jobs/1/pause", cookies: with, header: map[string]string{headerCSRF: csrf}}, 200},
		{"change without CSRF token", request{method: "POST", path: "/jobs/1/pause", cookies: with}, 403},
		{"change with another CSRF token", request{method: "POST", path: "/jobs/1/pause", cookies: with, header: map[string]string{headerCSRF: newToken()}}, 403},
		{"change without cookie", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{headerCSRF: csrf}}, 401},
		{"change from another origin", request{method: "POST", path: "/jobs/1/pause", cookies: with,
			header: map[string]string{headerCSRF: csrf, "Origin": "http://evil.example"}}, 403},
		{"change from another site", request{method: "POST", path: "/jobs/1/pause", cookies: with,
			header: map[string]string{headerCSRF: csrf, "Sec-Fetch-Site": "cross-site"}}, 403},
		{"the cookie's token as bearer", request{method: "GET", path: "/slots", header: map[string]string{"Authorization": "Bearer " + cookie.Value}}, 401},
		{"a name that is not the cluster's", request{method: "GET", path: "/slots", cookies: with, host: "dashboard.example"}, 200},
		{"log out", request{method: "DELETE", path: "/session", cookies: with}, 204},
		{"read after that", request{method: "GET", path: "/slots", cookies: with}, 401},
	}
	for _, tt := range tests {
		if r := send(t, s, tt.q); r.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d: %s", tt.name, r.StatusCode, tt.want, r.body)
		}
	}
}

func TestBearerSession(t *testing.T) {
	s, _ := newServer(t, newFakeOps(), secret)
	r := send(t, s, request{method: "POST", path: "/session", body: `{"password":"` + secret + `","bearer":true}`})
	var v loginView
	if err := json.Unmarshal(r.body, &v); err != nil || v.Token == nil || len(r.Cookies()) != 0 {
		t.Fatalf("log in: %d %s, %d cookies", r.StatusCode, r.body, len(r.Cookies()))
	}
	bearer := map[string]string{"Authorization": "Bearer " + *v.Token}
	if r := send(t, s, request{method: "POST", path: "/jobs/1/pause", header: bearer}); r.StatusCode != 200 {
		t.Errorf("change: got %d: %s", r.StatusCode, r.body)
	}
	cookie := &http.Cookie{Name: "codis_session_" + s.URL[strings.LastIndexByte(s.URL, ':')+1:], Value: *v.Token}
	if r := send(t, s, request{method: "GET", path: "/slots", cookies: []*http.Cookie{cookie}}); r.StatusCode != 401 {
		t.Errorf("the bearer token as a cookie: got %d", r.StatusCode)
	}
	if r := send(t, s, request{method: "DELETE", path: "/session", header: bearer}); r.StatusCode != 204 {
		t.Errorf("log out: got %d", r.StatusCode)
	}
	if r := send(t, s, request{method: "GET", path: "/slots", header: bearer}); r.StatusCode != 401 {
		t.Errorf("after the log-out: got %d", r.StatusCode)
	}
}

func TestWrongPassword(t *testing.T) {
	s, _ := newServer(t, newFakeOps(), secret)
	for _, body := range []string{`{"password":"wrong"}`, `{"password":""}`, `{}`} {
		r := send(t, s, request{method: "POST", path: "/session", body: body})
		if p := r.problem(t); r.StatusCode != 401 || p.Code != codeLogin || len(r.Cookies()) != 0 {
			t.Errorf("%s: got %d %+v", body, r.StatusCode, p)
		}
	}
}

// TestGuessingIsSlow: each wrong password costs more, and nothing is gained by asking
// twice at a time.
func TestGuessingIsSlow(t *testing.T) {
	s, a := newServer(t, newFakeOps(), secret)
	for range 2 {
		send(t, s, request{method: "POST", path: "/session", body: `{"password":"wrong"}`})
	}
	begin := time.Now()
	send(t, s, request{method: "POST", path: "/session", body: `{"password":"wrong"}`})
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("the third wrong password cost %v", took)
	}
	if !a.attempts.begin("127.0.0.1:1") {
		t.Fatal("an attempt goes on for ever")
	}
	r := send(t, s, request{method: "POST", path: "/session", body: `{"password":"` + secret + `"}`})
	if p := r.problem(t); r.StatusCode != 429 || p.Code != codeTooMany || r.Header.Get("Retry-After") == "" {
		t.Errorf("a second attempt at the same time: got %d %+v", r.StatusCode, p)
	}
	a.attempts.end("127.0.0.1:2")
	mustLogin(t, s)
	for i := range 2 * maxAttempts {
		a.attempts.begin(fmt.Sprintf("10.0.0.%d:1", i))
	}
	if n := len(a.attempts.hosts); n != maxAttempts {
		t.Errorf("%d hosts try at the same time", n)
	}
}

func TestWithoutAPassword(t *testing.T) {
	s, _ := newServer(t, newFakeOps(), "")
	tests := []struct {
		name string
		q    request
		want int
	}{
		{"read", request{method: "GET", path: "/slots"}, 200},
		{"change", request{method: "POST", path: "/jobs/1/pause"}, 200},
		{"localhost", request{method: "GET", path: "/slots", host: "localhost:80"}, 200},
		{"IPv6", request{method: "GET", path: "/slots", host: "[::1]"}, 200},
		{"a node's name", request{method: "POST", path: "/jobs/1/pause", host: "codis.example:39000"}, 200},
		{"another name, as in DNS rebinding", request{method: "GET", path: "/slots", host: "evil.example:39000"}, 403},
		{"the page of another origin", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{"Origin": "http://evil.example"}}, 403},
		{"an origin of another port", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{"Origin": "http://127.0.0.1:1"}}, 403},
		{"an opaque origin", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{"Origin": "null"}}, 403},
		{"the same origin", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{"Origin": s.URL}}, 200},
		{"a form", request{method: "POST", path: "/jobs/1/pause", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415},
	}
	for _, tt := range tests {
		if r := send(t, s, tt.q); r.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d: %s", tt.name, r.StatusCode, tt.want, r.body)
		}
	}
}

// TestChangesFromElsewhere: without a password only this machine may change.
func TestChangesFromElsewhere(t *testing.T) {
	_, a := newServer(t, newFakeOps(), "")
	for method, want := range map[string]int{"GET": 200, "POST": 403} {
		r := httptest.NewRequest(method, Prefix+"/slots", nil)
		if method == "POST" {
			r = httptest.NewRequest(method, Prefix+"/jobs/1/pause", nil)
			r.Header.Set("Content-Type", "application/json")
		}
		r.Host, r.RemoteAddr = "10.0.0.1:39000", "10.0.0.9:5000"
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", method, w.Code, want)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := newSessions(func() time.Time { return now })
	idle, _ := l.open(false)
	busy, s := l.open(false)
	for range int(maxAge/maxIdle) - 1 {
		now = now.Add(maxIdle - time.Minute)
		if l.find(busy) == nil {
			t.Fatal("a session that is used is over")
		}
	}
	if l.find(idle) != nil {
		t.Error("an idle session lives")
	}
	now = s.expires
	if l.find(busy) != nil || l.keep(s) {
		t.Error("a session lives for ever")
	}
	select {
	case <-s.over:
	default:
		t.Error("its streams go on")
	}
	var first string
	for i := range maxSessions + 1 {
		now = now.Add(time.Millisecond)
		if token, _ := l.open(false); i == 0 {
			first = token
		}
	}
	if len(l.live) != maxSessions || l.find(first) != nil {
		t.Errorf("%d sessions live, the oldest too: %v", len(l.live), l.find(first) != nil)
	}
}
