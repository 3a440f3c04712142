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

// Complete reads the secrets' files, fills in the values that depend on others,
// and validates the result. Completing twice changes nothing.
func (c Config) Complete() (Config, error) {
	if err := c.readSecrets(); err != nil {
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

// readSecrets replaces names of files by what the files say, once.
func (c *Config) readSecrets() error {
	for _, f := range []struct {
		flag         string
		secret, file *string
	}{{"secret", &c.Secret, &c.SecretFile}, {"admin-password", &c.AdminPassword, &c.AdminPasswordFile}} {
		if *f.file == "" {
			continue
		}
		if *f.secret != "" {
			return fmt.Errorf("%w: --%s and --%s-file are both given", ErrInvalid, f.flag, f.flag)
		}
		text, err := os.ReadFile(*f.file)
		if err != nil {
			return fmt.Errorf("--%s-file: %w", f.flag, err)
		}
		if *f.secret = strings.TrimSpace(string(text)); *f.secret == "" {
			return invalid(f.flag+"-file", *f.file, "the file is empty")
		}
		*f.file = ""
	}
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
