package router

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"codis/router/resp"
)

// clientLine is one line of CLIENT LIST.
type clientLine map[string]string

func parseClientLine(tb testing.TB, line string) clientLine {
	tb.Helper()
	fields := make(clientLine)
	for word := range strings.SplitSeq(line, " ") {
		name, value, ok := strings.Cut(word, "=")
		if !ok || fields[name] != "" {
			tb.Fatalf("field %q in %q", word, line)
		}
		fields[name] = value
	}
	return fields
}

// bulkText is the text of a bulk string reply.
func bulkText(tb testing.TB, reply string) string {
	tb.Helper()
	r, n, err := resp.ParseReply([]byte(reply))
	if err != nil || n != len(reply) || r.Kind != resp.KindBulk {
		tb.Fatalf("%q is no bulk string: %v", reply, err)
	}
	return string(r.Str)
}

// clientList asks for CLIENT LIST and returns its lines by id.
func (w *wire) clientList(words ...string) map[string]clientLine {
	w.tb.Helper()
	lines := make(map[string]clientLine)
	last := 0
	text := bulkText(w.tb, w.do(append([]string{"CLIENT", "LIST"}, words...)...))
	for line := range strings.Lines(text) {
		fields := parseClientLine(w.tb, strings.TrimSuffix(line, "\n"))
		id, err := strconv.Atoi(fields["id"])
		if err != nil || id <= last {
			w.tb.Errorf("id %q after %d: not in order", fields["id"], last)
		}
		last = id
		lines[fields["id"]] = fields
	}
	return lines
}

// id is the client's CLIENT ID.
func (w *wire) id() string {
	w.tb.Helper()
	return strings.Trim(w.do("CLIENT", "ID"), ":\r\n")
}

// named connects a client that has set its name.
func named(tb testing.TB, r *Router, name string) *wire {
	tb.Helper()
	w := dialWire(tb, r)
	w.wantReply("+OK\r\n", "CLIENT", "SETNAME", name)
	return w
}

func TestClientIdentity(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{Loops: 2})
	w := dialWire(t, r)
	const badName = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
	w.wantReply("$-1\r\n", "CLIENT", "GETNAME")
	w.wantReply("+OK\r\n", "CLIENT", "SETNAME", "app-1")
	w.wantReply("$5\r\napp-1\r\n", "client", "getname")
	for _, bad := range []string{"two words", "line\n", "tab\t", "\x7f"} {
		w.wantReply(badName, "CLIENT", "SETNAME", bad)
	}
	w.wantReply("$5\r\napp-1\r\n", "CLIENT", "GETNAME")
	w.wantReply("+OK\r\n", "CLIENT", "SETINFO", "lib-name", "lib(x_v1)")
	w.wantReply("+OK\r\n", "CLIENT", "SETINFO", "LIB-VER", "1.2.3")
	w.wantReply("-ERR lib-name cannot contain spaces, newlines or special characters.\r\n", "CLIENT", "SETINFO", "lib-name", "a b")
	w.wantReply("-ERR Unrecognized option 'lib-color'\r\n", "CLIENT", "SETINFO", "lib-color", "red")
	w.wantReply("+OK\r\n", "CLIENT", "NO-EVICT", "on")
	w.wantReply("-ERR syntax error\r\n", "CLIENT", "NO-EVICT", "maybe")
	w.wantReply("+OK\r\n", "CLIENT", "NO-TOUCH", "OFF")
	w.wantReply("+OK\r\n", "SELECT", "5")

	got := parseClientLine(t, strings.TrimSuffix(bulkText(t, w.do("CLIENT", "INFO")), "\n"))
	for name, want := range map[string]string{
		"id": w.id(), "addr": w.conn.LocalAddr().String(), "laddr": r.Addr(), "name": "app-1", "db": "5", "flags": "Ne",
		"cmd": "client|info", "user": "default", "resp": "2", "lib-name": "lib(x_v1)", "lib-ver": "1.2.3", "multi": "-1", "sub": "0",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	w.wantReply("+OK\r\n", "CLIENT", "SETNAME", "")
	w.wantReply("$-1\r\n", "CLIENT", "GETNAME")
	w.wantReply("+RESET\r\n", "RESET")
	if got := parseClientLine(t, strings.TrimSuffix(bulkText(t, w.do("CLIENT", "INFO")), "\n")); got["db"] != "0" || got["flags"] != "N" {
		t.Errorf("after RESET: %v", got)
	}
}

func TestClientList(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{Loops: 2})
	var clients []*wire
	for i := range 5 { // on both loops
		clients = append(clients, named(t, r, fmt.Sprintf("c%d", i)))
	}
	w := clients[0]
	all := w.clientList()
	if len(all) != len(clients) {
		t.Fatalf("%d lines for %d clients", len(all), len(clients))
	}
	for i, c := range clients {
		if line := all[c.id()]; line["name"] != fmt.Sprintf("c%d", i) || line["addr"] != c.conn.LocalAddr().String() {
			t.Errorf("client %d: %v", i, line)
		}
	}
	if all[w.id()]["cmd"] != "client|list" || all[clients[1].id()]["cmd"] != "client|setname" {
		t.Errorf("last commands: %v", all)
	}
	for name, c := range map[string]struct {
		filter []string
		want   []string
	}{
		"ids":           {[]string{"ID", clients[1].id(), clients[4].id(), "99999"}, []string{"c1", "c4"}},
		"one id":        {[]string{"id", clients[2].id()}, []string{"c2"}},
		"normal":        {[]string{"TYPE", "normal"}, []string{"c0", "c1", "c2", "c3", "c4"}},
		"pubsub":        {[]string{"TYPE", "pubsub"}, nil},
		"replica":       {[]string{"TYPE", "replica"}, nil},
		"type and user": {[]string{"TYPE", "pubsub", "USER", "default"}, nil},
	} {
		var names []string
		for _, line := range w.clientList(c.filter...) {
			names = append(names, line["name"])
		}
		if slices.Sort(names); !slices.Equal(names, c.want) {
			t.Errorf("%s: got %q, want %q", name, names, c.want)
		}
	}
	for _, bad := range [][]string{{"TYPE"}, {"TYPE", "odd"}, {"ID", "x"}, {"ID", "0"}, {"COLOR", "red"}, {"ID"}} {
		if got := w.do(append([]string{"CLIENT", "LIST"}, bad...)...); !strings.HasPrefix(got, "-ERR ") {
			t.Errorf("CLIENT LIST %q: got %q", bad, got)
		}
	}
}

func TestClientKill(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// args gives the filter, for the clients: 0 is the one that asks.
		args   func(c []*wire) []string
		want   string
		killed []int
	}{
		"old form":           {func(c []*wire) []string { return []string{c[2].conn.LocalAddr().String()} }, "+OK\r\n", []int{2}},
		"old form, nobody":   {func([]*wire) []string { return []string{"127.0.0.1:1"} }, "-ERR No such client\r\n", nil},
		"old form, itself":   {func(c []*wire) []string { return []string{c[0].conn.LocalAddr().String()} }, "+OK\r\n", []int{0}},
		"id":                 {func(c []*wire) []string { return []string{"ID", c[1].id()} }, ":1\r\n", []int{1}},
		"id, nobody":         {func([]*wire) []string { return []string{"ID", "12345"} }, ":0\r\n", nil},
		"id, itself":         {func(c []*wire) []string { return []string{"ID", c[0].id()} }, ":0\r\n", nil},
		"id, itself too":     {func(c []*wire) []string { return []string{"ID", c[0].id(), "SKIPME", "no"} }, ":1\r\n", []int{0}},
		"addr":               {func(c []*wire) []string { return []string{"ADDR", c[3].conn.LocalAddr().String()} }, ":1\r\n", []int{3}},
		"addr and other id":  {func(c []*wire) []string { return []string{"ADDR", c[3].conn.LocalAddr().String(), "ID", c[1].id()} }, ":0\r\n", nil},
		"laddr":              {func(c []*wire) []string { return []string{"LADDR", c[0].conn.RemoteAddr().String()} }, ":3\r\n", []int{1, 2, 3}},
		"laddr, nobody":      {func([]*wire) []string { return []string{"LADDR", "127.0.0.1:1"} }, ":0\r\n", nil},
		"type normal":        {func([]*wire) []string { return []string{"TYPE", "normal"} }, ":3\r\n", []int{1, 2, 3}},
		"type normal, all":   {func([]*wire) []string { return []string{"TYPE", "normal", "SKIPME", "NO"} }, ":4\r\n", []int{0, 1, 2, 3}},
		"type pubsub":        {func([]*wire) []string { return []string{"TYPE", "pubsub"} }, ":0\r\n", nil},
		"type of none, user": {func([]*wire) []string { return []string{"TYPE", "pubsub", "USER", "default"} }, ":0\r\n", nil},
		"user":               {func([]*wire) []string { return []string{"USER", "default"} }, ":3\r\n", []int{1, 2, 3}},
		"skipme":             {func([]*wire) []string { return []string{"SKIPME", "yes"} }, ":3\r\n", []int{1, 2, 3}},
		"max age":            {func([]*wire) []string { return []string{"MAXAGE", "1000"} }, ":0\r\n", nil},
		"bad skipme":         {func([]*wire) []string { return []string{"SKIPME", "maybe"} }, "-ERR syntax error\r\n", nil},
		"bad type":           {func([]*wire) []string { return []string{"TYPE", "odd"} }, "-ERR Unknown client type 'odd'\r\n", nil},
		"bad id":             {func([]*wire) []string { return []string{"ID", "odd"} }, "-ERR client-id should be greater than 0\r\n", nil},
		"no value":           {func([]*wire) []string { return []string{"ID", "1", "ADDR"} }, "-ERR syntax error\r\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t, Config{Loops: 2}, newState(t))
			var clients []*wire
			for i := range 4 {
				clients = append(clients, named(t, r, fmt.Sprintf("c%d", i)))
			}
			clients[0].wantReply(c.want, append([]string{"CLIENT", "KILL"}, c.args(clients)...)...)
			for i, w := range clients {
				if slices.Contains(c.killed, i) {
					w.wantClosed()
				} else {
					w.wantReply("+PONG\r\n", "PING")
				}
			}
			waitUntil(t, "the count of clients", 5*time.Second, func() bool {
				return int(r.clients.Load()) == len(clients)-len(c.killed)
			})
		})
	}
}

// TestClientKillSlowReader kills a client that does not take its replies: what it
// is owed must not keep it.
func TestClientKillSlowReader(t *testing.T) {
	t.Parallel()
	r, _ := newCluster(t, 1, Config{})
	w, slow := dialWire(t, r), dialWire(t, r)
	w.wantReply("+OK\r\n", "SET", "big", strings.Repeat("x", 4<<20))
	id := slow.id()
	slow.send(strings.Repeat("GET big\r\n", 20))
	waitUntil(t, "replies pile up", 5*time.Second, func() bool {
		return w.clientList("ID", id)[id]["omem"] != "0"
	})
	w.wantReply(":1\r\n", "CLIENT", "KILL", "ID", id)
	waitUntil(t, "the client is gone", 5*time.Second, func() bool { return len(w.clientList("ID", id)) == 0 })
	w.wantReply("+PONG\r\n", "PING")
}

// TestClientKillUnderLoad kills clients with requests under way; the others get
// every reply.
func TestClientKillUnderLoad(t *testing.T) {
	t.Parallel()
	r, servers := newCluster(t, 2, Config{Loops: 2})
	clients, stop := startTagged(t, r, servers[0].Addr, 2)
	killer := dialWire(t, r)
	for range 20 {
		victim := dialWire(t, r)
		id := victim.id()
		victim.send(strings.Repeat("GET a\r\nMGET a b c\r\nSET b x\r\nDBSIZE\r\n", 200))
		killer.wantReply(":1\r\n", "CLIENT", "KILL", "ID", id)
		victim.wantClosed()
	}
	stop()
	for _, c := range clients {
		if c.errors.Load() > 0 {
			t.Error("a client that was not killed got errors")
		}
	}
	if left := slices.Collect(maps.Keys(killer.clientList("ID", killer.id()))); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
	waitNothingInFlight(t, r)
}

// waitNothingInFlight waits until no server owes a reply.
func waitNothingInFlight(t *testing.T, r *Router) {
	t.Helper()
	waitUntil(t, "no server owes a reply", 5*time.Second, func() bool {
		servers, err := r.gatherServers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range servers {
			if s.inflight > 0 {
				return false
			}
		}
		return true
	})
}
