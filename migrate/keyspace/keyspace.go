// Package keyspace reads what a redis-server holds, key by key: how much of it is
// in which slot (Measure), which keys are where they do not belong and which
// reserved keys of moves have been left behind (Inspect). It deletes the latter
// (DropReserved), and keys of slots that another group serves (DeleteForeign).
//
// It decides nothing: which group serves a slot, which moves are over and when
// something may be deleted its callers say, the admin operations by way of main. It
// imports the leaves raftstore/topology and router/resp, and migrate/fence for the
// names of reserved keys.
package keyspace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"codis/raftstore/topology"
	"codis/router/resp"
)

// Target is a redis-server and what AUTH takes there; zero Auth means no AUTH.
type Target struct {
	Addr string
	Auth topology.Credentials
}

const (
	dialTimeout = 3 * time.Second
	callTimeout = 10 * time.Second
	// clientName is how the connections are seen in CLIENT LIST. It is none of the
	// names that a barrier kills: what deletes has its own guard, see Guard.
	clientName = "codis-tool"
	// scanCount is the COUNT of each SCAN: about half a millisecond of the server's time.
	scanCount = "1000"
	// exampleBytes is how much of an example key is shown.
	exampleBytes = 64
)

// dial connects, logs in and gives the connection a name where that is allowed.
func dial(ctx context.Context, t Target) (*resp.Client, error) {
	c, err := resp.Dial(ctx, resp.ClientOptions{
		Addr: t.Addr, User: t.Auth.User, Password: t.Auth.Password, DialTimeout: dialTimeout, Timeout: callTimeout,
	})
	if err != nil {
		return nil, err
	}
	if _, err := c.Do(ctx, "CLIENT", "SETNAME", clientName); err != nil && !refused(err) {
		c.Close()
		return nil, err
	}
	return c, nil
}

// refused says whether a server has answered with an error.
func refused(err error) bool {
	var se *resp.ServerError
	return errors.As(err, &se)
}

// databases returns the databases that have keys, in order, and how many keys
// there are in all of them.
func databases(ctx context.Context, c *resp.Client) (dbs []int, keys int64, err error) {
	r, err := c.Do(ctx, "INFO", "keyspace")
	if err != nil {
		return nil, 0, err
	}
	for name, value := range resp.ParseInfo(r.Text()) {
		db, err := strconv.Atoi(strings.TrimPrefix(name, "db"))
		if err != nil || !strings.HasPrefix(name, "db") {
			continue
		}
		count, _, _ := strings.Cut(strings.TrimPrefix(value, "keys="), ",")
		n, err := strconv.ParseInt(count, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: INFO: strange number of keys %.64q: %w", c.Addr(), value, resp.ErrProtocol)
		}
		dbs, keys = append(dbs, db), keys+n
	}
	slices.Sort(dbs)
	return dbs, keys, nil
}

// page is what one SCAN has answered. Its connection is at the page's database.
type page struct {
	db   int
	keys []resp.Reply
}

// errEnough ends a walk without an error.
var errEnough = errors.New("enough")

// walk reads the names of all keys of all databases. SCAN sees every key that is
// there from its start to its end, and may show some twice.
func walk(ctx context.Context, c *resp.Client, dbs []int, visit func(page) error) error {
	for _, db := range dbs {
		if _, err := c.Do(ctx, "SELECT", strconv.Itoa(db)); err != nil {
			return fmt.Errorf("database %d: %w", db, err)
		}
		for cursor := "0"; ; {
			r, err := c.Do(ctx, "SCAN", cursor, "COUNT", scanCount)
			if err != nil {
				return fmt.Errorf("database %d: %w", db, err)
			}
			if len(r.Array) != 2 {
				return fmt.Errorf("%s: SCAN: %w", c.Addr(), resp.ErrProtocol)
			}
			err = visit(page{db: db, keys: r.Array[1].Array})
			if errors.Is(err, errEnough) {
				return nil
			}
			if err != nil {
				return err
			}
			if cursor = r.Array[0].Text(); cursor == "0" {
				break
			}
		}
	}
	return nil
}

// show quotes a key: keys are any bytes, of any length.
func show(key []byte) string {
	if len(key) > exampleBytes {
		return strconv.QuoteToASCII(string(key[:exampleBytes])) + "..."
	}
	return strconv.QuoteToASCII(string(key))
}
