package failover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"codis/migrate/fence"
	"codis/router/resp"
)

// order is one change of a server's role. Each server obeys orders of the highest
// epoch only (SAFETY F3): the group's key says which that is, and is watched from
// before it is read until the role changes.
type order struct {
	// epoch is that of the turn, or of the group's last change.
	epoch uint64
	// follow is the server that is to be followed; nil: be a master, and set the key.
	follow *Target
	// confirm proves, after the key is watched, that we still lead: whoever leads
	// after us changes the key of the server that it promotes, which undoes the
	// watch. It is needed where data may be wiped.
	confirm func(context.Context) error
	// faults are for tests.
	faults faults
}

// faults switch safety rules off, each for the test that shows what it is for.
type faults struct {
	// noEpoch sends role commands without the watch and without looking at the key.
	noEpoch bool
	// anyHistory takes the highest offset, whatever history it counts.
	anyHistory bool
	// keepConnections leaves connections of nodes at the candidate.
	keepConnections bool
	// beforeOrder is called when a candidate has been looked at and not yet promoted.
	beforeOrder func()
	// noGuard takes a master that has come back with less data for what it was.
	noGuard bool
}

// errFenced is returned when a server has obeyed a later turn, or obeyed one while
// the order was under way. The server has not changed.
var errFenced = errors.New("a later turn has been here")

// errUnsent is returned when an order was given up before anything was sent that
// changes a role.
var errUnsent = errors.New("nothing was changed")

// setKey sets the group's key where it has none, or one of an earlier turn. It is a
// script because a replica takes no write into a transaction, not even behind
// REPLICAOF NO ONE; PERSIST is a write that a full server does not refuse, and once a
// script has written it is refused nothing.
const setKey = `redis.call('PERSIST',KEYS[1])
local e=redis.call('GET',KEYS[1])
if e and tonumber(e)>=tonumber(ARGV[1]) then return {ok='KEPT'} end
return redis.call('SET',KEYS[1],ARGV[1])`

// run gives the order on a connection that is used for nothing else meanwhile.
func (o order) run(ctx context.Context, c *resp.Client) error {
	if !o.faults.noEpoch {
		if err := o.watch(ctx, c); err != nil {
			return fmt.Errorf("%w: %w", errUnsent, err)
		}
	}
	if o.confirm != nil {
		if err := o.confirm(ctx); err != nil {
			return fmt.Errorf("%w: %w", errUnsent, err)
		}
	}
	cmds, err := o.commands()
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsent, err)
	}
	replies, err := c.Pipeline(ctx, cmds...)
	if err != nil {
		return explain(c.Addr(), err)
	}
	return o.outcome(c.Addr(), replies)
}

// watch watches the key and looks whether a later turn has set it.
func (o order) watch(ctx context.Context, c *resp.Client) error {
	replies, err := c.Pipeline(ctx, []string{"WATCH", fence.GroupKey}, []string{"GET", fence.GroupKey})
	if err != nil {
		return explain(c.Addr(), err)
	}
	if err := replies[0].Err(); err != nil {
		return explain(c.Addr(), err)
	}
	there, err := readEpoch(replies[1])
	if err != nil {
		return explain(c.Addr(), err)
	}
	if there > o.epoch {
		return fmt.Errorf("server %s: %w: epoch %d, not %d", c.Addr(), errFenced, there, o.epoch)
	}
	return nil
}

// readEpoch reads the value of the group's key; 0 where there is none, or where a
// replica without its master tells nothing.
func readEpoch(r resp.Reply) (uint64, error) {
	if err := r.Err(); err != nil {
		if se := (*resp.ServerError)(nil); errors.As(err, &se) && se.Code == "MASTERDOWN" {
			return 0, nil
		}
		return 0, err
	}
	if r.IsNil() {
		return 0, nil
	}
	return strconv.ParseUint(r.Text(), 10, 64)
}

func (o order) commands() ([][]string, error) {
	if o.follow == nil {
		return [][]string{
			{"MULTI"}, {"REPLICAOF", "NO", "ONE"},
			{"EVAL", setKey, "1", fence.GroupKey, strconv.FormatUint(o.epoch, 10)}, {"EXEC"},
		}, nil
	}
	host, port, err := net.SplitHostPort(o.follow.Addr)
	if err != nil {
		return nil, err
	}
	return [][]string{{"MULTI"}, {"REPLICAOF", host, port}, {"EXEC"}}, nil
}

// outcome reads the replies of commands.
func (o order) outcome(addr string, replies []resp.Reply) error {
	for _, r := range replies[:len(replies)-1] {
		if err := r.Err(); err != nil {
			return explain(addr, err)
		}
	}
	done := replies[len(replies)-1]
	if err := done.Err(); err != nil {
		return explain(addr, err)
	}
	if done.IsNil() {
		return fmt.Errorf("server %s: %w while the order was under way", addr, errFenced)
	}
	// The key may be refused (min-replicas-to-write): it is set later, see care.
	if len(done.Array) == 0 || done.Array[0].Err() != nil {
		return explain(addr, &resp.ServerError{Code: "ERR", Text: "REPLICAOF was refused: " + done.Text()})
	}
	return nil
}
