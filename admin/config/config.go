// Package config holds what one node is told at its start: flags, environment
// variables and a config file, the first that is given counting in this order,
// and the rules that the values must keep. Settings of the whole cluster, which
// live in the replicated state, are not here. The main package calls it.
package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
)

// ErrInvalid is returned, wrapped, when a value is missing, malformed or against
// a rule; the text says which one and what to do.
var ErrInvalid = errors.New("invalid configuration")

// Config is what one node is told at its start.
type Config struct {
	// ID names the node; empty means the one kept in Dir, or a new one.
	ID string
	// Dir keeps the node's identity and its part of the replicated state.
	Dir string
	// Addr, PeerAddr and HTTPAddr are the addresses that the node listens on for
	// clients, for other nodes and for HTTP. Port 0 picks a free one.
	Addr, PeerAddr, HTTPAddr string
	// Unix is the path of a further socket for clients; empty means none.
	Unix string
	// The advertised addresses are what others are told to connect to.
	AdvertiseAddr, AdvertisePeerAddr, AdvertiseHTTPAddr string
	// Join lists client addresses of members of the cluster to join. A member
	// that comes back needs none.
	Join []string
	// Secret is shared by all nodes; without it a node listens on loopback only.
	Secret string
	// SecretFile is where Secret was read from.
	SecretFile string
	// Password is what clients must give with AUTH; empty means nothing.
	Password string
	// AdminPassword is the operator's: it opens the HTTP API and the page, where empty
	// means Password, and changes over RESP, where empty means that all may. It was read
	// from AdminPasswordFile if that is set.
	AdminPassword, AdminPasswordFile string
	// Zone is where the node runs, for reads from the nearest replica.
	Zone string
	// Loops is the number of event loops; 0 means half of the cores.
	Loops int
	// LogLevel is debug, info, warn or error; LogFormat is text or json.
	LogLevel, LogFormat string
	// Pprof serves Go profiles on the HTTP address.
	Pprof bool
}

// DefaultConfig returns the defaults; Complete fills in those that depend on
// other values.
func DefaultConfig() Config {
	return Config{Dir: "codis-data", Addr: "127.0.0.1:19000", LogLevel: "info", LogFormat: "text"}
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// Validate checks a complete Config and changes nothing.
func (c Config) Validate() error {
	return errors.Join(c.validateNames(), c.validateAddresses(), c.validateExposure())
}

func (c Config) validateNames() error {
	var errs []error
	if c.ID != "" && !idPattern.MatchString(c.ID) {
		errs = append(errs, invalid("id", c.ID, "want up to 64 letters, digits, '.', '_' and '-', a letter or digit first"))
	}
	if c.Dir == "" {
		errs = append(errs, invalid("dir", c.Dir, "the node needs a directory of its own"))
	}
	if c.Loops < 0 {
		errs = append(errs, invalid("loops", strconv.Itoa(c.Loops), "want 0 (half of the cores) or more"))
	}
	// The kernel's sockaddr_un holds 108 bytes, the last one a zero; 104 on BSDs.
	if len(c.Unix) > 103 {
		errs = append(errs, invalid("unix", c.Unix, "the path of a socket has at most 103 bytes"))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		errs = append(errs, invalid("log-level", c.LogLevel, "want debug, info, warn or error"))
	}
	if !slices.Contains([]string{"text", "json"}, c.LogFormat) {
		errs = append(errs, invalid("log-format", c.LogFormat, "want text or json"))
	}
	return errors.Join(errs...)
}

// named is an address with the flag that sets it.
type named struct{ flag, addr string }

func (c Config) bound() []named {
	return []named{{"addr", c.Addr}, {"peer-addr", c.PeerAddr}, {"http-addr", c.HTTPAddr}}
}

func (c Config) advertised() []named {
	return []named{{"advertise-addr", c.AdvertiseAddr}, {"advertise-peer-addr", c.AdvertisePeerAddr}, {"advertise-http-addr", c.AdvertiseHTTPAddr}}
}

func (c Config) validateAddresses() error {
	var errs []error
	taken := map[string]string{}
	for _, b := range c.bound() {
		_, port, err := split(b.addr)
		if err != nil {
			errs = append(errs, invalid(b.flag, b.addr, err.Error()))
			continue
		}
		if other, ok := taken[b.addr]; ok && port != 0 {
			errs = append(errs, invalid(b.flag, b.addr, "--"+other+" has the same address"))
		}
		taken[b.addr] = b.flag
	}
	for i, a := range c.advertised() {
		host, _, err := split(a.addr)
		switch {
		case err != nil:
			errs = append(errs, invalid(a.flag, a.addr, err.Error()))
		case wildcard(host):
			errs = append(errs, invalid(a.flag, a.addr, fmt.Sprintf(
				"others can't connect to it: --%s listens on every address, say with --%s by which one the node is reached",
				c.bound()[i].flag, a.flag)))
		}
	}
	for _, j := range c.Join {
		host, port, err := split(j)
		if err == nil && (host == "" || port == 0) {
			err = errors.New("want the client address of a node, as host:port")
		}
		if err != nil {
			errs = append(errs, invalid("join", j, err.Error()))
		}
	}
	return errors.Join(errs...)
}

// validateExposure keeps a node without a secret on loopback: on the peer port
// one forged message could stop the cluster for good, on the client port anyone
// could change the table.
func (c Config) validateExposure() error {
	if c.Secret != "" {
		return nil
	}
	for _, b := range c.bound() {
		if host, _, err := split(b.addr); err == nil && !loopback(host) {
			return invalid(b.flag, b.addr, "refused without a cluster secret, since anyone who reaches the port could take over the cluster; "+
				"give all nodes the same secret with --secret-file, CODIS_SECRET or --secret, or listen on 127.0.0.1")
		}
	}
	return nil
}

func invalid(flag, value, why string) error {
	return fmt.Errorf("%w: --%s %q: %s", ErrInvalid, flag, value, why)
}

// split takes an address apart and checks the port.
func split(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, errors.New("want host:port")
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port (0 to 65535)", text)
	}
	return host, port, nil
}

// loopback says whether only this machine reaches a host. Names other than
// localhost are not looked up: what they mean may change.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func wildcard(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
