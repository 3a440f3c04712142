package resp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// ErrAuth is returned, wrapped, when a server refuses the user and password, or
// asks for them.
var ErrAuth = errors.New("not authenticated")

// ClientOptions say how to reach a server.
type ClientOptions struct {
	// Addr is host:port, or unix:/path.
	Addr string
	// User and Password are for AUTH; without a User only the Password is sent,
	// without a Password no AUTH.
	User, Password string
	// Name is given to CLIENT SETNAME when it is not empty.
	Name string
	// DB is selected when it is not 0.
	DB int
	// DialTimeout bounds the making of the TCP connection; 0 means 5 s.
	DialTimeout time.Duration
	// Timeout bounds each call, the set-up commands included; 0 leaves it to
	// the context.
	Timeout time.Duration
}

// Dial connects and does AUTH, CLIENT SETNAME and SELECT as asked.
func Dial(ctx context.Context, o ClientOptions) (*Client, error) {
	if o.DialTimeout <= 0 {
		o.DialTimeout = 5 * time.Second
	}
	network, addr := "tcp", o.Addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	d := net.Dialer{Timeout: o.DialTimeout}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("%s: dial: %w", o.Addr, plain(ctx, err))
	}
	c := &Client{addr: o.Addr, timeout: o.Timeout, conn: conn}
	if err := c.setUp(ctx, o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) setUp(ctx context.Context, o ClientOptions) error {
	if o.Password != "" {
		args := []string{"AUTH", o.Password}
		if o.User != "" {
			args = []string{"AUTH", o.User, o.Password}
		}
		if _, err := c.Do(ctx, args...); err != nil {
			return explainAuth(o, err)
		}
	}
	if o.Name != "" {
		if _, err := c.Do(ctx, "CLIENT", "SETNAME", o.Name); err != nil {
			return err
		}
	}
	if o.DB != 0 {
		if _, err := c.Do(ctx, "SELECT", strconv.Itoa(o.DB)); err != nil {
			return err
		}
	}
	return nil
}

// explainAuth says what a refused AUTH means. The server's own text goes
// through redact: one that does not know AUTH repeats its arguments.
func explainAuth(o ClientOptions, err error) error {
	var se *ServerError
	if !errors.As(err, &se) {
		return err
	}
	refusal := &ServerError{Code: se.Code, Text: redact(se.Text, o.Password)}
	var hint string
	switch {
	case se.Code == "WRONGPASS" || strings.HasPrefix(se.Text, "ERR invalid password"):
		hint = "wrong user or password"
	case strings.Contains(se.Text, "no password is set") || strings.Contains(se.Text, "without any password configured"):
		hint = "a password was given, but the server has none set"
	case o.User != "" && strings.Contains(se.Text, "wrong number of arguments"):
		hint = "the server is older than Redis 6 and has no users, give a password only"
	default:
		return fmt.Errorf("%s: AUTH: %w", o.Addr, refusal)
	}
	return fmt.Errorf("%s: AUTH: %s: %w: %w", o.Addr, hint, ErrAuth, refusal)
}

// redact takes the arguments that a server repeats, and the password, out of
// an error text.
func redact(text, password string) string {
	text, _, _ = strings.Cut(text, ", with args beginning with")
	return strings.ReplaceAll(text, password, "***")
}
