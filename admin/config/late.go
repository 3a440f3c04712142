package config

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
)

// lateListener stands for a listener whose port is lent: Accept opens it when it can.
type lateListener struct {
	addr net.Addr
	log  *slog.Logger
	// ctx ends when Close is called.
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	opened net.Listener // guarded by mu
}

func newLateListener(ctx context.Context, addr string, log *slog.Logger) (*lateListener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &lateListener{addr: resolved, log: log}
	// It outlives the start of the node, which ctx is for.
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return l, nil
}

// Accept implements net.Listener. Only one goroutine may call it.
func (l *lateListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	opened := l.opened
	l.mu.Unlock()
	if opened == nil {
		var err error
		if opened, err = l.open(); err != nil {
			return nil, err
		}
	}
	return opened.Accept()
}

// open waits for the port as long as it takes.
func (l *lateListener) open() (net.Listener, error) {
	opened, err := listen(l.ctx, l.addr.String(), l.log)
	for errors.Is(err, errLent) {
		opened, err = listen(l.ctx, l.addr.String(), l.log)
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.ctx.Err(); err != nil {
		opened.Close()
		return nil, err
	}
	l.opened = opened
	return opened, nil
}

// Close implements net.Listener: it ends a call of Accept.
func (l *lateListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel()
	if l.opened == nil {
		return nil
	}
	return l.opened.Close()
}

// Addr implements net.Listener.
func (l *lateListener) Addr() net.Addr { return l.addr }
