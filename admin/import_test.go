package admin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// ask runs a command at n2, which forwards changes, and returns the reply.
func (c *fakeCluster) ask(tb testing.TB, args ...string) resp.Reply {
	tb.Helper()
	var words [][]byte
	for _, arg := range args {
		words = append(words, []byte(arg))
	}
	raw := c.nodes["n2"].ops.ServeRESP(tb.Context(), "10.0.0.9:5000", words)
	reply, n, err := resp.ParseReply(raw)
	if err != nil || n != len(raw) {
		tb.Fatalf("%s: the reply is no RESP: %q", args[0], raw)
	}
	return reply
}

func (c *fakeCluster) mustAsk(tb testing.TB, args ...string) resp.Reply {
	tb.Helper()
	reply := c.ask(tb, args...)
	if err := reply.Err(); err != nil {
		tb.Fatalf("%s: %v", args[0], err)
	}
	return reply
}

// exported is a cluster with all that an export has, and its text without what is the
// cluster's own.
func exported(t *testing.T) (servers *fakeServers, text string) {
	t.Helper()
	servers = newFakeServers()
	servers.list["127.0.0.1:7002"].password = "own"
	for _, addr := range []string{"127.0.0.1:7000", "127.0.0.1:7001"} {
		servers.list[addr].password = "common"
	}
	c := newFakeCluster(t, servers)
	for _, command := range [][]string{
		{"CODIS.CONFIG", "SET", "backend-password", "common"}, {"CODIS.CONFIG", "SET", "timeout", "5m"},
		{"CODIS.CONFIG", "SET", "lease", "20s"}, {"CODIS.CONFIG", "SET", "lease-renew", "8s"},
		{"CODIS.GROUP", "ADD", "1", "127.0.0.1:7000", "127.0.0.1:7001"},
		{"CODIS.GROUP", "ADD", "2", "127.0.0.1:7002", "AUTH", "joe", "own"},
		{"CODIS.GROUP", "ZONE", "1", "127.0.0.1:7001", "east"},
		{"CODIS.ASSIGN", "0", "511", "1"}, {"CODIS.ASSIGN", "512", "600", "2"},
	} {
		c.mustAsk(t, command...)
	}
	return servers, c.mustAsk(t, "CODIS.EXPORT").Text()
}

// comparable is an export without what is of one cluster only.
func comparableExport(t *testing.T, text string) string {
	t.Helper()
	var e Export
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	e.Epoch = 0
	same, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(same)
}

// TestImport: the text of one cluster makes another one that gives the same text.
func TestImport(t *testing.T) {
	servers, text := exported(t)
	if strings.Contains(text, "own") || strings.Contains(text, `"common"`) {
		t.Fatalf("secrets in\n%s", text)
	}
	c := newFakeCluster(t, servers)
	if err := c.ask(t, "CODIS.IMPORT", text).Err(); err == nil || !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("without the passwords: %v", err)
	}
	if got := c.mustAsk(t, "CODIS.EXPORT").Text(); strings.Contains(got, "7000") {
		t.Errorf("a refused import has changed the table:\n%s", got)
	}
	// The operator sets one password before and puts the other one back.
	c.mustAsk(t, "CODIS.CONFIG", "SET", "backend-password", "common")
	whole := strings.Replace(text, `"user": "joe"`, `"user": "joe", "password": "own"`, 1)
	before := c.mustAsk(t, "CODIS.EXPORT").Text()
	dry := strings.Join(c.mustAsk(t, "CODIS.IMPORT", whole, "DRYRUN").Strings(), "\n")
	if !strings.Contains(dry, "would import 2 groups with 3 servers, 601 slots, 3 settings") || strings.Contains(dry, "password of group") {
		t.Errorf("dry run:\n%s", dry)
	}
	if got := c.mustAsk(t, "CODIS.EXPORT").Text(); got != before {
		t.Errorf("a dry run has changed the table:\n%s", got)
	}
	c.mustAsk(t, "CODIS.IMPORT", whole)
	if got, want := comparableExport(t, c.mustAsk(t, "CODIS.EXPORT").Text()), comparableExport(t, text); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := c.ask(t, "CODIS.IMPORT", whole).Err(); !isCode(err, string(topology.CodeBusy)) {
		t.Errorf("a second time: %v", err)
	}
}

func isCode(err error, code string) bool {
	var refused *resp.ServerError
	return errors.As(err, &refused) && refused.Code == code
}

// TestImportCodis3 takes over a cluster of Codis 3, with its keys where they are.
func TestImportCodis3(t *testing.T) {
	const config = `{
		"slots": [{"id":0,"group_id":3,"action":{}},{"id":1,"group_id":3,"action":{}},{"id":2,"group_id":4,"action":{}},{"id":3,"group_id":0,"action":{}}],
		"group": [
			{"id":3,"servers":[{"server":"127.0.0.1:7000","datacenter":"east","action":{},"replica_group":false},{"server":"127.0.0.1:7001","datacenter":"","action":{}}],"promoting":{},"out_of_sync":false},
			{"id":4,"servers":[{"server":"127.0.0.1:7002","datacenter":"","action":{}}],"promoting":{},"out_of_sync":false},
			{"id":5,"servers":[],"promoting":{},"out_of_sync":false}],
		"proxy": [{"id":1,"token":"t"}]}`
	servers := newFakeServers()
	servers.list["127.0.0.1:7000"].keys = []string{"a", "b"}
	servers.list["127.0.0.1:7001"].keys = []string{"a", "b"}
	servers.list["127.0.0.1:7001"].follows = "127.0.0.1:7000"
	c := newFakeCluster(t, servers)
	c.mustAsk(t, "CODIS.IMPORT", config)
	state := c.nodes["n1"].State()
	if got := state.Groups[3]; len(got.Servers) != 2 || got.Master != "127.0.0.1:7000" || got.Servers[0].Zone != "east" || len(state.Groups) != 2 {
		t.Errorf("groups %+v", state.Groups)
	}
	if state.Slots[1].Group != 3 || state.Slots[2].Group != 4 || state.Slots[3].Group != 0 {
		t.Errorf("slots %v", state.Slots[:4])
	}
	for name, text := range map[string]string{
		"a slot that is moved": `{"slots":[{"id":0,"group_id":1,"action":{"state":"migrating","target_id":2}}],"group":[]}`,
		"a promotion":          `{"slots":[],"group":[{"id":1,"servers":[],"promoting":{"state":"preparing"}}]}`,
	} {
		if _, err := readImport([]byte(text)); err == nil || !strings.Contains(err.Error(), "when that is over") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImportRefuses what can't be right, before any server is asked.
func TestImportRefuses(t *testing.T) {
	const group = `{"id":1,"master":"127.0.0.1:7000","servers":[{"addr":"127.0.0.1:7000"}]}`
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":              {`codis`, "not JSON"},
		"another thing":        {`{"a":1}`, "neither"},
		"a newer format":       {`{"codis_export":9}`, "format 9"},
		"a misspelt field":     {`{"codis_export":1,"group_s":[]}`, "group_s"},
		"a group twice":        {`{"codis_export":1,"groups":[` + group + `,` + group + `]}`, "group 1 is there twice"},
		"no master":            {`{"codis_export":1,"groups":[{"id":1,"master":"","servers":[{"addr":"127.0.0.1:7000"}]}]}`, "none of its servers"},
		"a server twice":       {`{"codis_export":1,"groups":[` + group + `,{"id":2,"master":"127.0.0.1:7000","servers":[{"addr":"127.0.0.1:7000"}]}]}`, "is there twice"},
		"slots of no group":    {`{"codis_export":1,"groups":[` + group + `],"slots":[{"start":0,"end":9,"group":2}]}`, "is not there"},
		"a slot twice":         {`{"codis_export":1,"groups":[` + group + `],"slots":[{"start":0,"end":9,"group":1},{"start":9,"end":10,"group":1}]}`, "slot 9"},
		"slots beyond":         {`{"codis_export":1,"groups":[` + group + `],"slots":[{"start":0,"end":1024,"group":1}]}`, "1023"},
		"no setting":           {`{"codis_export":1,"settings":{"speed":"11"}}`, "no setting"},
		"a server that is not": {`{"codis_export":1,"groups":[{"id":1,"master":"127.0.0.1:9","servers":[{"addr":"127.0.0.1:9"}]}]}`, "is it running"},
	} {
		cluster := newFakeCluster(t, newFakeServers())
		if err := cluster.ask(t, "CODIS.IMPORT", c.text).Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if len(cluster.nodes["n1"].State().Groups) > 0 {
			t.Errorf("%s: the table has changed", name)
		}
	}
}
