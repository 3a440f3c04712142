package config

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Distances of the default ports from the client port.
const (
	peerPortOffset = 10000
	httpPortOffset = 20000
)

// Complete reads the secret's file, fills in the values that depend on others,
// and validates the result. Completing twice changes nothing.
func (c Config) Complete() (Config, error) {
	if err := c.readSecret(); err != nil {
		return Config{}, err
	}
	host, port, err := split(c.Addr)
	if err != nil {
		return Config{}, invalid("addr", c.Addr, err.Error())
	}
	derived := []struct {
		flag   string
		addr   *string
		offset int
	}{{"peer-addr", &c.PeerAddr, peerPortOffset}, {"http-addr", &c.HTTPAddr, httpPortOffset}}
	for _, d := range derived {
		if *d.addr != "" {
			continue
		}
		p := 0
		if port != 0 {
			p = port + d.offset
		}
		if p > 65535 {
			return Config{}, invalid(d.flag, "", fmt.Sprintf(
				"its default, the client port plus %d, is no port: set --%s", d.offset, d.flag))
		}
		*d.addr = net.JoinHostPort(host, strconv.Itoa(p))
	}
	for _, a := range []struct{ advertise, bind *string }{
		{&c.AdvertiseAddr, &c.Addr}, {&c.AdvertisePeerAddr, &c.PeerAddr}, {&c.AdvertiseHTTPAddr, &c.HTTPAddr},
	} {
		if *a.advertise == "" {
			*a.advertise = *a.bind
		}
	}
	if c.Loops == 0 {
		c.Loops = max(1, runtime.NumCPU()/2)
	}
	return c, c.Validate()
}

// readSecret replaces the file's name by what the file says, once.
func (c *Config) readSecret() error {
	if c.SecretFile == "" {
		return nil
	}
	if c.Secret != "" {
		return fmt.Errorf("%w: --secret and --secret-file are both given", ErrInvalid)
	}
	text, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return fmt.Errorf("--secret-file: %w", err)
	}
	c.Secret = strings.TrimSpace(string(text))
	if c.Secret == "" {
		return invalid("secret-file", c.SecretFile, "the file is empty")
	}
	c.SecretFile = ""
	return nil
}

// Bound replaces the addresses to listen on by those that were really bound,
// where port 0 has become a free port, and the advertised ports with them.
func (c Config) Bound(client, peer, http string) Config {
	for _, a := range []struct {
		bind, advertise *string
		real            string
	}{
		{&c.Addr, &c.AdvertiseAddr, client}, {&c.PeerAddr, &c.AdvertisePeerAddr, peer}, {&c.HTTPAddr, &c.AdvertiseHTTPAddr, http},
	} {
		_, port, err := net.SplitHostPort(a.real)
		if err != nil {
			continue // net gave us the address; it has a port
		}
		host, old, err := split(*a.bind)
		if err == nil && old == 0 {
			*a.bind = net.JoinHostPort(host, port)
		}
		if host, old, err = split(*a.advertise); err == nil && old == 0 {
			*a.advertise = net.JoinHostPort(host, port)
		}
	}
	return c
}
