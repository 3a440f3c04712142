// Package failover is what this program knows of redis-servers as servers, not
// as holders of slots: it inspects one before it is attached to a group
// (Inspect, CheckAttach), makes one follow a master (Follow), counts keys that
// a server holds and its group does not own (CountForeign), and watches all of
// them (Prober), which is what reads from replicas and votes stand on. On the
// leader a Controller gives groups other masters, and keeps servers in the roles
// that the table gives them.
//
// Who is in which group is the replicated state's business, which replica may
// serve a read is the router's. The admin operations and main call it; it imports
// only the leaves raftstore/topology, migrate/fence and router/resp.
package failover

import (
	"context"
	"errors"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// Target is a redis-server and what it takes to log in to it.
type Target struct {
	// Addr is host:port.
	Addr string
	// Auth is empty for a server without a password.
	Auth topology.Credentials
}

const (
	// dialTimeout and callTimeout bound one step of the verbs that people wait
	// for; the caller's context may bound them further.
	dialTimeout = 3 * time.Second
	callTimeout = 5 * time.Second
	// clientName is how connections of this package's one-off verbs are seen in a
	// server's CLIENT LIST. They are not named codis:<node>: a barrier kills
	// those, and it has no quarrel with these.
	clientName = "codis-tool"
)

// dial connects and logs in, for a verb that someone waits for.
func dial(ctx context.Context, t Target) (*resp.Client, error) {
	c, err := connect(ctx, resp.ClientOptions{
		Addr: t.Addr, User: t.Auth.User, Password: t.Auth.Password, Name: clientName,
		DialTimeout: dialTimeout, Timeout: callTimeout,
	})
	if err != nil {
		return nil, explain(t.Addr, err)
	}
	return c, nil
}

// connect is resp.Dial with a more forgiving CLIENT SETNAME: the name is a
// courtesy to whoever reads CLIENT LIST, and a user who may not set it, or a
// server that is blocked by a script, is no reason to fail.
//
// It goes alone and is waited for: a server in protected mode or at its
// maxclients answers the first command, whatever it is, and hangs up, and in a
// pipeline that answer would be lost in the broken connection.
func connect(ctx context.Context, o resp.ClientOptions) (*resp.Client, error) {
	name := o.Name
	o.Name = ""
	c, err := resp.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	_, err = c.Do(ctx, "CLIENT", "SETNAME", name)
	if se := (*resp.ServerError)(nil); errors.As(err, &se) && !errors.Is(explainReply(o.Addr, se), ErrRefused) {
		err = nil
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
