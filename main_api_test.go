package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"codis/admin/api"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// apiClient asks nodes over HTTP and holds every answer against the OpenAPI document.
type apiClient struct {
	tb     testing.TB
	doc    *openapi3.T
	routes routers.Router
	node   *Node
	header http.Header
	// answered has the operations that were answered without an error.
	answered map[string]bool
}

func newAPIClient(tb testing.TB, node *Node) *apiClient {
	tb.Helper()
	text, err := os.ReadFile("admin/api/openapi.json")
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		tb.Fatal(err)
	}
	c := &apiClient{tb: tb, doc: doc, header: http.Header{}, answered: map[string]bool{}}
	c.use(node)
	return c
}

// use goes on at another node, with nothing known of earlier ones.
func (c *apiClient) use(node *Node) {
	c.tb.Helper()
	c.doc.Servers = openapi3.Servers{{URL: "http://" + node.Config.HTTPAddr + api.Prefix}}
	routes, err := legacy.NewRouter(c.doc)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.routes, c.node, c.header = routes, node, http.Header{}
}

// ask sends "METHOD /path" with a body and returns the answer, which must be as it is
// documented and of the status.
func (c *apiClient) ask(status int, request, body string) []byte {
	c.tb.Helper()
	r := c.request(request, body)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.tb.Fatalf("%s: %v", request, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		c.tb.Fatalf("%s: %v", request, err)
	}
	if response.StatusCode != status {
		c.tb.Fatalf("%s %s: status %d, want %d: %s", request, body, response.StatusCode, status, answer)
	}
	c.check(c.request(request, body), response, answer)
	if cookies := response.Cookies(); len(cookies) > 0 {
		c.header.Set("Cookie", cookies[0].Name+"="+cookies[0].Value)
	}
	return answer
}

func (c *apiClient) request(request, body string) *http.Request {
	c.tb.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(within(c.tb, patience), method, "http://"+c.node.Config.HTTPAddr+api.Prefix+path, strings.NewReader(body))
	if err != nil {
		c.tb.Fatal(err)
	}
	r.Header = c.header.Clone()
	if method != http.MethodGet && method != http.MethodDelete {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// check holds an answer against the document.
func (c *apiClient) check(r *http.Request, response *http.Response, answer []byte) {
	c.tb.Helper()
	route, params, err := c.routes.FindRoute(r)
	if err != nil {
		c.tb.Fatalf("%s %s is not documented: %v", r.Method, r.URL, err)
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if response.StatusCode/100 == 2 {
		c.answered[route.Operation.OperationID] = true
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			c.tb.Errorf("%s %s was answered, but is not as documented: %v", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: response.StatusCode, Header: response.Header, Options: options}
	out.SetBodyBytes(answer)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		c.tb.Errorf("the answer of %s %s is not as documented: %v\n%s", r.Method, r.URL, err, answer)
	}
}

// mustRead asks for a value.
func mustRead[T any](c *apiClient, request string) T {
	c.tb.Helper()
	var v T
	if err := json.Unmarshal(c.ask(200, request, ""), &v); err != nil {
		c.tb.Fatalf("%s: %v", request, err)
	}
	return v
}

type apiJob struct {
	State     string `json:"state"`
	SlotsDone int    `json:"slots_done"`
	Options   struct {
		KeysPerSecond int `json:"keys_per_second"`
	} `json:"options"`
	Batches []struct {
		Phase string `json:"phase"`
	} `json:"batches"`
}

// mustJob asks for a job and returns its path.
func (c *apiClient) mustJob(request, body string) string {
	c.tb.Helper()
	var made struct {
		Job uint64 `json:"job"`
	}
	if err := json.Unmarshal(c.ask(202, request, body), &made); err != nil || made.Job == 0 {
		c.tb.Fatalf("%s: job %d, %v", request, made.Job, err)
	}
	return fmt.Sprintf("/jobs/%d", made.Job)
}

func (c *apiClient) waitJob(job string, states ...string) apiJob {
	c.tb.Helper()
	var j apiJob
	waitFor(c.tb, job+" to be "+strings.Join(states, " or "), func() error {
		j = mustRead[apiJob](c, "GET "+job)
		for _, state := range states {
			if j.State == state {
				return nil
			}
		}
		return fmt.Errorf("it is %s, %d slots done", j.State, j.SlotsDone)
	})
	return j
}

// TestAPI does by HTTP, at a node that does not lead, all that can be done to a real
// cluster. Every answer is as the OpenAPI document says, and every operation of the
// document has been answered in the end.
func TestAPI(t *testing.T) {
	one, two, three, replica := resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 3, []string{one.Addr}, []string{two.Addr})
	for i := range 50 {
		do(t, c.addr(0), "SET", fmt.Sprint("key", i), "v")
	}
	a := newAPIClient(t, c.nodes[1])
	apiReads(a)
	apiMoves(a)
	apiGroups(a, three, replica)
	apiSettings(a, one, two)
	apiRefusals(a)
	apiNodes(a, c)
	apiSession(a)
	a.answered["events"] = true // see TestAPIEvents
	doc := mustRead[struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}](a, "GET /openapi.json")
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if !a.answered[op.OperationID] {
				t.Errorf("%s %s was never answered", method, path)
			}
		}
	}
}

func apiReads(a *apiClient) {
	a.tb.Helper()
	for _, path := range []string{"/session", "/overview", "/slots", "/groups", "/nodes", "/jobs", "/settings", "/history", "/history?count=2",
		"/slots/lookup?key=a&key=b", "/fsck", "/export", "/series", "/openapi.json"} {
		a.ask(200, "GET "+path, "")
	}
	waitFor(a.tb, "figures of all nodes", func() error {
		o := mustRead[struct {
			Health string `json:"health"`
			Totals struct {
				Nodes        int      `json:"nodes"`
				OpsPerSecond *float64 `json:"ops_per_second"`
			} `json:"totals"`
		}](a, "GET /overview")
		if o.Totals.Nodes != 3 || o.Totals.OpsPerSecond == nil || o.Health != "ok" {
			return fmt.Errorf("%+v", o)
		}
		return nil
	})
	waitFor(a.tb, "a sample of the series", func() error {
		s := mustRead[struct {
			At   []int64               `json:"at"`
			Node map[string][]*float64 `json:"node"`
		}](a, "GET /series")
		if len(s.At) == 0 || s.Node["clients"][len(s.At)-1] == nil {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
}

func apiMoves(a *apiClient) {
	a.tb.Helper()
	a.ask(200, "POST /migrations", `{"start":0,"end":9,"group":2,"dry_run":true}`)
	a.ask(200, "POST /rebalance", `{"by":"keys","dry_run":true}`)
	a.waitJob(a.mustJob("POST /migrations", `{"start":0,"end":9,"group":2}`), "done")
	a.waitJob(a.mustJob("POST /rebalance", `{}`), "done")
	a.ask(200, "POST /rebalance", `{}`)
	// One key a second: this one does not end by itself.
	job := a.mustJob("POST /migrations", `{"from":1,"to":2,"count":400,"keys_per_second":1}`)
	a.ask(200, "POST "+job+"/pause", "")
	a.waitJob(job, "paused")
	a.ask(200, "PATCH "+job, `{"keys_per_second":2}`)
	if got := mustRead[apiJob](a, "GET "+job).Options.KeysPerSecond; got != 2 {
		a.tb.Errorf("the limit is %d", got)
	}
	a.ask(200, "POST "+job+"/resume", "{}")
	waitFor(a.tb, "slots to be under way", func() error {
		if b := mustRead[apiJob](a, "GET "+job).Batches; len(b) == 0 || b[0].Phase != "migrating" {
			return fmt.Errorf("batches: %+v", b)
		}
		return nil
	})
	a.ask(200, "POST "+job+"/force", "")
	a.ask(200, "PATCH "+job, `{"keys_per_second":0}`)
	a.ask(200, "POST "+job+"/cancel", "")
	a.waitJob(job, "cancelled", "done")
	waitFor(a.tb, "no job to be left", func() error {
		for _, j := range mustRead[[]apiJob](a, "GET /jobs") {
			if j.State == "running" || j.State == "cancelling" {
				return fmt.Errorf("one is %s", j.State)
			}
		}
		return nil
	})
	a.ask(200, "POST /fsck/repair", `{"orphans":true}`)
}

// waitReplica waits until a group has a replica with its master's history: that has
// another name from its first replica on, and after each promotion.
func (c *apiClient) waitReplica(group int) {
	c.tb.Helper()
	waitFor(c.tb, "a replica that can be promoted", func() error {
		for _, g := range mustRead[[]struct {
			ID       int `json:"id"`
			Failover *struct {
				Possible bool   `json:"possible"`
				Why      string `json:"why"`
			} `json:"failover"`
		}](c, "GET /groups") {
			if g.ID != group || g.Failover == nil {
				continue
			}
			if !g.Failover.Possible {
				return errors.New(g.Failover.Why)
			}
			return nil
		}
		return errors.New("nobody knows")
	})
}

func apiGroups(a *apiClient, first, second *resptest.Server) {
	a.tb.Helper()
	master, replica := first.Addr, second.Addr
	a.ask(201, "POST /groups", fmt.Sprintf(`{"servers":[%q]}`, master))
	a.ask(200, "POST /groups/3/servers", fmt.Sprintf(`{"addr":%q}`, replica))
	a.ask(200, "PUT /groups/3/servers/"+replica+"/zone", `{"zone":"z1"}`)
	a.ask(200, "PUT /groups/3/auth", `{"password":""}`)
	a.waitReplica(3)
	var turned struct {
		PauseMS   *int64 `json:"pause_ms"`
		LostBytes *int64 `json:"lost_bytes"`
	}
	if err := json.Unmarshal(a.ask(200, "POST /groups/3/promote", fmt.Sprintf(`{"addr":%q}`, replica)), &turned); err != nil || turned.PauseMS == nil {
		a.tb.Errorf("promoted: %+v, %v", turned, err)
	}
	a.waitReplica(3)
	a.ask(200, "POST /groups/3/promote", fmt.Sprintf(`{"addr":%q}`, master))
	a.ask(400, "POST /groups/3/replace", fmt.Sprintf(`{"addr":%q}`, replica))
	a.ask(200, "POST /slots/assign", `{"auto":true}`)
	groups := mustRead[[]struct {
		ID      int               `json:"id"`
		Servers []json.RawMessage `json:"servers"`
	}](a, "GET /groups")
	if len(groups) != 3 || groups[2].ID != 3 || len(groups[2].Servers) != 2 {
		a.tb.Errorf("the groups are %+v", groups)
	}
	a.ask(200, "DELETE /groups/3/servers/"+replica+"?force=true", "")
	// Its master is lost for good; another server takes its place.
	first.Kill()
	waitFor(a.tb, "the master to be down", func() error {
		if text := a.ask(200, "GET /groups", ""); !bytes.Contains(text, []byte(`"state":"down"`)) {
			return errors.New("it is not")
		}
		return nil
	})
	do(a.tb, replica, "REPLICAOF", "NO", "ONE")
	a.ask(200, "POST /groups/3/replace", fmt.Sprintf(`{"addr":%q,"force":true}`, replica))
	a.ask(200, "DELETE /groups/3", "")
}

func apiSettings(a *apiClient, masters ...*resptest.Server) {
	a.tb.Helper()
	// A password that no server takes is refused. These connections stay logged in.
	var open []*resp.Client
	for _, master := range masters {
		open = append(open, master.Client(a.tb))
	}
	require := func(password string) {
		for _, client := range open {
			if _, err := client.Do(a.tb.Context(), "CONFIG", "SET", "requirepass", password); err != nil {
				a.tb.Fatal(err)
			}
		}
	}
	a.ask(422, "PATCH /settings", `{"backend-password":"HUNTER"}`)
	require("HUNTER")
	a.ask(200, "PATCH /settings", `{"read-from":"replica","backend-password":"HUNTER"}`)
	if text := a.ask(200, "GET /settings", ""); bytes.Contains(text, []byte("HUNTER")) {
		a.tb.Errorf("a secret is shown: %s", text)
	}
	require("")
	a.ask(200, "PATCH /settings", `{"read-from":"master","backend-password":""}`)
}

// apiRefusals: a refusal of the leader comes with its code and hint apart.
func apiRefusals(a *apiClient) {
	a.tb.Helper()
	for request, want := range map[string]struct {
		status int
		code   string
	}{
		"GET /jobs/999": {404, "NOJOB"}, "DELETE /groups/99": {404, "NOGROUP"}, "DELETE /nodes/nobody": {404, "NONODE"},
		"DELETE /groups/1": {409, "BUSY"}, "GET /history?count=x": {400, "BADARG"},
	} {
		var p struct{ Code, Detail, Hint string }
		if err := json.Unmarshal(a.ask(want.status, request, ""), &p); err != nil || p.Code != want.code || strings.HasSuffix(p.Detail, p.Hint) && p.Hint != "" {
			a.tb.Errorf("%s: %+v, %v", request, p, err)
		}
	}
	a.ask(422, "POST /groups", `{"servers":["127.0.0.1:1"]}`)
}

func apiNodes(a *apiClient, c *cluster) {
	a.tb.Helper()
	a.ask(200, "POST /nodes/n2/transfer", "")
	waitFor(a.tb, "n2 to lead", func() error {
		o := mustRead[struct {
			LeaderID *string `json:"leader_id"`
		}](a, "GET /overview")
		if o.LeaderID == nil || *o.LeaderID != "n2" {
			return fmt.Errorf("the leader is %v", o.LeaderID)
		}
		return nil
	})
	c.stop(2)
	a.ask(200, "DELETE /nodes/n3?force=true", "")
	if nodes := mustRead[[]json.RawMessage](a, "GET /nodes"); len(nodes) != 2 {
		a.tb.Errorf("%d nodes are left", len(nodes))
	}
}

// apiSession goes on at a node that has a password.
func apiSession(a *apiClient) {
	a.tb.Helper()
	cfg := newConfig(a.tb)
	cfg.Password, cfg.AdminPassword = "for clients", "for people"
	node, err := Start(a.tb.Context(), cfg, testLogger(a.tb, "alone"))
	if err != nil {
		a.tb.Fatal(err)
	}
	a.tb.Cleanup(func() { _ = node.Close(within(a.tb, patience)) })
	defer a.use(a.node)
	a.use(node)
	a.ask(401, "GET /slots", "")
	a.ask(401, "POST /session", `{"password":"for clients"}`)
	var login struct{ CSRF string }
	if err := json.Unmarshal(a.ask(200, "POST /session", `{"password":"for people"}`), &login); err != nil {
		a.tb.Fatal(err)
	}
	a.ask(200, "GET /slots", "")
	a.ask(403, "PATCH /settings", `{"timeout":"5m"}`)
	a.header.Set("X-CSRF-Token", login.CSRF)
	waitFor(a.tb, "the node to lead", func() error {
		if !node.store.IsLeader() {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	a.ask(200, "PATCH /settings", `{"timeout":"5m"}`)
	server := resptest.StartRedis(a.tb)
	text := fmt.Sprintf(`{"codis_export":1,"groups":[{"id":1,"master":%q,"servers":[{"addr":%q}]}],"slots":[{"start":0,"end":1023,"group":1}]}`, server.Addr, server.Addr)
	a.ask(200, "POST /import?dry_run=true", text)
	a.ask(200, "POST /import", text)
	if o := a.ask(200, "GET /overview", ""); !bytes.Contains(o, []byte(`"slots_assigned":1024`)) {
		a.tb.Errorf("after the import: %s", o)
	}
	a.ask(204, "DELETE /session", "")
}

// TestAPIEvents: a job that one node is told of shows at another one, live.
func TestAPIEvents(t *testing.T) {
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 2, []string{one.Addr}, []string{two.Addr})
	r, err := http.NewRequestWithContext(within(t, 2*patience), "GET", "http://"+c.nodes[1].Config.HTTPAddr+api.Prefix+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	newAPIClient(t, c.nodes[0]).mustJob("POST /migrations", `{"start":0,"end":99,"group":2}`)
	want := map[string]func(data string) bool{
		"jobs": func(data string) bool { return strings.Contains(data, `"state":"done"`) },
		"slots": func(data string) bool {
			return strings.HasPrefix(data[strings.Index(data, "["):], `[{"start":0,"end":99,"phase":"serving","group":2`)
		},
		"history": func(data string) bool { return strings.Contains(data, "is done") },
		"nodes":   func(data string) bool { return strings.Contains(data, `"up":true`) },
	}
	name := ""
	lines := bufio.NewScanner(stream.Body)
	lines.Buffer(nil, 1<<20)
	for len(want) > 0 {
		if !lines.Scan() {
			t.Fatalf("the stream ended, %d events are missing: %v", len(want), lines.Err())
		}
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			if seen := want[name]; seen != nil && seen(value) {
				delete(want, name)
			}
		}
	}
	// A stream does not hold up the end of a node.
	c.stop(1)
}
