// Package peer is the port on which nodes of a cluster talk to each other: one
// listener and one dialer, both behind a challenge that proves knowledge of the
// cluster's secret. What comes out are plain connections of two kinds, for Raft
// and for RPC; what is said on them is raftstore's business, the only caller.
//
// A stranger gets 32 random bytes and nothing else, whatever it sends: one forged
// AppendEntries with a huge term would stop a cluster for good.
package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Kind says what a connection is for.
type Kind byte

const (
	// KindRaft carries hashicorp/raft's own messages.
	KindRaft Kind = 'R'
	// KindRPC carries commands of this project, as RESP.
	KindRPC Kind = 'C'
)

// Identity names a node: its ID, and the incarnation of its data directory.
type Identity struct {
	ID          string
	Incarnation string
}

// Config is what a Port is made of.
type Config struct {
	// Addr is the address to bind, host:port; port 0 lets the system choose.
	Addr string
	// Secret is the cluster's secret; may be empty.
	Secret []byte
	// Self is this node.
	Self Identity
	// HandshakeTimeout bounds the challenge, dialing not included.
	HandshakeTimeout time.Duration
	// MaxPending bounds the connections that have not passed the challenge yet;
	// beyond it one of them is closed for each new one.
	MaxPending int
	Logger     *slog.Logger
}

// Port is one node's end. Its goroutines are the acceptor and one for each
// connection that has not passed the challenge yet; Close waits for all of them.
type Port struct {
	cfg       Config
	ln        net.Listener
	clusterID atomic.Pointer[string]
	raft, rpc *queue

	strangers atomic.Uint64
	lastLog   atomic.Int64 // Unix seconds of the last line about a stranger

	wg sync.WaitGroup
	// mu guards what follows.
	mu      sync.Mutex
	closed  bool
	pending map[net.Conn]struct{}
	conns   map[*conn]struct{}
}

// Listen binds the port and starts to accept. Connections are refused until
// SetCluster has been called.
func Listen(cfg Config) (*Port, error) {
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for peers on %s: %w", cfg.Addr, err)
	}
	p := &Port{
		cfg: cfg, ln: ln,
		raft: newQueue(ln.Addr()), rpc: newQueue(ln.Addr()),
		pending: map[net.Conn]struct{}{}, conns: map[*conn]struct{}{},
	}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the address that was bound.
func (p *Port) Addr() string { return p.ln.Addr().String() }

// SetCluster says which cluster this node is in, or is about to join.
func (p *Port) SetCluster(id string) { p.clusterID.Store(&id) }

// Raft and RPC are listeners for the connections of one kind that have passed the
// challenge. Closing one of them closes neither the port nor its connections.
func (p *Port) Raft() net.Listener { return p.raft }

// RPC is described at Raft.
func (p *Port) RPC() net.Listener { return p.rpc }

// Strangers counts the connections that have failed the challenge.
func (p *Port) Strangers() uint64 { return p.strangers.Load() }

// Close closes the listener and every connection, dialed ones too.
func (p *Port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	err := p.ln.Close()
	for c := range p.pending {
		c.Close()
	}
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()

	for c := range conns {
		c.Close()
	}
	// Before the wait: a goroutine may be handing a connection over.
	p.raft.Close()
	p.rpc.Close()
	p.wg.Wait()
	return err
}

func (p *Port) accept() {
	for {
		raw, err := p.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: wait for some to be closed.
			p.cfg.Logger.Warn("can't accept a peer", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !p.addPending(raw) {
			raw.Close()
			return
		}
		p.wg.Go(func() { p.welcome(raw) })
	}
}

// addPending makes room by closing one of the others: a stranger that opens
// connections and says nothing must not keep the peers out.
func (p *Port) addPending(raw net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if len(p.pending) >= p.cfg.MaxPending {
		for victim := range p.pending {
			victim.Close()
			delete(p.pending, victim)
			break
		}
	}
	p.pending[raw] = struct{}{}
	return true
}

// welcome challenges one connection and passes it on.
func (p *Port) welcome(raw net.Conn) {
	kind, from, err := p.challenge(raw)
	p.mu.Lock()
	delete(p.pending, raw)
	p.mu.Unlock()
	if err != nil {
		raw.Close()
		p.logStranger(raw, err)
		return
	}
	c := p.track(raw, from)
	if c == nil {
		return
	}
	queue := p.rpc
	if kind == KindRaft {
		queue = p.raft
	}
	if !queue.put(c) {
		c.Close()
	}
}

// logStranger writes one line a minute at most.
func (p *Port) logStranger(raw net.Conn, err error) {
	count := p.strangers.Add(1)
	now, last := time.Now().Unix(), p.lastLog.Load()
	if errors.Is(err, net.ErrClosed) || now-last < 60 || !p.lastLog.CompareAndSwap(last, now) {
		return
	}
	p.cfg.Logger.Warn("a connection to the peer port was refused", "from", raw.RemoteAddr().String(), "reason", err, "refused_so_far", count)
}

// Dial connects to the node with that identity, at an address where it is thought
// to be; an empty incarnation means any. Whoever else answers there is refused.
func (p *Port) Dial(ctx context.Context, addr string, to Identity, kind Kind) (net.Conn, error) {
	raw, err := p.dial(ctx, addr, to, kind)
	if err != nil {
		return nil, err
	}
	if c := p.track(raw, to.ID); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("dial peer %s: %w", to.ID, net.ErrClosed)
}

// Visit is Dial for a node whose own port is not open yet. The connection is the
// caller's to close.
func Visit(ctx context.Context, cfg Config, cluster, addr string, to Identity) (net.Conn, error) {
	p := &Port{cfg: cfg}
	p.SetCluster(cluster)
	return p.dial(ctx, addr, to, KindRPC)
}

func (p *Port) dial(ctx context.Context, addr string, to Identity, kind Kind) (net.Conn, error) {
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial peer %s: %w", to.ID, err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	err = p.introduce(raw, to, kind)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("peer %s at %s: %w", to.ID, addr, err)
	}
	return raw, nil
}

// track wraps a connection that Close will close; nil when it is too late.
func (p *Port) track(raw net.Conn, from string) *conn {
	c := &conn{Conn: raw, port: p, from: from}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		raw.Close()
		return nil
	}
	p.conns[c] = struct{}{}
	return c
}

// conn is a connection that has passed the challenge.
type conn struct {
	net.Conn
	port *Port
	from string
	once sync.Once
}

// From returns the ID of the node at the other end of a connection of a Port.
func From(c net.Conn) string {
	if c, ok := c.(*conn); ok {
		return c.from
	}
	return ""
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.port.mu.Lock()
		defer c.port.mu.Unlock()
		delete(c.port.conns, c)
	})
	return c.Conn.Close()
}
