package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/redcon"

	"codis/admin"
	"codis/raftstore/topology"
)

// startNode serves the real operations, over a state without Raft and servers
// that are always fine, on a free port. With a password it asks for AUTH.
func startNode(tb testing.TB, password string) (addr string) {
	tb.Helper()
	cfg := admin.DefaultConfig()
	store := newStore(tb)
	cfg.Store, cfg.Servers, cfg.PeerSecret = store, fineServers{}, true
	cfg.Mover, cfg.Keyspace, cfg.Ack = &mover{store: store}, keyspace{}, func(uint64) {}
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	ops, err := admin.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	handle := func(conn redcon.Conn, cmd redcon.Command) {
		switch name := string(cmd.Args[0]); {
		case name == "AUTH" && string(cmd.Args[1]) == password:
			conn.SetContext(true)
			conn.WriteString("OK")
		case name == "AUTH":
			conn.WriteError("WRONGPASS invalid username-password pair or user is disabled.")
		case password != "" && conn.Context() == nil:
			conn.WriteError("NOAUTH Authentication required.")
		case name == "CODIS.HISTORY" && len(cmd.Args) == 2 && string(cmd.Args[1]) == "666":
			conn.Close() // what a node that dies in the middle looks like
		default:
			conn.WriteRaw(ops.ServeRESP(context.Background(), "10.0.0.9:5000", cmd.Args))
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := redcon.NewServer(ln.Addr().String(), handle, nil, nil)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(ln) }) // ends with the listener
	tb.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// store is an admin.Store of one node, on topology.Apply.
type store struct {
	mu    sync.Mutex
	state *topology.State
	index uint64
}

func newStore(tb testing.TB) *store {
	tb.Helper()
	s := &store{state: topology.NewState()}
	for i := range 3 {
		n := topology.Node{ID: fmt.Sprintf("n%d", i+1), Incarnation: "i", Addr: fmt.Sprintf("127.0.0.1:%d", 19000+i),
			PeerAddr: fmt.Sprintf("127.0.0.1:%d", 29000+i), HTTPAddr: fmt.Sprintf("127.0.0.1:%d", 39000+i), Version: "1.0.0"}
		var body topology.Body = topology.NodeJoin{Node: n}
		if i == 0 {
			body = topology.ClusterInit{ClusterID: "c0ffee", Node: n, Format: topology.StateFormat}
		}
		if out, _ := s.Propose(tb.Context(), topology.Command{Who: "test", Body: body}); out.Err() != nil {
			tb.Fatal(out.Err())
		}
	}
	return s
}

func (s *store) Propose(_ context.Context, c topology.Command) (topology.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
	c.RequestID, c.At = fmt.Sprint(s.index), 1_700_000_000_000+int64(s.index)*1000
	next, out := topology.Apply(s.state, s.index, c)
	s.state = next
	return out, nil
}

func (s *store) State() *topology.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *store) Status() admin.Status {
	st := admin.Status{ID: "n1", Role: "leader", LeaderID: "n1", LeaderAddr: "127.0.0.1:19000", Term: 2, Joined: true, Voters: []string{"n1", "n2"}, Nonvoters: []string{"n3"}}
	st.Leases = &admin.Leases{Left: 4 * time.Second, Nodes: map[string]admin.NodeLease{
		"n1": {Age: 5 * time.Millisecond, Acked: s.State().Epoch, Left: 5 * time.Second}, "n2": {Age: time.Second, Acked: 3, Left: 4 * time.Second},
	}}
	st.CommitIndex, st.AppliedIndex = s.State().Epoch, s.State().Epoch
	return st
}

func (s *store) Subscribe() (<-chan struct{}, func())    { return make(chan struct{}), func() {} }
func (s *store) IsLeader() bool                          { return true }
func (s *store) WaitEpoch(context.Context, uint64) error { return nil }
func (s *store) PeerInfo() (string, string, string)      { return "c0ffee", "n1", "127.0.0.1:29000" }
func (s *store) ForwardAdmin(context.Context, string, [][]byte) ([]byte, error) {
	return nil, admin.ErrNoLeader
}
func (s *store) TransferLeadership(context.Context, string) error { return nil }
func (s *store) RemoveNode(ctx context.Context, id string, force bool) error {
	if !force {
		return fmt.Errorf("no majority would be left; say FORCE")
	}
	out, err := s.Propose(ctx, topology.Command{Body: topology.NodeRemove{ID: id}})
	if err != nil {
		return err
	}
	return out.Err()
}

// fineServers is an admin.Servers whose replicas are all empty masters.
type fineServers struct{}

func (fineServers) Inspect(_ context.Context, t admin.Target) (admin.Facts, error) {
	if t.Auth.Password == "HUNTER2" {
		return admin.Facts{}, fmt.Errorf("server %s: wrong password", t.Addr)
	}
	return admin.Facts{Addr: t.Addr, Version: "7.0.15", RunID: "run-" + t.Addr, ReplID: "replid"}, nil
}

func (fineServers) Check(a admin.Attach) (admin.Verdict, error) {
	if a.Master == nil {
		return admin.Verdict{}, nil
	}
	return admin.Verdict{Follow: true, Notes: []string{a.Server.Addr + " is an empty master: it is made a replica of " + a.Master.Addr}}, nil
}

func (fineServers) GiveFunctions(context.Context, *topology.State, int) (string, error) {
	return "", nil
}

func (fineServers) Follow(context.Context, admin.Link) (admin.Copy, error) {
	return admin.Copy{Done: true}, nil
}

func (fineServers) AwaitCopy(context.Context, admin.Link) (admin.Copy, error) {
	return admin.Copy{Done: true}, nil
}

func (fineServers) CountForeign(context.Context, admin.Count) (admin.Foreign, error) {
	return admin.Foreign{}, nil
}
