package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"codis/admin"
	"codis/raftstore/topology"
)

func TestRequestsBecomeCommands(t *testing.T) {
	tests := []struct{ request, body, want string }{
		{"GET /overview", "", "CODIS.INFO"},
		{"GET /slots", "", "CODIS.SLOTS"},
		{"GET /slots/lookup?key=a&key=%00b%20c", "", "CODIS.SLOT a \x00b c"},
		{"GET /groups", "", "CODIS.GROUPS"},
		{"GET /nodes", "", "CODIS.NODES"},
		{"GET /jobs", "", "CODIS.JOBS"},
		{"GET /jobs/7", "", "CODIS.JOB 7"},
		{"GET /settings", "", "CODIS.CONFIG GET *"},
		{"GET /history", "", "CODIS.HISTORY 100"},
		{"GET /history?count=5", "", "CODIS.HISTORY 5"},
		{"GET /fsck", "", "CODIS.FSCK"},
		{"GET /export", "", "CODIS.EXPORT"},
		{"POST /groups", `{"id":2,"servers":["h:1","h:2"]}`, "CODIS.GROUP ADD 2 h:1 h:2"},
		{"POST /groups", `{"id":2,"servers":["h:1"],"force":true,"auth":{"password":"p"}}`, "CODIS.GROUP ADD 2 h:1 FORCE AUTH p"},
		{"POST /groups", `{"id":2,"servers":["h:1"],"auth":{"user":"u","password":"p"}}`, "CODIS.GROUP ADD 2 h:1 AUTH u p"},
		{"POST /groups", `{"servers":["h:1"]}`, "CODIS.GROUPS, CODIS.GROUP ADD 5 h:1"},
		{"DELETE /groups/2", "", "CODIS.GROUP DEL 2"},
		{"PUT /groups/2/auth", `{"password":""}`, "CODIS.GROUP AUTH 2 "},
		{"PUT /groups/2/auth", `{"user":"u","password":"p"}`, "CODIS.GROUP AUTH 2 u p"},
		{"POST /groups/2/servers", `{"addr":"h:1"}`, "CODIS.GROUP ATTACH 2 h:1"},
		{"POST /groups/2/servers", `{"addr":"h:1","force":true}`, "CODIS.GROUP ATTACH 2 h:1 FORCE"},
		{"DELETE /groups/2/servers/h:1", "", "CODIS.GROUP DETACH 2 h:1"},
		{"DELETE /groups/2/servers/h:1?force=true", "", "CODIS.GROUP DETACH 2 h:1 FORCE"},
		{"PUT /groups/2/servers/h:1/zone", `{"zone":"z 1"}`, "CODIS.GROUP ZONE 2 h:1 z 1"},
		{"POST /groups/2/promote", `{"addr":"h:1"}`, "CODIS.GROUP PROMOTE 2 h:1"},
		{"POST /groups/2/replace", `{"addr":"h:1","force":true}`, "CODIS.GROUP REPLACE 2 h:1 FORCE"},
		{"DELETE /nodes/n2", "", "CODIS.NODE REMOVE n2"},
		{"DELETE /nodes/n2?force=true", "", "CODIS.NODE REMOVE n2 FORCE"},
		{"POST /nodes/n2/transfer", "", "CODIS.NODE TRANSFER n2"},
		{"POST /slots/assign", `{"start":0,"end":9,"group":1}`, "CODIS.ASSIGN 0 9 1"},
		{"POST /slots/assign", `{"auto":true}`, "CODIS.ASSIGN AUTO"},
		{"POST /migrations", `{"start":0,"end":9,"group":1}`, "CODIS.MIGRATE 0 9 1"},
		{"POST /migrations", `{"from":1,"to":2,"count":30,"dry_run":true}`, "CODIS.MIGRATE COUNT 30 1 2 DRYRUN"},
		{"POST /migrations", `{"start":0,"end":9,"group":1,"consent":true,"keys_per_second":5,"bytes_per_second":6}`, "CODIS.MIGRATE 0 9 1 CONSENT KEYS 5 BYTES 6"},
		{"POST /migrations", `{"start":0,"end":9,"group":1,"force":true}`, "CODIS.MIGRATE 0 9 1 FORCE"},
		{"POST /rebalance", "", "CODIS.REBALANCE"},
		{"POST /rebalance", `{"force":true}`, "CODIS.REBALANCE FORCE"},
		{"POST /rebalance", `{"by":"keys","weights":{"2":0},"dry_run":true}`, "CODIS.REBALANCE BY keys WEIGHT 2 0 DRYRUN"},
		{"POST /jobs/7/pause", "", "CODIS.JOB 7 PAUSE"},
		{"POST /jobs/7/resume", "{}", "CODIS.JOB 7 RESUME"},
		{"POST /jobs/7/cancel", " ", "CODIS.JOB 7 CANCEL"},
		{"POST /jobs/7/force", "", "CODIS.JOB 7 FORCE"},
		{"PATCH /jobs/7", `{"keys_per_second":0}`, "CODIS.JOB 7 LIMIT KEYS 0"},
		{"PATCH /jobs/7", `{"keys_per_second":1,"bytes_per_second":2}`, "CODIS.JOB 7 LIMIT KEYS 1 BYTES 2"},
		{"PATCH /settings", `{"timeout":"5s","lease":"6s"}`, "CODIS.CONFIG SET lease 6s, CODIS.CONFIG SET timeout 5s"},
		{"POST /import", `{"groups":[]}`, `CODIS.IMPORT {"groups":[]}`},
		{"POST /import?dry_run=true", `{}`, "CODIS.IMPORT {} DRYRUN"},
		{"POST /fsck/repair", `{}`, "CODIS.FSCK REPAIR"},
		{"POST /fsck/repair", `{"orphans":true}`, "CODIS.FSCK REPAIR ORPHANS"},
	}
	ops := newFakeOps()
	s, _ := newServer(t, ops, "")
	asked := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.request+" "+tt.body, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			r := send(t, s, request{method: method, path: path, body: tt.body})
			if r.StatusCode/100 != 2 {
				t.Fatalf("got %d: %s", r.StatusCode, r.body)
			}
			if got := strings.Join(ops.take(), ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
		path, _, _ := strings.Cut(tt.request, "?")
		asked[path] = true
	}
	for _, rt := range routes() {
		example := strings.NewReplacer("/jobs/{id}", "/jobs/7", "/groups/{id}", "/groups/2", "/nodes/{id}", "/nodes/n2", "{addr}", "h:1").Replace(rt.pattern)
		if (rt.ask != nil || rt.pattern == "/settings") && !asked[rt.method+" "+example] {
			t.Errorf("%s %s was not tried", rt.method, rt.pattern)
		}
	}
	if !slices.ContainsFunc(ops.callers, func(c string) bool { return strings.HasSuffix(c, " http") }) {
		t.Errorf("the history will not tell that HTTP was used: %q", ops.callers[0])
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	tests := []struct {
		name, request, body string
		status              int
		detail              string
	}{
		{"no such path", "GET /slot", "", 404, "there is no /api/v1/slot"},
		{"no such method", "PUT /slots", "{}", 405, "PUT is not for"},
		{"unknown field", "POST /migrations", `{"start":0,"end":9,"group":1,"colour":"red"}`, 400, `unknown field "colour"`},
		{"unknown field inside", "POST /groups", `{"servers":["h:1"],"auth":{"pass":"x"}}`, 400, `unknown field "pass"`},
		{"wrong kind", "POST /migrations", `{"start":"zero"}`, 400, `field "start" can't be a string`},
		{"no JSON", "POST /rebalance", `{`, 400, "the body"},
		{"no object", "POST /rebalance", `[1]`, 400, "the body"},
		{"more than an object", "POST /rebalance", `{} {}`, 400, "behind the JSON object"},
		{"too large", "POST /rebalance", `{"by":"` + strings.Repeat("x", maxBody) + `"}`, 413, "more than 1048576 bytes"},
		{"missing field", "POST /migrations", `{"start":0,"end":9}`, 400, `field "group" is missing`},
		{"both forms", "POST /migrations", `{"start":0,"end":9,"group":1,"count":4}`, 400, "either start, end and group"},
		{"neither form", "POST /migrations", `{}`, 400, "either start, end and group"},
		{"auto and a range", "POST /slots/assign", `{"auto":true,"start":1}`, 400, "leave start, end and group out"},
		{"a key word for an address", "POST /groups", `{"servers":["h:1","AUTH","x"]}`, 400, `"AUTH" is not host:port`},
		{"a key word for a weight's group", "POST /rebalance", `{"weights":{"DRYRUN":1}}`, 400, `"DRYRUN" is not a group`},
		{"nothing to change", "PATCH /jobs/7", `{}`, 400, "want keys_per_second"},
		{"no settings", "PATCH /settings", `{}`, 400, "want the settings"},
		{"one bad setting", "PATCH /settings", `{"lease":"5s","timeout":"x"}`, 400, `"x" is not a duration`},
		{"bad force", "DELETE /nodes/n2?force=maybe", "", 400, "want true or false"},
		{"unknown parameter", "DELETE /nodes/n2?froce=true", "", 400, `no parameter "froce"`},
		{"no keys", "GET /slots/lookup", "", 400, "parameters key"},
		{"bad since", "GET /series?since=x", "", 400, "want Unix milliseconds"},
		{"log in to nothing", "POST /session", `{"password":"x"}`, 400, "there is no password"},
	}
	ops := newFakeOps()
	s, _ := newServer(t, ops, "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method, path, _ := strings.Cut(tt.request, " ")
			r := send(t, s, request{method: method, path: path, body: tt.body})
			if p := r.problem(t); r.StatusCode != tt.status || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got %d %q, want %d %q", r.StatusCode, p.Detail, tt.status, tt.detail)
			}
			if asked := ops.take(); len(asked) != 0 {
				t.Errorf("it was asked all the same: %q", asked)
			}
		})
	}
	if got := send(t, s, request{method: "PUT", path: "/jobs/7"}).Header.Get("Allow"); got != "GET, PATCH" {
		t.Errorf("Allow is %q", got)
	}
	r := send(t, s, request{method: "POST", path: "/rebalance", header: map[string]string{"Content-Type": "text/plain"}})
	if r.problem(t); r.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text: got %d", r.StatusCode)
	}
}

func TestRefusalsBecomeProblems(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{&topology.Error{Code: topology.CodeBadArg, Message: "m", Hint: "do it"}, 400},
		{&topology.Error{Code: topology.CodeNoGroup, Message: "m"}, 404},
		{&topology.Error{Code: topology.CodeBusy, Message: "m"}, 409},
		{&topology.Error{Code: topology.CodeUpgrade, Message: "m"}, 409},
		{&topology.Error{Code: admin.CodeServer, Message: "m"}, 422},
		{&topology.Error{Code: admin.CodeNoLeader, Message: "m"}, 503},
		{&topology.Error{Code: admin.CodeUnknown, Message: "m"}, 504},
		{&topology.Error{Code: "ERR", Message: "m"}, 500},
		{fmt.Errorf("wrapped: %w", &topology.Error{Code: topology.CodeStale, Message: "m"}), 409},
		{errors.New("m"), 500},
	}
	ops := newFakeOps()
	s, _ := newServer(t, ops, "")
	for _, tt := range tests {
		ops.err = tt.err
		r := send(t, s, request{method: "POST", path: "/jobs/7/pause"})
		p := r.problem(t)
		var refusal *topology.Error
		if errors.As(tt.err, &refusal) && (p.Code != string(refusal.Code) || p.Hint != refusal.Hint) {
			t.Errorf("%v: got %+v", tt.err, p)
		}
		if r.StatusCode != tt.want || p.Detail != "m" {
			t.Errorf("%v: got %d %q, want %d", tt.err, r.StatusCode, p.Detail, tt.want)
		}
	}
}

func TestJobsAreAccepted(t *testing.T) {
	ops := newFakeOps()
	s, _ := newServer(t, ops, "")
	ops.set("CODIS.REBALANCE", `{"job":9}`)
	r := send(t, s, request{method: "POST", path: "/rebalance"})
	if r.StatusCode != http.StatusAccepted || r.Header.Get("Location") != "/api/v1/jobs/9" {
		t.Errorf("got %d, Location %q", r.StatusCode, r.Header.Get("Location"))
	}
	ops.set("CODIS.REBALANCE", `{"job":null}`)
	r = send(t, s, request{method: "POST", path: "/rebalance"})
	if r.StatusCode != http.StatusOK || r.Header.Get("Location") != "" {
		t.Errorf("nothing to do: got %d, Location %q", r.StatusCode, r.Header.Get("Location"))
	}
}
