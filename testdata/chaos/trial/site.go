package trial

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"

	"codis/admin/demo"
	"codis/router/resp"
	"codis/testdata/chaos/wire"
	"codis/testdata/lab"
)

// site is the cluster under trial: nodes and groups of a master and a replica,
// every link between any two of them by way of a proxy. Clients have direct links.
type site struct {
	lab    *lab.Lab
	data   string // of the servers
	net    *wire.Net
	nodes  []*member
	groups []*group

	mu   sync.Mutex
	pids map[int]string // of what runs, by process id
}

// member is one process that faults may hit.
type member struct {
	name string // n1, or s2a: a server of group 2
	addr string // its own, without a proxy
	seen string // the address that others use
	pid  func() int
	kill func()
	// start starts it again after a kill.
	start func(context.Context) error
	// term ends it as an operator would; nil for servers.
	term func(context.Context)
	// busy is held by the one fault that the process suffers from at a time.
	busy sync.Mutex
}

// group is a group's servers; which of them is the master changes.
type group struct {
	id      int
	servers []*member
}

func newSite(ctx context.Context, o Options, l *lab.Lab) (*site, error) {
	s := &site{lab: l, data: dataDir(), pids: map[int]string{}}
	s.net = wire.New(s.processes)
	for id := 1; id <= o.Groups; id++ {
		g := &group{id: id}
		for i := range 1 + o.Replicas {
			m, err := s.startServer(ctx, o, fmt.Sprintf("s%d%c", id, 'a'+i))
			if err != nil {
				return s, err
			}
			g.servers = append(g.servers, m)
		}
		s.groups = append(s.groups, g)
	}
	for i := range o.Nodes {
		if err := s.startNode(ctx, o, fmt.Sprintf("n%d", i+1)); err != nil {
			return s, err
		}
	}
	return s, s.form(ctx, o)
}

// dataDir makes a directory in memory for the servers' data where there is such a
// thing: fsync costs nothing there, and kill -9 takes nothing away from it. Empty
// when there is none.
func dataDir() string {
	dir, err := os.MkdirTemp("/dev/shm", "codis-chaos-")
	if err != nil {
		return ""
	}
	return dir
}

// close removes what is not in the Lab's directory, once the processes have ended.
func (s *site) close() {
	s.net.Close()
	if s.data != "" {
		os.RemoveAll(s.data)
	}
}

// startServer starts a server. An acknowledged write must survive kill -9 of its master,
// as long as nothing is promoted in its place: it is on disk before it is acknowledged.
func (s *site) startServer(ctx context.Context, o Options, name string) (*member, error) {
	r, err := s.lab.StartRedis(ctx, lab.RedisSpec{Name: name, Path: o.RedisServer, Dir: s.data, More: []string{
		"--repl-timeout", "10", "--repl-ping-replica-period", "1", "--appendonly", "yes", "--appendfsync", "always"}})
	if err != nil {
		return nil, err
	}
	m := &member{name: name, addr: r.Addr, pid: func() int { return r.PID() }, kill: func() { r.Kill() }}
	m.start = func(ctx context.Context) error {
		err := r.Start(ctx)
		s.note(m)
		return err
	}
	s.note(m)
	m.seen, err = s.proxy(name, r.Addr)
	return m, err
}

func (s *site) startNode(ctx context.Context, o Options, id string) error {
	spec := lab.NodeSpec{ID: id, Path: o.Codis, AdvertisePeer: s.proxy, More: []string{"--loops", strconv.Itoa(o.Loops), "--pprof"}}
	if len(s.nodes) > 0 {
		spec.Join = s.nodes[0].addr
	}
	n, err := s.lab.StartNode(ctx, spec)
	if err != nil {
		return err
	}
	m := &member{name: id, addr: n.Addr, pid: func() int { return n.PID() }, kill: func() { n.Kill() }, term: func(ctx context.Context) { n.Stop(ctx) }}
	m.start = func(ctx context.Context) error {
		err := n.Start(ctx)
		s.note(m)
		return err
	}
	s.note(m)
	s.nodes = append(s.nodes, m)
	return nil
}

// proxy makes the address by which others reach a process.
func (s *site) proxy(name, addr string) (string, error) {
	port, err := lab.FreePort()
	if err != nil {
		return "", err
	}
	return lab.Address(port), s.net.Proxy(name, lab.Address(port), addr)
}

// note remembers a member's process, for the proxies.
func (s *site) note(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pid, name := range s.pids {
		if name == m.name {
			delete(s.pids, pid)
		}
	}
	s.pids[m.pid()] = m.name
}

func (s *site) processes() map[int]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := make(map[int]string, len(s.pids))
	for pid, name := range s.pids {
		pids[pid] = name
	}
	return pids
}

// form makes the groups and sets what the trial wants to be short.
func (s *site) form(ctx context.Context, o Options) error {
	var groups []demo.Group
	for _, g := range s.groups {
		made := demo.Group{ID: g.id}
		for _, m := range g.servers {
			made.Servers = append(made.Servers, m.seen)
		}
		groups = append(groups, made)
	}
	if err := lab.Form(ctx, s.addrs(), groups); err != nil {
		return err
	}
	for name, value := range o.settings() {
		if _, err := s.ask(ctx, s.nodes[0], "CODIS.CONFIG", "SET", name, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) addrs() []string {
	addrs := make([]string, len(s.nodes))
	for i, n := range s.nodes {
		addrs[i] = n.addr
	}
	return addrs
}

// ask sends one command to a process, past the proxies.
func (s *site) ask(ctx context.Context, m *member, cmd ...string) (resp.Reply, error) {
	c, err := resp.Dial(ctx, resp.ClientOptions{Addr: m.addr, DialTimeout: adminTimeout, Timeout: adminTimeout})
	if err != nil {
		return resp.Reply{}, err
	}
	defer c.Close()
	return c.Do(ctx, cmd...)
}

// askAny sends one command to whichever node answers.
func (s *site) askAny(ctx context.Context, cmd ...string) (reply resp.Reply, err error) {
	for _, n := range s.nodes {
		if reply, err = s.ask(ctx, n, cmd...); err == nil {
			return reply, nil
		}
	}
	return reply, err
}

// leader is the node that leads, as the first node that knows says.
func (s *site) leader(ctx context.Context) *member {
	for _, n := range s.nodes {
		reply, err := s.ask(ctx, n, "CODIS.NODES")
		if err != nil {
			continue
		}
		for _, row := range reply.Array {
			fields := fieldsOf(row)
			if fields["role"] == "leader" {
				return s.node(fields["id"])
			}
		}
	}
	return nil
}

func (s *site) node(id string) *member {
	for _, n := range s.nodes {
		if n.name == id {
			return n
		}
	}
	return nil
}

// fieldsOf reads a reply of names and values; values that are arrays are left out.
func fieldsOf(row resp.Reply) map[string]string {
	fields := map[string]string{}
	for i := 0; i+1 < len(row.Array); i += 2 {
		fields[row.Array[i].Text()] = row.Array[i+1].Text()
	}
	return fields
}

// owners returns the group of each slot.
func (s *site) owners(ctx context.Context) (map[int]int, error) {
	reply, err := s.askAny(ctx, "CODIS.SLOTS")
	if err != nil {
		return nil, err
	}
	owners := map[int]int{}
	for _, row := range reply.Array { // start end phase group ...
		for slot := row.Array[0].Int; slot <= row.Array[1].Int; slot++ {
			owners[int(slot)] = int(row.Array[3].Int)
		}
	}
	return owners, nil
}
