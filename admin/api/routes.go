package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// route is one method of one path.
type route struct {
	method, pattern string
	// ask is the CODIS.* command of a request; nil where handle answers itself.
	ask func(a *API, r *http.Request) (ask, error)
	// handle answers what is no command, or several.
	handle func(a *API, w http.ResponseWriter, r *http.Request) error
	// open needs no session.
	open bool
	// takes is how long it may take: what looks at redis-servers takes longer.
	takes time.Duration
}

// ask is a command, and what goes with its answer.
type ask struct {
	words []string
	// status is that of success, 200 when it is 0; location is where what was made is.
	status   int
	location string
	// job says that the answer names a job, or none when there is nothing to do.
	job bool
}

// How long requests may take. The operations have bounds of their own, which are
// below these, so that their errors are the ones that are seen.
const (
	takesShort   = 30 * time.Second
	takesServers = 90 * time.Second
	takesScan    = 11 * time.Minute
	// writeGrace is for writing the answer.
	writeGrace = 10 * time.Second
)

// command is a command without arguments.
func command(words ...string) func(*API, *http.Request) (ask, error) {
	return func(*API, *http.Request) (ask, error) { return ask{words: words}, nil }
}

// routes is the table of all that the API answers.
func routes() []route {
	return []route{
		{method: "GET", pattern: "/session", handle: (*API).showSession, open: true},
		{method: "POST", pattern: "/session", handle: (*API).login, open: true},
		{method: "DELETE", pattern: "/session", handle: (*API).logout, open: true},
		{method: "GET", pattern: "/events", handle: (*API).events},

		{method: "GET", pattern: "/openapi.json", handle: (*API).showDocument, open: true},
		{method: "GET", pattern: "/series", handle: (*API).showSeries},

		{method: "GET", pattern: "/overview", ask: command(wordsOverview...)},
		{method: "GET", pattern: "/slots", ask: command(wordsSlots...)},
		{method: "GET", pattern: "/slots/lookup", ask: lookupKeys},
		{method: "GET", pattern: "/groups", ask: command(wordsGroups...)},
		{method: "GET", pattern: "/nodes", ask: command(wordsNodes...)},
		{method: "GET", pattern: "/jobs", ask: command(wordsJobs...)},
		{method: "GET", pattern: "/jobs/{id}", ask: showJob},
		{method: "GET", pattern: "/settings", ask: command(wordsSettings...)},
		{method: "GET", pattern: "/history", ask: showHistory},
		{method: "GET", pattern: "/fsck", ask: command("CODIS.FSCK"), takes: takesScan},
		{method: "GET", pattern: "/export", ask: command("CODIS.EXPORT")},

		{method: "POST", pattern: "/groups", ask: addGroup, takes: takesServers},
		{method: "DELETE", pattern: "/groups/{id}", ask: deleteGroup},
		{method: "PUT", pattern: "/groups/{id}/auth", ask: setGroupAuth, takes: takesServers},
		{method: "POST", pattern: "/groups/{id}/servers", ask: attachServer, takes: takesServers},
		{method: "DELETE", pattern: "/groups/{id}/servers/{addr}", ask: detachServer},
		{method: "PUT", pattern: "/groups/{id}/servers/{addr}/zone", ask: setZone},
		{method: "POST", pattern: "/groups/{id}/promote", ask: turnGroup("PROMOTE"), takes: takesServers},
		{method: "POST", pattern: "/groups/{id}/replace", ask: turnGroup("REPLACE"), takes: takesServers},
		{method: "DELETE", pattern: "/nodes/{id}", ask: removeNode},
		{method: "POST", pattern: "/nodes/{id}/transfer", ask: transferLeadership},
		{method: "POST", pattern: "/slots/assign", ask: assignSlots, takes: takesServers},
		{method: "POST", pattern: "/migrations", ask: migrate, takes: takesScan},
		{method: "POST", pattern: "/rebalance", ask: rebalance, takes: takesScan},
		{method: "POST", pattern: "/jobs/{id}/pause", ask: changeJob("PAUSE")},
		{method: "POST", pattern: "/jobs/{id}/resume", ask: changeJob("RESUME")},
		{method: "POST", pattern: "/jobs/{id}/cancel", ask: changeJob("CANCEL")},
		{method: "POST", pattern: "/jobs/{id}/force", ask: changeJob("FORCE")},
		{method: "PATCH", pattern: "/jobs/{id}", ask: limitJob},
		{method: "PATCH", pattern: "/settings", handle: (*API).setSettings, takes: takesServers},
		{method: "POST", pattern: "/import", ask: importCluster, takes: takesScan},
		{method: "POST", pattern: "/fsck/repair", ask: repair, takes: takesScan},
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
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet // the server leaves the body out
			}
			rt, ok := by[method]
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
	// The listener's deadlines are for what is quick; a connection that has none is a test's.
	takes := max(rt.takes, takesShort)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(takes + writeGrace))
	if rt.handle != nil {
		return rt.handle(a, w, r)
	}
	q, err := rt.ask(a, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), takes)
	defer cancel()
	answer, err := a.cfg.Ops.JSON(ctx, caller(r), q.words...)
	if err != nil {
		return err
	}
	q.write(w, answer)
	return nil
}

// caller names who asks, for the history.
func caller(r *http.Request) string { return r.RemoteAddr + " http" }

// write answers with what the command has come to.
func (q ask) write(w http.ResponseWriter, answer []byte) {
	var made struct {
		Job *uint64 `json:"job"`
	}
	if q.job && json.Unmarshal(answer, &made) == nil && made.Job != nil {
		q.status, q.location = http.StatusAccepted, fmt.Sprintf("%s/jobs/%d", Prefix, *made.Job)
	}
	if q.location != "" {
		w.Header().Set("Location", q.location)
	}
	writeJSON(w, max(q.status, http.StatusOK), answer)
}
