package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"codis/admin/config"
	"codis/admin/demo"
	"codis/router/resp"
	"codis/router/resp/resptest"
)

// patience bounds every wait of these tests: many share a small machine.
const patience = 30 * time.Second

// cluster is some nodes in this process, with the wiring that users run.
type cluster struct {
	tb    testing.TB
	cfgs  []config.Config
	nodes []*Node // nil while stopped
}

// newCluster starts nodes that have one table; groups are lists of real
// redis-servers' addresses, the master's first, and serve all slots.
func newCluster(tb testing.TB, nodes int, groups ...[]string) *cluster {
	tb.Helper()
	c := &cluster{tb: tb, cfgs: make([]config.Config, nodes), nodes: make([]*Node, nodes)}
	tb.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
	})
	for i := range nodes {
		c.cfgs[i] = newConfig(tb)
		c.cfgs[i].ID = fmt.Sprintf("n%d", i+1)
		if i > 0 {
			c.cfgs[i].Join = []string{c.nodes[0].Config.Addr}
		}
		c.start(i)
	}
	// New nodes get a vote when they have caught up; what tests promise of a
	// majority is true from then on.
	waitFor(tb, "all nodes to be voters", func() error {
		if st := c.nodes[0].store.Status(); len(st.Voters) < nodes {
			return fmt.Errorf("voters %v", st.Voters)
		}
		return nil
	})
	if len(groups) > 0 {
		form(tb, c, groups...)
	}
	return c
}

// form makes groups and gives them all slots.
func form(tb testing.TB, c *cluster, groups ...[]string) {
	tb.Helper()
	ctx := within(tb, patience)
	list := make([]demo.Group, len(groups))
	for i, servers := range groups {
		list[i] = demo.Group{ID: i + 1, Servers: servers}
	}
	if err := demo.Form(ctx, c.addr(0), list); err != nil {
		tb.Fatal(err)
	}
	if err := demo.WaitServed(ctx, c.addrs()); err != nil {
		tb.Fatal(err)
	}
}

func newConfig(tb testing.TB) config.Config {
	cfg := config.DefaultConfig()
	cfg.Dir = filepath.Join(tb.TempDir(), "node")
	cfg.Addr, cfg.PeerAddr, cfg.HTTPAddr = freeAddr(tb), freeAddr(tb), freeAddr(tb)
	return cfg
}

// freeAddr is an address to listen on that will be free again after a restart:
// the ports that the kernel picks for port 0 it also gives to outgoing
// connections, of which other tests have thousands. Ports below 12500 are the
// demo's, with those 10000 and 20000 above.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	for range 100 {
		if port := 12500 + rand.IntN(7000); portFree(port) {
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	tb.Fatal("no free port")
	return ""
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// within is the test's context with a deadline.
func within(tb testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

// start starts a node and waits until it serves, for which it needs a majority.
func (c *cluster) start(i int) {
	c.tb.Helper()
	c.launch(i)
	c.waitReady(i)
}

// launch starts a node with the ports that it had before, if it had any.
func (c *cluster) launch(i int) {
	c.tb.Helper()
	node, err := Start(c.tb.Context(), c.cfgs[i], testLogger(c.tb, c.cfgs[i].ID))
	if err != nil {
		c.tb.Fatalf("start node %d: %v", i+1, err)
	}
	c.nodes[i], c.cfgs[i] = node, node.Config
}

func (c *cluster) waitReady(i int) {
	c.tb.Helper()
	waitFor(c.tb, "node to be ready", func() error {
		if ok, why := c.nodes[i].ready(); !ok && !strings.HasPrefix(why, "no slot has a group") {
			return errors.New(why)
		}
		return nil
	})
}

func (c *cluster) stop(i int) {
	c.tb.Helper()
	if c.nodes[i] == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.nodes[i].Close(ctx); err != nil {
		c.tb.Errorf("stop node %d: %v", i+1, err)
	}
	c.nodes[i] = nil
}

func (c *cluster) addr(i int) string { return c.nodes[i].Config.Addr }

func (c *cluster) addrs() []string {
	var list []string
	for _, n := range c.nodes {
		if n != nil {
			list = append(list, n.Config.Addr)
		}
	}
	return list
}

// testLogger writes to the test's own output.
func testLogger(tb testing.TB, id string) *slog.Logger {
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})).With("node", id)
}

// do sends one command to a node or server, on a connection of its own.
func do(tb testing.TB, addr string, args ...string) resp.Reply {
	tb.Helper()
	r, err := try(tb, addr, args...)
	if err != nil {
		tb.Fatalf("%s to %s: %v", strings.Join(args, " "), addr, err)
	}
	return r
}

func try(tb testing.TB, addr string, args ...string) (resp.Reply, error) {
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: addr})
	if err != nil {
		return resp.Reply{}, err
	}
	defer client.Close()
	return client.Do(ctx, args...)
}

// table is all of a node's table, as text.
func table(tb testing.TB, addr string) string {
	tb.Helper()
	return do(tb, addr, "CODIS.EXPORT").Text()
}

// flat writes a reply in one line.
func flat(r resp.Reply) string {
	if r.Kind != resp.KindArray {
		return r.Text() + " "
	}
	var b strings.Builder
	for _, item := range r.Array {
		b.WriteString(flat(item))
	}
	return "[" + b.String() + "]"
}

// waitFor polls: much of what these tests wait for happens in other processes.
func waitFor(tb testing.TB, what string, check func() error) {
	tb.Helper()
	end := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("waited too long for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func get(tb testing.TB, url string) (status int, body string) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestTableSurvivesRestarts(t *testing.T) {
	master, replica, other := resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 3, []string{master.Addr, replica.Addr}, []string{other.Addr})
	do(t, c.addr(0), "SET", "greeting", "hello")
	for round, order := range [][]int{{0, 1, 2}, {2, 0, 1}} {
		changeSetting(t, c.addr(round), fmt.Sprintf("%dmb", 20+round))
		want := table(t, c.addr(round))
		for _, i := range order {
			waitFor(t, "equal tables", func() error { return sameTable(t, c.addr(i), want) })
		}
		for _, i := range order {
			c.stop(i)
			c.cfgs[i].Join = nil // members need no help to come back
		}
		for n, i := range order {
			c.launch(i)
			// Each knows its last table before it finds the others, and tells it; but
			// without a majority there is no lease, and without a lease no data.
			if err := sameTable(t, c.addr(i), want); err != nil {
				t.Errorf("restarted in order %v: %v", order, err)
			}
			if n == 0 {
				if _, err := try(t, c.addr(i), "GET", "greeting"); err == nil || !strings.Contains(err.Error(), "CLUSTERDOWN") {
					t.Errorf("alone: got %v", err)
				}
			}
		}
		for _, i := range order {
			c.waitReady(i)
			if got := do(t, c.addr(i), "GET", "greeting").Text(); got != "hello" {
				t.Errorf("restarted in order %v: node %d: got %q", order, i+1, got)
			}
		}
	}
	changeSetting(t, c.addr(0), "30mb")
}

func sameTable(tb testing.TB, addr, want string) error {
	tb.Helper()
	if got := table(tb, addr); got != want {
		return fmt.Errorf("node at %s: got %s, want %s", addr, got, want)
	}
	return nil
}

// changeSetting changes a setting through a node, waiting while there is no
// leader.
func changeSetting(tb testing.TB, addr, value string) {
	tb.Helper()
	waitFor(tb, "a leader", func() error {
		_, err := try(tb, addr, "CODIS.CONFIG", "SET", "replica-max-lag", value)
		return err
	})
}

func TestAnyNodeTakesAdminCommands(t *testing.T) {
	c := newCluster(t, 3)
	for i := range c.nodes {
		value := fmt.Sprintf("%dmb", 30+i)
		do(t, c.addr(i), "CODIS.CONFIG", "SET", "replica-max-lag", value)
		// The node that took it has it at once, the others soon.
		for j := range c.nodes {
			check := func() error {
				if got := flat(do(t, c.addr(j), "CODIS.CONFIG", "GET", "replica-max-lag")); !strings.Contains(got, value) {
					return fmt.Errorf("node %d: got %s, want %s", j+1, got, value)
				}
				return nil
			}
			if j == i {
				if err := check(); err != nil {
					t.Error(err)
				}
				continue
			}
			waitFor(t, "the setting", check)
		}
	}
}

func TestLeaderStopsAndOthersGoOn(t *testing.T) {
	server := resptest.StartRedis(t)
	c := newCluster(t, 3, []string{server.Addr})
	leader := slices.IndexFunc(c.nodes, func(n *Node) bool { return n.store.IsLeader() })
	if leader < 0 {
		t.Fatal("no node leads")
	}
	httpAddr := c.nodes[leader].Config.HTTPAddr
	if status, _ := get(t, "http://"+httpAddr+"/readyz"); status != http.StatusOK {
		t.Errorf("/readyz of a node that serves: got %d", status)
	}
	begin := time.Now()
	gone := c.cfgs[leader].ID
	c.stop(leader)
	for _, addr := range c.addrs() {
		changeSetting(t, addr, "77mb")
		do(t, addr, "SET", "key", "value")
	}
	// It handed leadership over: nobody had to wait for an election timeout.
	t.Logf("stop of the leader and changes through the others took %v", time.Since(begin))
	if _, err := http.Get("http://" + httpAddr + "/readyz"); err == nil {
		t.Error("the stopped node still answers")
	}
	waitFor(t, "a warning about the stopped node", func() error {
		var infos []string
		for _, addr := range c.addrs() { // only the leader knows
			infos = append(infos, do(t, addr, "CODIS.INFO").Text())
		}
		if all := strings.Join(infos, "\n"); !containsAll(all, []string{"degraded", "node " + gone}) {
			return errors.New(all)
		}
		return nil
	})
}

func TestPortZero(t *testing.T) {
	cfg := newConfig(t)
	cfg.Addr, cfg.PeerAddr, cfg.HTTPAddr = "127.0.0.1:0", "", ""
	node, err := Start(t.Context(), cfg, testLogger(t, "n1"))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close(context.Background())
	waitFor(t, "the node to be in its table", func() error {
		if got := flat(do(t, node.Config.Addr, "CODIS.NODES")); !strings.Contains(got, "addr "+node.Config.Addr+" ") {
			return fmt.Errorf("node at %s: %s", node.Config.Addr, got)
		}
		return nil
	})
}

func TestSecretAndPassword(t *testing.T) {
	start := func(id, secret string, join ...string) *Node {
		t.Helper()
		cfg := newConfig(t)
		cfg.ID, cfg.Secret, cfg.Password, cfg.Join = id, secret, "letmein", join
		node, err := Start(t.Context(), cfg, testLogger(t, id))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := node.Close(ctx); err != nil {
				t.Errorf("stop node %s: %v", id, err)
			}
		})
		return node
	}
	first := start("n1", "hush-hush")
	second := start("n2", "hush-hush", first.Config.Addr)
	stranger := start("n3", "wrong", first.Config.Addr)
	waitFor(t, "the second node to join", func() error {
		if st := second.store.Status(); !st.Joined {
			return fmt.Errorf("it is a %s", st.Role)
		}
		return nil
	})
	if stranger.store.Status().Joined {
		t.Error("a node with another secret has joined")
	}
	if nodes := first.store.State().Nodes; len(nodes) != 2 {
		t.Errorf("got %d nodes in the table, want 2", len(nodes))
	}
	var refused *resp.ServerError
	if _, err := try(t, first.Config.Addr, "CODIS.NODES"); !errors.As(err, &refused) || refused.Code != "NOAUTH" {
		t.Errorf("without the password: got %v, want NOAUTH", err)
	}
	ctx := within(t, patience)
	client, err := resp.Dial(ctx, resp.ClientOptions{Addr: first.Config.Addr, Password: "letmein"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, command := range []string{"CODIS.EXPORT", "CODIS.INFO", "CODIS.HISTORY"} {
		reply, err := client.Do(ctx, command)
		if err != nil || strings.Contains(flat(reply), "letmein") || strings.Contains(flat(reply), "hush-hush") {
			t.Errorf("%s: got %s, %v, want no secrets in it", command, flat(reply), err)
		}
	}
}

func TestReadinessAndMetrics(t *testing.T) {
	c := newCluster(t, 1)
	base := "http://" + c.nodes[0].Config.HTTPAddr
	if status, body := get(t, base+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "no slot has a group") {
		t.Errorf("without slots: got %d %q", status, body)
	}
	form(t, c, []string{resptest.StartRedis(t).Addr})
	c.waitReady(0)
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/metrics": "go_goroutines",
	} {
		if status, body := get(t, base+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %.200q, want 200 and %q", path, status, body, want)
		}
	}
	_, metrics := get(t, base+"/metrics")
	for _, want := range []string{"codis_raft_", "codis_"} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("/metrics has no metric %s...", want)
		}
	}
	if status, _ := get(t, base+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles without --pprof: got %d, want 404", status)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	resptest.CheckLeaks(t)
	server := resptest.StartRedis(t)
	c := newCluster(t, 1, []string{server.Addr})
	do(t, c.addr(0), "SET", "key", "value")
}
