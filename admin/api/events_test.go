package api

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// patience bounds waits: many tests share a small machine.
const patience = 20 * time.Second

// listener reads a stream.
type listener struct {
	response *http.Response
	lines    *bufio.Scanner
}

func newListener(t *testing.T, s *httptest.Server, cookies ...*http.Cookie) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+Prefix+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	// A stream that says nothing is cut, so that the test ends.
	timer := time.AfterFunc(patience, func() { response.Body.Close() })
	t.Cleanup(func() { timer.Stop() })
	return &listener{response: response, lines: bufio.NewScanner(response.Body)}
}

// next returns the next event, false at the end.
func (l *listener) next() (name, data string, ok bool) {
	for l.lines.Scan() {
		line := l.lines.Text()
		switch field, value, _ := strings.Cut(line, ": "); {
		case field == "event":
			name = value
		case field == "data":
			data = value
		case line == "" && name != "":
			return name, data, true
		}
	}
	return "", "", false
}

// mustNext reads until an event of a name comes.
func (l *listener) mustNext(t *testing.T, want string) string {
	t.Helper()
	for {
		name, data, ok := l.next()
		if !ok {
			t.Fatalf("the stream ended without %s", want)
		}
		if name == want {
			return data
		}
	}
}

func TestEventsAreTheAnswersOfGETs(t *testing.T) {
	ops := newFakeOps()
	for _, topic := range topics() {
		ops.set(strings.Join(topic.words, " "), fmt.Sprintf(`{"of":%q}`, topic.name))
	}
	s, _ := newServer(t, ops, "")
	l := newListener(t, s)
	seen := map[string]string{}
	for len(seen) < len(topics()) {
		name, data, ok := l.next()
		if !ok {
			t.Fatalf("the stream ended after %v", seen)
		}
		if seen[name] != "" {
			t.Errorf("%s came twice, and did not change", name)
		}
		seen[name] = data
		if r := send(t, s, request{method: "GET", path: "/" + name}); strings.TrimSpace(string(r.body)) != data {
			t.Errorf("%s: got %s, the GET says %s", name, data, r.body)
		}
	}
	ops.set("CODIS.SLOTS", `{"of":"change"}`)
	if name, data, ok := l.next(); name != "slots" || data != `{"of":"change"}` || !ok {
		t.Errorf("after the change: %s %s %v", name, data, ok)
	}
	// Who comes later gets what is known at once.
	if got := newListener(t, s).mustNext(t, "slots"); got != `{"of":"change"}` {
		t.Errorf("a second stream begins with %s", got)
	}
}

func TestEventsEndWithTheSession(t *testing.T) {
	s, _ := newServer(t, newFakeOps(), secret)
	cookie, _ := mustLogin(t, s)
	l := newListener(t, s, cookie)
	l.mustNext(t, "jobs")
	if r := send(t, s, request{method: "DELETE", path: "/session", cookies: []*http.Cookie{cookie}}); r.StatusCode != 204 {
		t.Fatalf("log out: %d", r.StatusCode)
	}
	for ok := true; ok; {
		_, _, ok = l.next()
	}
	if err := l.lines.Err(); err != nil {
		t.Errorf("the stream did not end, it was cut: %v", err)
	}
}

func TestEventsEndWithTheAPI(t *testing.T) {
	ops := newFakeOps()
	s, a := newServer(t, ops, "")
	l := newListener(t, s)
	l.mustNext(t, "jobs")
	a.Close()
	a.Close() // twice is fine
	for ok := true; ok; {
		_, _, ok = l.next()
	}
	if err := l.lines.Err(); err != nil {
		t.Errorf("the stream did not end, it was cut: %v", err)
	}
	if len(ops.watchers) != 0 {
		t.Errorf("%d subscriptions are left", len(ops.watchers))
	}
	if r := send(t, s, request{method: "GET", path: "/events"}); r.StatusCode != 503 {
		t.Errorf("after that: got %d", r.StatusCode)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s, a := newServer(t, newFakeOps(), "")
	for range maxStreams {
		a.streams <- struct{}{}
	}
	r := send(t, s, request{method: "GET", path: "/events"})
	if p := r.problem(t); r.StatusCode != 503 || p.Code != codeTooMany || r.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %+v", r.StatusCode, p)
	}
	<-a.streams
	newListener(t, s).mustNext(t, "slots")
}

// TestSlowReaderHasTheNewestOnly: what a stream has not sent costs one event a topic.
func TestSlowReaderHasTheNewestOnly(t *testing.T) {
	h := newHub(newFakeOps())
	w, _ := h.watch()
	for i := range 1000 {
		h.publish("slots", []byte(fmt.Sprint(i)))
		h.publish("groups", []byte(fmt.Sprint(i)))
	}
	got := h.take(w)
	if len(got) != 2 || got[0].name != "slots" || string(got[0].data) != "999" || string(got[1].data) != "999" {
		t.Errorf("got %d events: %+v", len(got), got)
	}
	if again := h.take(w); len(again) != 0 {
		t.Errorf("they come again: %+v", again)
	}
}
