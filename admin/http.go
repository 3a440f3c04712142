package admin

import (
	"fmt"
	"io"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// HTTPConfig holds what the HTTP handler shows.
type HTTPConfig struct {
	// Gatherer is where /metrics comes from.
	Gatherer prometheus.Gatherer
	// Ready says whether the node has the table and serves; if not, why. It is
	// called by any goroutine and must not block.
	Ready func() (ready bool, reason string)
	// API answers below /api/, and Page everything that nothing else answers; nil for
	// none. Both have methods and limits of their own.
	API, Page http.Handler
	// Pprof opens /debug/pprof.
	Pprof bool
}

// Limits of what is not the API's. Nothing of it has a body.
const (
	maxHTTPBody     = 64 << 10
	maxScrapes      = 4
	scrapeTimeout   = 10 * time.Second
	plainText       = "text/plain; charset=utf-8"
	pointerTemplate = "codis: see /healthz, /readyz and /metrics\n"
)

// NewHTTP returns the handler of the HTTP port: /healthz, /readyz, /metrics, the API,
// the page and, when asked for, /debug/pprof. It takes GET and HEAD only, but for the
// API.
func NewHTTP(cfg HTTPConfig) http.Handler {
	mux := http.NewServeMux()
	if cfg.Page != nil {
		mux.Handle("/", cfg.Page)
	} else {
		mux.HandleFunc("/{$}", text(http.StatusOK, pointerTemplate))
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			text(http.StatusNotFound, fmt.Sprintf("not found: %q\n", r.URL.Path))(w, r)
		})
	}
	mux.HandleFunc("/healthz", text(http.StatusOK, "ok\n"))
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if ready, reason := cfg.Ready(); !ready {
			text(http.StatusServiceUnavailable, "not ready: "+reason+"\n")(w, r)
			return
		}
		text(http.StatusOK, "ready\n")(w, r)
	})
	mux.Handle("/metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	}))
	if cfg.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return apiOr(cfg.API, readOnly(mux))
}

// apiOr leads what is below /api/ to the API, if there is one.
func apiOr(api, rest http.Handler) http.Handler {
	if api == nil {
		return rest
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			api.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// readOnly refuses what could change something, and bounds what is read.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			text(http.StatusMethodNotAllowed, "only GET and HEAD are allowed here\n")(w, r)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxHTTPBody)
		next.ServeHTTP(w, r)
	})
}

// text returns a handler that answers with one plain text.
func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", plainText)
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			// The client that went away is the only error, and it is gone.
			_, _ = io.WriteString(w, body)
		}
	}
}
