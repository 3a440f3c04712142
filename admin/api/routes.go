package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// route is one method of one path.
type route struct {
	method, pattern string
	// words is the CODIS.* command of a request; nil where handle answers itself.
	words func(r *http.Request) ([]string, error)
	// handle answers what is no command.
	handle func(a *API, w http.ResponseWriter, r *http.Request) error
	// open needs no session.
	open bool
	// status is that of success, 200 when it is 0.
	status int
	// takes is how long it may take: what looks at redis-servers takes longer.
	takes time.Duration
}

// How long requests may take. The operations have bounds of their own, which are
// below these, so that their errors are the ones that are seen.
const (
	takesShort   = 30 * time.Second
	takesServers = 90 * time.Second
	takesScan    = 11 * time.Minute
)

// command is a command without arguments.
func command(words ...string) func(*http.Request) ([]string, error) {
	return func(*http.Request) ([]string, error) { return words, nil }
}

// routes is the table of all that the API answers.
func routes() []route {
	return []route{
		{method: "GET", pattern: "/session", handle: (*API).showSession, open: true},
		{method: "POST", pattern: "/session", handle: (*API).login, open: true},
		{method: "DELETE", pattern: "/session", handle: (*API).logout, open: true},
		{method: "GET", pattern: "/events", handle: (*API).events},

		{method: "GET", pattern: "/overview", words: command(wordsOverview...)},
		{method: "GET", pattern: "/slots", words: command(wordsSlots...)},
		{method: "GET", pattern: "/slots/lookup", words: lookupKeys},
		{method: "GET", pattern: "/groups", words: command(wordsGroups...)},
		{method: "GET", pattern: "/nodes", words: command(wordsNodes...)},
		{method: "GET", pattern: "/jobs", words: command(wordsJobs...)},
		{method: "GET", pattern: "/jobs/{id}", words: showJob},
		{method: "GET", pattern: "/settings", words: command(wordsSettings...)},
		{method: "GET", pattern: "/history", words: showHistory},
		{method: "GET", pattern: "/fsck", words: command("CODIS.FSCK"), takes: takesScan},
		{method: "GET", pattern: "/export", words: command("CODIS.EXPORT")},
	}
}

// newMux leads paths to routes; wrong paths and methods are answered as problems.
func (a *API) newMux(list []route) *http.ServeMux {
	methods := map[string]map[string]route{}
	for _, rt := range list {
		if methods[rt.pattern] == nil {
			methods[rt.pattern] = map[string]route{}
		}
		methods[rt.pattern][rt.method] = rt
	}
	mux := http.NewServeMux()
	for pattern, by := range methods {
		allow := strings.Join(slices.Sorted(maps.Keys(by)), ", ")
		mux.HandleFunc(Prefix+pattern, func(w http.ResponseWriter, r *http.Request) {
			rt, ok := by[r.Method]
			if !ok {
				w.Header().Set("Allow", allow)
				writeProblem(w, problemf(http.StatusMethodNotAllowed, codeMethod, "%s is not for %s", r.Method, r.URL.Path).hinted("allowed: "+allow))
				return
			}
			if err := a.serve(w, r, rt); err != nil {
				writeProblem(w, err)
			}
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problemf(http.StatusNotFound, codeNotFound, "there is no %s", r.URL.Path).hinted(Prefix+"/openapi.json lists what there is"))
	})
	return mux
}

// serve runs one request of a route.
func (a *API) serve(w http.ResponseWriter, r *http.Request, rt route) error {
	if err := a.admit(r, rt); err != nil {
		return err
	}
	if err := takeBody(w, r); err != nil {
		return err
	}
	if rt.handle != nil {
		return rt.handle(a, w, r)
	}
	words, err := rt.words(r)
	if err != nil {
		return err
	}
	// The listener's deadline is for what is quick; a connection that has none is a test's.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(max(rt.takes, takesShort)))
	body, err := a.cfg.Ops.JSON(r.Context(), r.RemoteAddr+" http", words...)
	if err != nil {
		return err
	}
	writeJSON(w, max(rt.status, http.StatusOK), body)
	return nil
}
