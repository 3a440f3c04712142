package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequests: whatever comes, the answer is JSON, and a refusal is a problem.
func FuzzRequests(f *testing.F) {
	for _, rt := range routes() {
		path := strings.NewReplacer("{id}", "1", "{addr}", "h:1").Replace(rt.pattern)
		f.Add(rt.method, path, "", "application/json")
		f.Add(rt.method, path, `{"start":1,"end":2,"group":3,"servers":["a:1"],"weights":{"1":2},"timeout":"5s","auth":{"password":"x"}}`, "application/json")
	}
	f.Add("POST", "/groups/%00/servers", "null", "application/json; charset=x")
	ops := newFakeOps()
	_, a := newServer(f, ops, "")
	f.Fuzz(func(t *testing.T, method, path, body, kind string) {
		if path == "/events" {
			t.Skip("a stream has no end")
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+Prefix+path, strings.NewReader(body))
		if err != nil || r.URL.Path == Prefix+"/events" {
			t.Skip()
		}
		r.RemoteAddr = "127.0.0.1:5000"
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		ops.take()
		switch got := w.Header().Get("Content-Type"); {
		case w.Code == http.StatusNoContent || w.Code/100 == 3: // a log-out, or a path that is not clean
		case w.Code/100 == 2 && got != "application/json", w.Code/100 > 3 && got != "application/problem+json":
			t.Errorf("status %d with %q", w.Code, got)
		case !json.Valid(w.Body.Bytes()):
			t.Errorf("no JSON: %q", w.Body)
		}
	})
}
