package failover

import (
	"context"
	"strconv"
	"strings"
	"time"

	"codis/router/resp"
)

// masterProbeTimeout bounds the look at a replica's master: its address may mean
// nothing on this host, and then the look only costs time.
const masterProbeTimeout = time.Second

// Inspect asks a server who it is and whether it can be used at all. Where it
// answers but can't be used, the error (an *Error) comes with the facts that it
// gave. It changes nothing on the server.
func Inspect(ctx context.Context, t Target) (Facts, error) {
	c, err := dial(ctx, t)
	if err != nil {
		return Facts{Addr: t.Addr}, err
	}
	defer c.Close()

	f, err := ask(ctx, c, t.Addr)
	if err != nil {
		return f, err
	}
	if f.Role == RoleReplica {
		askMaster(ctx, t, &f)
	}
	return f, nil
}

// ask is one round trip with everything in it.
func ask(ctx context.Context, c *resp.Client, addr string) (Facts, error) {
	sent := time.Now()
	replies, err := c.Pipeline(ctx, []string{"PING"}, []string{"INFO"}, []string{"CONFIG", "GET", "databases"})
	rtt := time.Since(sent)
	if err != nil {
		return Facts{Addr: addr}, explain(addr, err)
	}
	if len(replies) != 3 {
		return Facts{Addr: addr}, notRedis(addr)
	}
	ping, info, databases := replies[0], replies[1], replies[2]
	if err := info.Err(); err != nil {
		// INFO is answered while loading and while the master is away: an error
		// here is about access or a blocking script, else this is no redis-server.
		e := explain(addr, err).(*Error)
		if e.Kind == ErrCommand {
			e.Kind, e.Hint = ErrNotRedis, "check that a redis-server listens there"
		}
		return Facts{Addr: addr}, e
	}
	fields := resp.ParseInfo(info.Text())
	f := parseFacts(addr, fields)
	if a := databases.Array; databases.Err() == nil && len(a) == 2 {
		f.Databases, _ = strconv.Atoi(a[1].Text())
	}
	if usec := infoInt(fields, "server_time_usec"); usec > 0 {
		f.ClockSkew, f.ClockKnown = time.UnixMicro(usec).Sub(sent.Add(rtt/2)), true
	}
	return f, usable(f, fields, ping.Err())
}

// usable is the first reason why a server can't be used, most telling first.
func usable(f Facts, info map[string]string, ping error) error {
	switch version, ok := ParseVersion(f.Version); {
	case info["redis_mode"] == "sentinel":
		return &Error{Addr: f.Addr, Kind: ErrSentinel, Text: "a Sentinel answers there, not a server with data",
			Hint: "give the address of the redis-server that it watches"}
	case isCodis(info):
		return &Error{Addr: f.Addr, Kind: ErrNotRedis, Text: "a codis node answers there", Hint: "give the address of a redis-server"}
	case !ok, f.Role == RoleUnknown:
		return notRedis(f.Addr)
	case f.ClusterEnabled:
		return &Error{Addr: f.Addr, Kind: ErrClusterMode, Text: "it runs in cluster mode", Hint: "start it with cluster-enabled no"}
	case version.Less(MinVersion):
		return &Error{Addr: f.Addr, Kind: ErrVersion, Text: "version " + f.Version + " is too old",
			Hint: "use " + MinVersion.String() + " or later"}
	case f.Loading:
		return explainReply(f.Addr, &resp.ServerError{Code: "LOADING"})
	case ping == nil:
		return nil
	}
	e := explain(f.Addr, ping).(*Error)
	switch e.Kind {
	case ErrLoading, ErrBusy, ErrAuth, ErrRefused:
		return e
	}
	// -MASTERDOWN is a replica that waits for its master, which the facts say
	// better. Others (PING forbidden or renamed) don't matter: INFO was answered.
	return nil
}

func notRedis(addr string) *Error {
	return &Error{Addr: addr, Kind: ErrNotRedis, Text: "what answers there is not a redis-server",
		Hint: "check the address: INFO has no redis_version and role"}
}

// isCodis recognizes this program by the fields that its INFO adds: a node given
// as a backend would forward requests to itself.
func isCodis(info map[string]string) bool {
	for field := range info {
		if strings.HasPrefix(field, "codis_") {
			return true
		}
	}
	return false
}

// askMaster looks at a replica's master by the address that the replica has for
// it. Names and addresses of one server differ from host to host, its run id
// does not; nothing is said when it can't be asked.
func askMaster(ctx context.Context, t Target, f *Facts) {
	ctx, cancel := context.WithTimeout(ctx, masterProbeTimeout)
	defer cancel()
	c, err := dial(ctx, Target{Addr: f.MasterAddr, Auth: t.Auth})
	if err != nil {
		return
	}
	defer c.Close()
	reply, err := c.Do(ctx, "INFO")
	if err != nil {
		return
	}
	master := parseFacts(f.MasterAddr, resp.ParseInfo(reply.Text()))
	f.MasterRunID, f.MasterRole = master.RunID, master.Role
}
