package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"codis/admin"
)

// fakeOps records the commands that it is asked for; the real operations are behind
// the API in the tests of the main package.
type fakeOps struct {
	mu       sync.Mutex
	asked    []string
	callers  []string
	answers  map[string]string // by command; others are answered with {"notes":[]}
	err      error
	watchers map[chan struct{}]bool
	figures  admin.Figures
}

func newFakeOps() *fakeOps {
	return &fakeOps{answers: map[string]string{"CODIS.GROUPS": `[{"id":1},{"id":4}]`}, watchers: map[chan struct{}]bool{}}
}

func (o *fakeOps) JSON(_ context.Context, caller string, words ...string) (json.RawMessage, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	command := strings.Join(words, " ")
	if caller != "events" {
		o.asked = append(o.asked, command)
		o.callers = append(o.callers, caller)
	}
	if o.err != nil {
		return nil, o.err
	}
	if text, ok := o.answers[command]; ok {
		return json.RawMessage(text), nil
	}
	return json.RawMessage(`{"notes":[]}`), nil
}

func (o *fakeOps) Nodes(context.Context, admin.NodesQuery) (admin.NodeList, error) {
	return admin.NodeList{{Self: true, Figures: &o.figures}}, nil
}

func (o *fakeOps) Subscribe() (<-chan struct{}, func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	changed := make(chan struct{}, 1)
	o.watchers[changed] = true
	return changed, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.watchers, changed)
	}
}

func (o *fakeOps) KnownHost(host string) bool { return host == "codis.example" }

// set changes an answer and says that the table has changed.
func (o *fakeOps) set(command, answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[command] = answer
	for changed := range o.watchers {
		notify(changed)
	}
}

// take returns what was asked for since the last time.
func (o *fakeOps) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked := o.asked
	o.asked = nil
	return asked
}

// newServer is a real listener on loopback with the API over ops.
func newServer(tb testing.TB, ops *fakeOps, password string) (*httptest.Server, *API) {
	tb.Helper()
	a, err := New(Config{Ops: ops, NodeID: "n1", Version: "1.0.0", Password: password,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		tb.Fatal(err)
	}
	s := httptest.NewServer(a)
	tb.Cleanup(func() {
		a.Close()
		s.Close()
	})
	return s, a
}

// answered is a response that has been read.
type answered struct {
	*http.Response
	body []byte
}

// problem reads the body as a problem.
func (r answered) problem(tb testing.TB) problem {
	tb.Helper()
	var p problem
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		tb.Fatalf("the answer is %s: %s", got, r.body)
	}
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.Status != r.StatusCode || p.Title == "" || p.Detail == "" || p.Code == "" {
		tb.Fatalf("status %d, problem %s: %v", r.StatusCode, r.body, err)
	}
	return p
}

// request is one request; what is empty is left out.
type request struct {
	method, path, body string
	header             map[string]string
	host               string
	cookies            []*http.Cookie
}

// send sends it, as JSON unless a header says otherwise.
func send(tb testing.TB, s *httptest.Server, q request) answered {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), q.method, s.URL+Prefix+q.path, strings.NewReader(q.body))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	for _, c := range q.cookies {
		r.AddCookie(c)
	}
	if q.host != "" {
		r.Host = q.host
	}
	response, err := s.Client().Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answered{Response: response, body: body}
}
