package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// Ports are the listeners of a node from the check whether their addresses are
// free until those who serve them take over.
type Ports struct{ Client, Peer, HTTP net.Listener }

// Release closes what nobody has taken over.
func (p *Ports) Release() {
	for _, l := range []net.Listener{p.Client, p.Peer, p.HTTP} {
		if l != nil {
			l.Close() // those that were taken over are closed already
		}
	}
}

// Reserve listens on all addresses of a node, before anything else is touched,
// and turns port 0 into a real port, which other nodes must be told. A port that the
// kernel has lent is waited for; that of HTTP is not, and opens when it is free, since
// a node that restarts should serve, and vote, meanwhile.
func Reserve(ctx context.Context, cfg *Config, log *slog.Logger) (*Ports, error) {
	p := &Ports{}
	for _, want := range []struct {
		flag, addr string
		to         *net.Listener
	}{{"--addr", cfg.Addr, &p.Client}, {"--peer-addr", cfg.PeerAddr, &p.Peer}, {"--http-addr", cfg.HTTPAddr, &p.HTTP}} {
		log := log.With("flag", want.flag)
		l, err := tryListen(ctx, want.addr)
		if errors.Is(err, errLent) {
			if want.to == &p.HTTP {
				l, err = newLateListener(ctx, want.addr, log)
			} else {
				l, err = listen(ctx, want.addr, log)
			}
		}
		if err != nil {
			p.Release()
			if errors.Is(err, errLent) {
				return nil, fmt.Errorf("%s %s: %w for %v; %s", want.flag, want.addr, err, portPatience, lentAdvice(want.addr))
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, fmt.Errorf("%s %s: the port is in use by another process; stop that one or choose another port", want.flag, want.addr)
			}
			return nil, fmt.Errorf("%s %s: %w", want.flag, want.addr, err)
		}
		*want.to = l
	}
	*cfg = cfg.Bound(p.Client.Addr().String(), p.Peer.Addr().String(), p.HTTP.Addr().String())
	return p, nil
}

// errLent is returned when nobody listens on a port and yet it is taken.
var errLent = errors.New("the port is lent to an outgoing connection of this machine")

// lentAdvice says how to get out of this for good.
func lentAdvice(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf("choose a port outside of the range in /proc/sys/net/ipv4/ip_local_port_range, or keep the kernel from lending this one: "+
		"sysctl -w net.ipv4.ip_local_reserved_ports=%s (a list)", port)
}

// stillWaiting is how often listen says that it waits.
const stillWaiting = 10 * time.Second

// portPatience is how long listen waits for a port that the kernel has lent to an
// outgoing connection: as long as such a connection lingers after its end.
const portPatience = 70 * time.Second

// tryListen listens, or returns errLent when the port is taken and nobody listens on
// it: the default ports are in the range from which the kernel serves outgoing connections.
func tryListen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if conn, dialErr := net.DialTimeout("tcp", addr, time.Second); dialErr == nil {
		conn.Close()
		return nil, err
	}
	return nil, errLent
}

// listen waits for a port that is lent.
func listen(ctx context.Context, addr string, log *slog.Logger) (net.Listener, error) {
	var said time.Time
	for end := time.Now().Add(portPatience); ; {
		l, err := tryListen(ctx, addr)
		if !errors.Is(err, errLent) {
			if err == nil && !said.IsZero() {
				log.Info("the port is free now", "addr", addr)
			}
			return l, err
		}
		if time.Now().After(end) {
			return nil, errLent
		}
		if time.Since(said) >= stillWaiting {
			said = time.Now()
			log.Warn("waiting for the port, which the kernel has lent to an outgoing connection", "addr", addr, "advice", lentAdvice(addr))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
