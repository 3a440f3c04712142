package failover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"

	"codis/raftstore/topology"
	"codis/router/resp"
)

const (
	// scanCount is the COUNT of each SCAN: about half a millisecond of the server's time.
	scanCount = "1000"
	// exampleBytes is how much of an example key is shown.
	exampleBytes = 64
)

// ForeignScan says what CountForeign counts and when it gives up.
type ForeignScan struct {
	// Owns says whether a slot's keys belong on the server.
	Owns func(slot int) bool
	// MaxKeys is the number of keys to look at; 0 means all.
	MaxKeys int64
}

// Foreign is what CountForeign found.
type Foreign struct {
	// Count is the number of keys of slots that are not owned. SCAN may show a key
	// twice while a server's tables grow or shrink, so this is "about".
	Count int64
	// Scanned is the number of keys looked at.
	Scanned int64
	// Example is one foreign key, quoted as a Go string and cut; empty when there is none.
	Example string
	// Partial says that it ended early, at MaxKeys or at the context's deadline.
	Partial bool
}

// CountForeign reads the names of a server's keys, in all databases, and counts
// those whose slot is not owned. A context whose deadline passes ends it early
// without an error: the count is for a warning.
func CountForeign(ctx context.Context, t Target, scan ForeignScan) (Foreign, error) {
	var found Foreign
	c, err := dial(ctx, t)
	if err != nil {
		return found, err
	}
	defer c.Close()

	reply, err := c.Do(ctx, "INFO", "keyspace")
	if err != nil {
		return found, explain(t.Addr, err)
	}
	for _, db := range slices.Sorted(maps.Keys(parseKeyspace(resp.ParseInfo(reply.Text())))) {
		if err = scanDatabase(ctx, c, db, scan, &found); err != nil || found.Partial {
			break
		}
	}
	if err != nil && timedOut(ctx, err) && found.Scanned > 0 {
		found.Partial, err = true, nil
	}
	if err != nil {
		return found, explain(t.Addr, err)
	}
	return found, nil
}

func scanDatabase(ctx context.Context, c *resp.Client, db int, scan ForeignScan, found *Foreign) error {
	if _, err := c.Do(ctx, "SELECT", strconv.Itoa(db)); err != nil {
		return fmt.Errorf("select database %d: %w", db, err)
	}
	for cursor := "0"; ; {
		reply, err := c.Do(ctx, "SCAN", cursor, "COUNT", scanCount)
		if err != nil {
			return fmt.Errorf("scan database %d: %w", db, err)
		}
		if len(reply.Array) != 2 {
			return fmt.Errorf("scan database %d: strange reply: %w", db, resp.ErrProtocol)
		}
		for _, key := range reply.Array[1].Array {
			found.add(key.Str, scan.Owns)
		}
		if cursor = reply.Array[0].Text(); cursor == "0" {
			return nil
		}
		if scan.MaxKeys > 0 && found.Scanned >= scan.MaxKeys {
			found.Partial = true
			return nil
		}
	}
}

func (f *Foreign) add(key []byte, owns func(slot int) bool) {
	f.Scanned++
	if owns(topology.SlotOf(key)) {
		return
	}
	f.Count++
	if f.Example == "" {
		f.Example = quoteKey(key)
	}
}

// quoteKey shows a key safely: keys are any bytes, of any length.
func quoteKey(key []byte) string {
	if len(key) > exampleBytes {
		return strconv.QuoteToASCII(string(key[:exampleBytes])) + "..."
	}
	return strconv.QuoteToASCII(string(key))
}

func timedOut(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) &&
		(errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded))
}
