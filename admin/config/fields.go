package config

import (
	"fmt"
	"strconv"
	"strings"
)

// field is one value that can be given: as the flag --name, as the environment
// variable CODIS_NAME, and as a line "name value" of the config file.
type field struct {
	name     string
	usage    string
	fallback string // the default, as help shows it
	boolean  bool
	secret   bool // not to be shown
	set      func(*Config, string) error
}

// env is the name of the environment variable.
func (f field) env() string {
	return "CODIS_" + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))
}

// fields is the table of all values.
func fields() []field {
	d := DefaultConfig()
	return []field{
		text("id", "name of the node, kept in its directory from the first start on", "generated", func(c *Config) *string { return &c.ID }),
		text("dir", "directory of the node: its identity and its part of the replicated table", d.Dir, func(c *Config) *string { return &c.Dir }),
		text("addr", "address for clients", d.Addr, func(c *Config) *string { return &c.Addr }),
		text("unix", "path of a Unix socket for clients, beside --addr", "none", func(c *Config) *string { return &c.Unix }),
		text("peer-addr", "address for the other nodes", "client port + 10000", func(c *Config) *string { return &c.PeerAddr }),
		text("http-addr", "address for the web page, the HTTP API, health checks and metrics", "client port + 20000", func(c *Config) *string { return &c.HTTPAddr }),
		text("advertise-addr", "address by which clients and other nodes reach --addr", "--addr", func(c *Config) *string { return &c.AdvertiseAddr }),
		text("advertise-peer-addr", "address by which other nodes reach --peer-addr", "--peer-addr", func(c *Config) *string { return &c.AdvertisePeerAddr }),
		text("advertise-http-addr", "address by which others reach --http-addr", "--http-addr", func(c *Config) *string { return &c.AdvertiseHTTPAddr }),
		{name: "join", usage: "client address of any node of the cluster to join; a comma list is tried in order. Not needed after the first start", fallback: "found a new cluster",
			set: func(c *Config, v string) error { c.Join = splitList(v); return nil }},
		hidden(text("secret", "secret that all nodes share; needed to listen beyond loopback. Others can see a flag's value: prefer --secret-file", "none", func(c *Config) *string { return &c.Secret })),
		text("secret-file", "file that holds the secret", "none", func(c *Config) *string { return &c.SecretFile }),
		hidden(text("password", "password that clients give with AUTH", "none", func(c *Config) *string { return &c.Password })),
		hidden(text("admin-password", "password for who changes the cluster: AUTH admin, the web page, the HTTP API. Others can see a flag's value: prefer --admin-password-file", "--password", func(c *Config) *string { return &c.AdminPassword })),
		text("admin-password-file", "file that holds the admin password", "none", func(c *Config) *string { return &c.AdminPasswordFile }),
		text("zone", "where the node runs, for reads from the nearest replica", "none", func(c *Config) *string { return &c.Zone }),
		{name: "loops", usage: "event loops that serve clients", fallback: "half of the cores, at least 1", set: setLoops},
		text("log-level", "debug, info, warn or error", d.LogLevel, func(c *Config) *string { return &c.LogLevel }),
		text("log-format", "text or json", d.LogFormat, func(c *Config) *string { return &c.LogFormat }),
		{name: "pprof", usage: "serve Go profiles under /debug/pprof on --http-addr", fallback: "no", boolean: true, set: setPprof},
	}
}

func text(name, usage, fallback string, at func(*Config) *string) field {
	return field{name: name, usage: usage, fallback: fallback, set: func(c *Config, v string) error {
		*at(c) = v
		return nil
	}}
}

func hidden(f field) field {
	f.secret = true
	return f
}

func setLoops(c *Config, v string) (err error) {
	if c.Loops, err = strconv.Atoi(v); err != nil {
		return fmt.Errorf("%q is not a number", v)
	}
	return nil
}

func setPprof(c *Config, v string) error {
	switch v {
	case "yes", "true", "1", "on":
		c.Pprof = true
	case "no", "false", "0", "off":
		c.Pprof = false
	default:
		return fmt.Errorf("%q is neither yes nor no", v)
	}
	return nil
}

func splitList(v string) []string {
	var list []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
