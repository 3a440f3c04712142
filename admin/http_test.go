package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// startHTTP serves cfg on a free port and returns the base URL.
func startHTTP(t *testing.T, cfg HTTPConfig) string {
	t.Helper()
	if cfg.Gatherer == nil {
		cfg.Gatherer = prometheus.NewRegistry()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := StartHTTP(ln, NewHTTP(cfg), slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		// t.Context is over by now. Close may be called twice.
		for range 2 {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if err := s.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return "http://" + s.Addr().String()
}

func TestHTTP(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "codis_test"}, func() float64 { return 7 }))
	ready := startHTTP(t, HTTPConfig{Gatherer: registry, Ready: func() (bool, string) { return true, "" }})
	waiting := startHTTP(t, HTTPConfig{Ready: func() (bool, string) { return false, "no table yet" }, Pprof: true})
	tests := []struct {
		name, method, url string
		status            int
		body              string
	}{
		{"alive", "GET", ready + "/healthz", 200, "ok\n"},
		{"alive though not ready", "GET", waiting + "/healthz", 200, "ok\n"},
		{"ready", "GET", ready + "/readyz", 200, "ready\n"},
		{"not ready", "GET", waiting + "/readyz", 503, "not ready: no table yet\n"},
		{"metrics", "GET", ready + "/metrics", 200, "codis_test 7\n"},
		{"pointer", "GET", ready + "/", 200, "/metrics"},
		{"not found", "GET", ready + "/nothing", 404, "not found: \"/nothing\"\n"},
		{"head", "HEAD", ready + "/healthz", 200, ""},
		{"post", "POST", ready + "/readyz", 405, "only GET and HEAD"},
		{"delete", "DELETE", ready + "/nothing", 405, "only GET and HEAD"},
		{"pprof is off", "GET", ready + "/debug/pprof/", 404, "not found"},
		{"pprof is on", "GET", waiting + "/debug/pprof/", 200, "goroutine"},
		{"header too large", "GET", ready + "/healthz?" + strings.Repeat("x", 64<<10), 431, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != tt.status || !strings.Contains(string(body), tt.body) {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, body, tt.status, tt.body)
			}
			if res.StatusCode == 404 && res.Header.Get("Content-Type") != plainText {
				t.Errorf("content type %q", res.Header.Get("Content-Type"))
			}
		})
	}
}

func TestHTTPCloseCutsWhatHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	s := StartHTTP(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}), slog.New(slog.NewTextHandler(io.Discard, nil)))
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err == nil {
		t.Error("no error though a request was cut")
	}
}
