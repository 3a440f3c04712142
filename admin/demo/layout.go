package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Shape is how many processes there are and where their ports begin.
type Shape struct {
	// Port is the first node's client port. Redis-servers begin at Port + 100.
	Port int `json:"port"`
	// Nodes is the number of nodes, Groups that of groups, Replicas that of
	// replicas in each group.
	Nodes    int `json:"nodes"`
	Groups   int `json:"groups"`
	Replicas int `json:"replicas"`
}

// DefaultShape is three nodes and two groups of a master and a replica.
func DefaultShape() Shape { return Shape{Port: 19000, Nodes: 3, Groups: 2, Replicas: 1} }

// Distances of ports from a node's client port.
const (
	serverOffset = 100
	peerOffset   = 10000
	httpOffset   = 20000
)

func (s Shape) validate() error {
	switch {
	case s.Nodes < 1 || s.Nodes > 50:
		return fmt.Errorf("%w: --nodes %d: want 1 to 50", ErrInvalid, s.Nodes)
	case s.Groups < 1 || s.Groups > 50:
		return fmt.Errorf("%w: --groups %d: want 1 to 50", ErrInvalid, s.Groups)
	case s.Replicas < 0 || s.Replicas > 5:
		return fmt.Errorf("%w: --replicas %d: want 0 to 5", ErrInvalid, s.Replicas)
	case s.Port < 1 || s.Port+httpOffset+s.Nodes > 65535:
		return fmt.Errorf("%w: --port %d: want 1 to %d, since nodes use the ports %d and %d above theirs too",
			ErrInvalid, s.Port, 65535-httpOffset-s.Nodes, peerOffset, httpOffset)
	}
	return nil
}

// layout is every process and its addresses. It is recorded in the directory,
// since the replicated table knows the addresses.
type layout struct {
	Shape  Shape   `json:"shape"`
	Nodes  []node  `json:"nodes"`
	Groups []group `json:"groups"`
}

type node struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"`
}

// group lists its servers' addresses, the master's first.
type group struct {
	ID      int      `json:"id"`
	Servers []string `json:"servers"`
}

// newLayout gives each process its port, or a free one next to it when that is
// busy; the notes say which.
func newLayout(s Shape, free func(port int) bool) (layout, []string, error) {
	p := newPicker(free)
	// The picker keeps pointers into both slices, so they must not grow.
	l := layout{Shape: s, Nodes: make([]node, s.Nodes), Groups: make([]group, s.Groups)}
	for i := range l.Nodes {
		n := &l.Nodes[i]
		id := fmt.Sprintf("n%d", i+1)
		n.ID = id
		p.want(s.Port+i, "node "+id, &n.Addr)
		p.want(s.Port+peerOffset+i, "node "+id+", peers", &n.PeerAddr)
		p.want(s.Port+httpOffset+i, "node "+id+", HTTP", &n.HTTPAddr)
	}
	for i := range l.Groups {
		l.Groups[i] = group{ID: i + 1, Servers: make([]string, 1+s.Replicas)}
		for j := range l.Groups[i].Servers {
			p.want(s.Port+serverOffset+i*(1+s.Replicas)+j, fmt.Sprintf("redis-server %d of group %d", j+1, i+1), &l.Groups[i].Servers[j])
		}
	}
	notes, err := p.pick()
	return l, notes, err
}

// all lists every address.
func (l layout) all() []string {
	var list []string
	for _, n := range l.Nodes {
		list = append(list, n.Addr, n.PeerAddr, n.HTTPAddr)
	}
	for _, g := range l.Groups {
		list = append(list, g.Servers...)
	}
	return list
}

// fits says why a recalled layout can't be used: the wishes are others, or a
// port is taken by now. Ports can't change, since the data knows them.
func (l layout) fits(s Shape, dir string, free func(port int) bool) error {
	if l.Shape != s {
		return fmt.Errorf("%w: the demo in %s was made with --port %d --nodes %d --groups %d --replicas %d: leave these flags away, or use another --dir",
			ErrInvalid, dir, l.Shape.Port, l.Shape.Nodes, l.Shape.Groups, l.Shape.Replicas)
	}
	for _, addr := range l.all() {
		port, err := strconv.Atoi(portOf(addr))
		if err != nil {
			return fmt.Errorf("%s: bad address %q", layoutPath(dir), addr)
		}
		if !free(port) {
			return fmt.Errorf("port %d, which the demo in %s needs again, is in use: is it still running? Else free the port, or use another --dir", port, dir)
		}
	}
	return nil
}

func layoutPath(dir string) string { return filepath.Join(dir, "demo.json") }

func (l layout) record(dir string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(layoutPath(dir), append(text, '\n'), 0o600)
}

func recall(dir string) (l layout, found bool, err error) {
	text, err := os.ReadFile(layoutPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return layout{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err == nil && (len(l.Nodes) == 0 || len(l.Groups) == 0) {
		err = errors.New("no nodes or no groups in it")
	}
	if err != nil {
		return layout{}, false, fmt.Errorf("%s: %w", layoutPath(dir), err)
	}
	return l, true, nil
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // we made the address
	return port
}
