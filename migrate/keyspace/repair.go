package keyspace

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"codis/migrate/fence"
	"codis/raftstore/topology"
	"codis/router/resp"
)

// DropReserved deletes reserved keys of batches that are over, and returns how many
// it was asked for. It is safe at any time: the scripts name the epoch, and the
// epoch of a batch that is over is no other batch's.
func DropReserved(ctx context.Context, t Target, list []Reserved) (int64, error) {
	c, err := dial(ctx, t)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	db, dropped := -1, int64(0)
	for _, r := range list {
		if r.DB != db {
			if _, err := c.Do(ctx, "SELECT", strconv.Itoa(r.DB)); err != nil {
				return dropped, fmt.Errorf("database %d: %w", r.DB, err)
			}
			db = r.DB
		}
		request := fence.AppendDropMoved(nil, r.Epoch, []int{r.Slot})
		if r.Fence {
			request = fence.AppendDropFence(nil, r.Epoch)
		}
		if err := send(ctx, c, request); err != nil {
			return dropped, err
		}
		dropped++
	}
	return dropped, nil
}

// send runs a request that was built as bytes.
func send(ctx context.Context, c *resp.Client, frame []byte) error {
	scanner := resp.Scanner{Limits: resp.DefaultLimits()}
	if n, err := scanner.Next(frame); err != nil || n != len(frame) {
		return fmt.Errorf("a request of %d bytes is none: %w", len(frame), err)
	}
	_, err := c.DoBytes(ctx, scanner.Args()...)
	return err
}

// Guard gives leave to delete keys of slots that the server's group does not serve.
// Without one a move that begins meanwhile could bring such a slot to the group,
// and the request that was sent before would delete what clients have just written.
//
// Enter and Leave are called in turn, by one goroutine.
type Guard interface {
	// Enter returns a Permit, which holds until Leave: till then the node does not
	// acknowledge any newer table, so that no move gets past its hold, unless the
	// node is taken for silent, which takes longer than Permit.Left.
	Enter() (Permit, error)
	Leave()
}

// Permit is the leave to send one request.
type Permit struct {
	// Left is how long the request may take to be run.
	Left time.Duration
	// Foreign says whether another group serves a slot, as of Enter.
	Foreign func(slot int) bool
}

// errLate is returned when a server had the request after the permit had ended.
var errLate = errors.New("the request to delete keys came too late, nothing was deleted by it; try again")

// deleteScript: KEYS keys; ARGV deadline in Unix ms, by the server's clock. It
// gives the number of keys, or -1 when it is late.
const deleteScript = `local n=redis.call('TIME')
if n[1]*1000+math.floor(n[2]/1000)>=tonumber(ARGV[1]) then return -1 end
local c=0
for i=1,#KEYS do c=c+redis.call('UNLINK',KEYS[i]) end
return c`

// DeleteForeign deletes, in all databases, the keys of slots that another group
// serves, and returns how many that were.
func DeleteForeign(ctx context.Context, t Target, g Guard) (deleted int64, err error) {
	c, err := dial(ctx, t)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	dbs, _, err := databases(ctx, c)
	if err != nil {
		return 0, err
	}
	err = walk(ctx, c, dbs, func(p page) error {
		n, err := deletePage(ctx, c, p, g)
		deleted += n
		return err
	})
	return deleted, err
}

func deletePage(ctx context.Context, c *resp.Client, p page, g Guard) (int64, error) {
	// The clock is read before the permit is: whatever time passes between them
	// makes the deadline earlier.
	now, err := clock(ctx, c)
	if err != nil {
		return 0, err
	}
	permit, err := g.Enter()
	if err != nil {
		return 0, err
	}
	defer g.Leave()
	args := [][]byte{[]byte("EVAL"), []byte(deleteScript), nil}
	for _, key := range p.keys {
		if !fence.IsReserved(key.Str) && permit.Foreign(topology.SlotOf(key.Str)) {
			args = append(args, key.Str)
		}
	}
	if len(args) == 3 {
		return 0, nil
	}
	args[2] = strconv.AppendInt(nil, int64(len(args)-3), 10)
	args = append(args, strconv.AppendInt(nil, now.Add(permit.Left).UnixMilli(), 10))
	entered := time.Now()
	r, err := c.DoBytes(ctx, args...)
	switch {
	case err != nil && !refused(err):
		// It may still be on its way: the permit is kept until it has run out there.
		time.Sleep(time.Until(entered.Add(permit.Left)))
		return 0, err
	case err != nil:
		return 0, err
	case r.Int < 0:
		return 0, fmt.Errorf("%s: %w", c.Addr(), errLate)
	}
	return r.Int, nil
}

// clock reads the server's clock.
func clock(ctx context.Context, c *resp.Client) (time.Time, error) {
	r, err := c.Do(ctx, "TIME")
	if err != nil {
		return time.Time{}, err
	}
	if len(r.Array) != 2 {
		return time.Time{}, fmt.Errorf("%s: TIME: %w", c.Addr(), resp.ErrProtocol)
	}
	seconds, err := strconv.ParseInt(r.Array[0].Text(), 10, 64)
	micros, err2 := strconv.ParseInt(r.Array[1].Text(), 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return time.Time{}, fmt.Errorf("%s: TIME: %w", c.Addr(), err)
	}
	return time.UnixMilli(seconds*1000 + micros/1000), nil
}
