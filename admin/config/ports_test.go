package config

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// logText is what was logged, for a test that reads while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lend makes an outgoing connection, and returns its local address: one of loopback
// that nothing else on the machine uses, since ports linger with every address that
// had them.
func lend(t *testing.T) (addr string, end func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 77, 1)}}
	c, err := dialer.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Skip("only Linux has all of 127.0.0.0/8: ", err)
	}
	end = func() {
		_ = c.(*net.TCPConn).SetLinger(0) // so that the port does not linger either
		c.Close()
	}
	t.Cleanup(end)
	return c.LocalAddr().String(), end
}

// TestLentPort: a port that the kernel has lent is waited for, and the log says so,
// with a way out.
func TestLentPort(t *testing.T) {
	t.Parallel()
	addr, end := lend(t)
	cfg := DefaultConfig()
	cfg.Addr, cfg.PeerAddr, cfg.HTTPAddr = "127.0.0.1:0", addr, "127.0.0.1:0"
	var log logText
	type result struct {
		ports *Ports
		err   error
	}
	done := make(chan result, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() {
		ports, err := Reserve(ctx, &cfg, slog.New(slog.NewTextHandler(&log, nil)))
		done <- result{ports, err}
	}()
	for !strings.Contains(log.String(), "ip_local_reserved_ports="+addr[strings.LastIndex(addr, ":")+1:]) {
		select {
		case r := <-done:
			t.Fatalf("it did not wait: %v", r.err)
		case <-time.After(10 * time.Millisecond): // the log has no event
		}
	}
	end()
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	defer r.ports.Release()
	if got := r.ports.Peer.Addr().String(); got != addr {
		t.Errorf("listens on %s", got)
	}
	if text := log.String(); !strings.Contains(text, "--peer-addr") || !strings.Contains(text, "the port is free now") {
		t.Errorf("log:\n%s", text)
	}
}

// TestLentHTTPPort: a node does not wait for its HTTP port, which opens when it can.
func TestLentHTTPPort(t *testing.T) {
	t.Parallel()
	addr, end := lend(t)
	cfg := DefaultConfig()
	cfg.Addr, cfg.PeerAddr, cfg.HTTPAddr = "127.0.0.1:0", "127.0.0.1:0", addr
	ctx, cancel := context.WithCancel(t.Context())
	ports, err := Reserve(ctx, &cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ports.Release)
	if cfg.HTTPAddr != addr {
		t.Errorf("the address became %s, want %s", cfg.HTTPAddr, addr)
	}
	cancel() // the start is over
	accepted := make(chan error, 2)
	go func() {
		for range 2 {
			c, err := ports.HTTP.Accept()
			if err == nil {
				c.Close()
			}
			accepted <- err
		}
	}()
	end()
	var c net.Conn
	for deadline := time.Now().Add(30 * time.Second); c == nil && time.Now().Before(deadline); {
		c, _ = net.DialTimeout("tcp", addr, 10*time.Millisecond)
	}
	if c == nil {
		t.Fatal("the port was not opened when it was free")
	}
	defer c.Close()
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	ports.HTTP.Close()
	if err := <-accepted; err == nil {
		t.Error("a closed listener has accepted")
	}
}

// TestLentHTTPPortClosed: a listener that waits for its port ends when it is closed.
func TestLentHTTPPortClosed(t *testing.T) {
	t.Parallel()
	addr, _ := lend(t)
	l, err := newLateListener(t.Context(), addr, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	l.Close()
	if err := <-done; err == nil {
		t.Error("a closed listener has accepted")
	}
}
